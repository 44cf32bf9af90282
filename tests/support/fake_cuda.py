"""`cuda.core` and `cuda.bindings.driver` as far as the engine uses them, over host memory.

A test holds them against the real ones. Work runs at once: order and time are the simulated device's business.
"""

import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

from kernels.catalogue import catalogue
from kernels.host.build import HostKernels


class CudaError(Exception):
    pass


class OutOfMemory(int):
    def __str__(self) -> str:
        return "CUDA_ERROR_OUT_OF_MEMORY"


class Event:
    def __init__(self, is_timing_enabled: bool) -> None:
        self.is_timing_enabled, self.is_done, self.syncs = is_timing_enabled, True, 0

    def sync(self) -> None:
        self.syncs += 1

    def __sub__(self, other: "Event") -> float:
        if not (self.is_timing_enabled and other.is_timing_enabled):
            raise CudaError("timing is not enabled")
        return 2.5


class GraphBuilder:
    def __init__(self, stream: "Stream") -> None:
        self._stream, self.is_building = stream, False

    def begin_building(self, mode: str = "relaxed") -> "GraphBuilder":
        assert mode in ("relaxed", "thread_local", "global")
        self._stream.captured, self.is_building = [], True
        return self

    def end_building(self) -> "GraphBuilder":
        self._works, self._stream.captured, self.is_building = self._stream.captured, None, False
        return self

    def complete(self) -> "Graph":
        return Graph(self._works)

    def close(self) -> None:
        assert not self.is_building


class Graph:
    def __init__(self, works: list[Any]) -> None:
        self._works = works

    def launch(self, stream: "Stream") -> None:
        for work in self._works:
            stream.give(work)


class Stream:
    count = 0

    def __init__(self, handle: int | None = None, priority: int | None = None) -> None:
        Stream.count += 1
        self.handle, self.priority = handle or 0x5000 + Stream.count, priority
        self.captured: list[Any] | None = None
        self.waited: list[Event] = []
        STREAMS[self.handle] = self

    @staticmethod
    def from_handle(handle: int) -> "Stream":
        return Stream(handle)

    def give(self, work: Any) -> None:
        if self.captured is not None:
            self.captured.append(work)
        else:
            work()

    def record(self, event: Event) -> Event:
        return event

    def wait(self, event_or_stream: Event) -> None:
        self.waited.append(event_or_stream)

    def sync(self) -> None:
        if self.captured is not None:
            raise CudaError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED: a stream that is captured")

    def create_graph_builder(self) -> GraphBuilder:
        return GraphBuilder(self)


STREAMS: dict[int, Stream] = {}


class Buffer:
    def __init__(self, size: int) -> None:
        self._memory = np.zeros(size, np.uint8)
        self.handle, self.size = self._memory.ctypes.data, size

    @staticmethod
    def from_handle(ptr: int, size: int, *, owner: Any) -> "Buffer":
        lent = Buffer.__new__(Buffer)
        lent._memory, lent.handle, lent.size = owner, ptr, size
        return lent


class LegacyPinnedMemoryResource:
    def allocate(self, size: int, *, stream: Any = None) -> Buffer:
        return Buffer(size)


class MemPoolAttributes:
    """A pool that has let memory go, which the driver goes on counting as used."""

    reserved_mem_current, used_mem_current = 250, 50


class DeviceMemoryResource:
    attributes = MemPoolAttributes()


class Kernel:
    def __init__(self, name: str) -> None:
        self.name = name
        self.handle = f"handle of {name}"


class ObjectCode:
    def get_kernel(self, name: str) -> Kernel:
        return Kernel(name)


PRIMARY = 0x9000
"""Of the first GPU."""


class CurrentContext(threading.local):
    """Which context is current in a thread; 0: none is."""

    current = 0


CONTEXT = CurrentContext()


class Device:
    """A GPU with little memory."""

    memory = 1 << 20
    entered = 0

    def __init__(self, number: int) -> None:
        self._primary = PRIMARY + number
        self.name, self.uuid, self.compute_capability = f"fake {number}", f"0000-{number}", (8, 6)
        self.default_stream = Stream()

    @property
    def memory_resource(self) -> Any:
        return DeviceMemoryResource()

    @staticmethod
    def get_all_devices() -> "tuple[Device, ...]":
        return Device(0), Device(1)

    def set_current(self) -> None:
        Device.entered += 1
        CONTEXT.current = self._primary

    def create_stream(self, obj: Any = None, options: Any = None) -> Stream:
        if obj is not None:
            return Stream(obj.__cuda_stream__()[1])
        return Stream(priority=options.priority)

    def create_event(self, options: Any = None) -> Event:
        assert options.blocking_sync
        return Event(options.timing_enabled)

    def allocate(self, size: int, *, stream: Stream) -> Buffer:
        if size > self.memory:
            raise CudaError("CUDA_ERROR_OUT_OF_MEMORY: The API call failed")
        return Buffer(size)


class StridedMemoryView:
    """Reads `__cuda_array_interface__`."""

    @classmethod
    def from_any_interface(cls, obj: Any, stream_ptr: int) -> "StridedMemoryView":
        return cls(obj, stream_ptr)

    def __init__(self, obj: Any, stream_ptr: int) -> None:
        if hasattr(obj, "__dlpack__"):
            obj.__dlpack__(stream=stream_ptr)
        if not hasattr(obj, "__cuda_array_interface__"):
            raise BufferError("the input object does not support any data exchange protocol")
        given = obj.__cuda_array_interface__
        if given["version"] < 3:
            raise BufferError("only CUDA Array Interface v3 or above is supported")
        self.ptr, self.shape, self.dtype = given["data"][0], given["shape"], np.dtype(given["typestr"])
        strides = given["strides"]
        self.strides = None if strides is None else tuple(stride // self.dtype.itemsize for stride in strides)
        self.is_device_accessible, self.consumer = not given.get("host"), stream_ptr
        self.device_id = given.get("device", 0)

    @staticmethod
    def from_buffer(buffer: Buffer, shape: tuple[int, ...], *, dtype: Any) -> "Lent":
        return Lent(buffer, shape, dtype)


class Lent:
    def __init__(self, buffer: Buffer, shape: tuple[int, ...], dtype: Any) -> None:
        self.buffer, self.shape, self.dtype = buffer, shape, dtype


def fake_utils() -> Any:
    """Return a module with what reads others' arrays."""
    return SimpleNamespace(StridedMemoryView=StridedMemoryView)


def fake_core(kernels: dict[tuple[str, str], HostKernels]) -> Any:
    """Return a module whose launches run `kernels`, by source and element."""

    def launch(stream: Stream, config: Any, kernel: Kernel, *kernel_args: Any) -> None:
        declared = catalogue()[kernel.name]
        for parameter, value in zip(declared.parameters, kernel_args, strict=True):
            kinds = (int,) if parameter.is_pointer else (np.float32, np.int32, np.uint32, np.uint8, np.uint16)
            assert isinstance(value, kinds), (parameter, type(value))
        domain = tuple(grid * block for grid, block in zip(config.grid, config.block, strict=True))
        values = [value if isinstance(value, int) else value.item() for value in kernel_args]
        stream.give(lambda: kernels[declared.source, "float32"].start(declared, domain, values))

    return SimpleNamespace(
        Device=Device,
        Stream=Stream,
        Event=Event,
        Buffer=Buffer,
        DeviceMemoryResource=DeviceMemoryResource,
        LegacyPinnedMemoryResource=LegacyPinnedMemoryResource,
        StreamOptions=lambda **given: SimpleNamespace(**given),
        EventOptions=lambda **given: SimpleNamespace(**given),
        LaunchConfig=lambda **given: SimpleNamespace(**given),
        launch=launch,
    )


LOADED: list[str] = []
"""Kernels whose code was brought to the device before their first launch."""
PLAIN: dict[int, Any] = {}
"""Memory that is of no pool, by address."""


def fake_driver() -> Any:
    """Return a module with the driver's copies, its memory outside pools, and its loading of kernels."""

    def allocate(size: int) -> tuple[Any, int]:
        if size > Device.memory:
            return OutOfMemory(2), 0
        memory = np.zeros(size, np.uint8)
        PLAIN[memory.ctypes.data] = memory
        return 0, memory.ctypes.data

    def load(function: str) -> tuple[int]:
        LOADED.append(function)
        return (0,)

    def move(out: int, source: int, size: int, stream: int) -> tuple[int]:
        STREAMS[stream].give(lambda: ctypes.memmove(out, source, size))
        return (0,)

    return SimpleNamespace(
        cuMemcpyHtoDAsync=move,
        cuMemcpyDtoHAsync=move,
        cuMemcpyDtoDAsync=move,
        cuMemsetD8Async=lambda at, value, size, stream: (
            STREAMS[stream].give(lambda: ctypes.memset(at, value, size)) or (0,)
        ),
        cuMemGetInfo=lambda: (0, 700, 1000),
        cuMemAlloc=allocate,
        cuMemFree=lambda at: (PLAIN.pop(at), (0,))[1],
        cuKernelGetFunction=lambda handle: (0, handle.removeprefix("handle of ")),
        cuFuncLoad=load,
        cuCtxGetCurrent=lambda: (0, CONTEXT.current),
        cuCtxGetDevice=lambda: (0, CONTEXT.current % 16),
        cuDevicePrimaryCtxRetain=lambda gpu: (0, PRIMARY + gpu),
        cuDevicePrimaryCtxRelease=lambda gpu: (0,),
    )
