"""A GPU through cuda-core; with its neighbours `cuda_streams` and `cuda_foreign` all that talks to CUDA."""

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.device.arguments import Signature, kernel_grid, signature
from engine.device.base import Device, DeviceArray, Stream
from engine.device.cuda_foreign import LEGACY_DEFAULT_STREAM, PrimaryContext, read_array, stream_handle
from engine.device.cuda_streams import CudaEvent, CudaGraph, CudaStream, call, check, first_line, native_stream
from engine.errors import BuildError, InternalError, MissingExtraError, NoDeviceError
from kernels.catalogue import Element, catalogue
from kernels.compiler import CompileError, compile_source

URGENT, USUAL = -1, 0
"""Stream priorities: lower goes first; every GPU has at least these two."""

MOST_CONFIGS = 1024
"""Kernels over domains whose launch is kept; a chain has some hundred, but faces' boxes are of any size."""

_SCALARS: dict[str, type[Any]] = {
    "float": np.float32,
    "int": np.int32,
    "unsigned": np.uint32,
    "unsigned char": np.uint8,
    "unsigned short": np.uint16,
}


def open_device(which: str = "0", *, kernels_folder: Path | None = None) -> "CudaDevice":
    """Open a GPU in its primary context.

    Parameters
    ----------
    which : its number, as the driver counts, or its UUID, with or without ``GPU-``
    kernels_folder : where compiled kernels are kept; None: they are compiled anew

    Raises
    ------
    MissingExtraError
        cuda-core is not installed.
    NoDeviceError
        There is no driver, no GPU, or not this one.
    """
    try:
        core: Any = import_module("cuda.core")
        driver: Any = import_module("cuda.bindings.driver")
    except ImportError as error:
        raise MissingExtraError("cuda.core", "gpu") from error
    try:
        natives = list(core.Device.get_all_devices())
    except Exception as error:  # pathfinder's, the bindings' and ctypes' errors share no public base
        raise NoDeviceError(
            f"GPU: CUDA does not start: {first_line(error)}; check the driver with nvidia-smi, or use --backend "
            "onnxruntime"
        ) from error
    wanted = which.lower().removeprefix("gpu-")
    for ordinal, native in enumerate(natives):
        if wanted in (str(ordinal), str(native.uuid).lower().removeprefix("gpu-")):
            return CudaDevice(core, driver, native, ordinal, kernels_folder)
    names = "; ".join(f"{ordinal}: {native.name}, GPU-{native.uuid}" for ordinal, native in enumerate(natives))
    raise NoDeviceError(f"GPU {which}: not there; there are: {names or 'none'}")


class CudaDevice(Device):
    """A GPU.

    Parameters
    ----------
    core, driver : the modules `cuda.core` and `cuda.bindings.driver`
    native : `cuda.core.Device`
    ordinal : its number
    kernels_folder : where compiled kernels are kept
    """

    def __init__(self, core: Any, driver: Any, native: Any, ordinal: int, kernels_folder: Path | None) -> None:
        self._core, self._utils, self._driver = core, import_module("cuda.core.utils"), driver
        self._folder = kernels_folder
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._kernels: dict[tuple[str, Element], _Ready] = {}
        self._config = lru_cache(MOST_CONFIGS)(self._make_config)
        self.ordinal = ordinal
        self._context = PrimaryContext(driver, ordinal)
        self._enter()
        capability = native.compute_capability
        self.name = str(native.name)
        self.compute_capability = (int(capability[0]), int(capability[1]))
        self._page_locked: Any = core.LegacyPinnedMemoryResource()

    @property
    def architecture(self) -> str:
        """As NVRTC calls it, such as ``sm_89``."""
        return f"sm_{self.compute_capability[0]}{self.compute_capability[1]}"

    def enter(self) -> None:
        """Make the primary context current in this thread."""
        self._enter()

    def stream(self, *, urgent: bool = False) -> CudaStream:
        """Make a stream that does not wait for the default stream."""
        native = self._enter()
        options = self._core.StreamOptions(nonblocking=True, priority=URGENT if urgent else USUAL)
        return CudaStream(call("stream", native.create_stream, options=options), self)

    def adopt_stream(self, foreign: object) -> CudaStream:
        """Wrap a stream of PyTorch, CuPy, Numba, PyCUDA, or one known by its handle."""
        self._context.check()
        handle = stream_handle(foreign)
        native = self._enter()
        if hasattr(foreign, "__cuda_stream__") and handle != LEGACY_DEFAULT_STREAM:
            return CudaStream(call("stream", native.create_stream, foreign), self)
        return CudaStream(call("stream", self._core.Stream.from_handle, handle), self)

    def adopt_array(self, foreign: object, stream: Stream) -> DeviceArray:
        """Let cuda-core read DLPack or `__cuda_array_interface__`."""
        self._context.check()
        self._enter()
        return read_array(self._utils, foreign, stream, self.ordinal)

    def lend_array(self, array: DeviceArray) -> Any:
        """Return an object with `__dlpack__` over device memory, for whoever takes nothing else; no copy."""
        self._enter()
        buffer = self._core.Buffer.from_handle(array.pointer, array.nbytes, owner=array)
        return self._utils.StridedMemoryView.from_buffer(buffer, shape=array.shape, dtype=array.dtype)

    def event(self, *, timed: bool = False) -> CudaEvent:
        """Make an event whose waiters sleep."""
        native = self._enter()
        options = self._core.EventOptions(timing_enabled=timed, blocking_sync=True)
        return CudaEvent(call("event", native.create_event, options))

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike, *, pooled: bool = True) -> DeviceArray:
        """Allocate from the device's memory pool, or plainly where that is asked for or it has none (Jetson)."""
        native = self._enter()
        kind, sizes = np.dtype(dtype), tuple(shape)
        nbytes = max(math.prod(sizes) * kind.itemsize, 1)
        if not pooled:
            plain = _PlainMemory(self, nbytes)
            return DeviceArray(plain.pointer, sizes, kind, plain)
        stream = native.default_stream
        buffer = call(f"memory of {nbytes} bytes", native.allocate, nbytes, stream=stream)
        call("memory", stream.sync)  # allocation is in that stream's order; every other may use it from now on
        return DeviceArray(int(buffer.handle), sizes, kind, buffer)

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocate page-locked memory; it lives as long as the array."""
        self._enter()
        kind, sizes = np.dtype(dtype), tuple(shape)
        nbytes = max(math.prod(sizes) * kind.itemsize, 1)
        buffer = call(f"page-locked memory of {nbytes} bytes", self._page_locked.allocate, nbytes)
        block: Any = (ctypes.c_char * nbytes).from_address(int(buffer.handle))
        block.owner = buffer  # NumPy holds the block, the block the memory
        return np.frombuffer(block, kind, math.prod(sizes)).reshape(sizes)

    def upload(self, source: npt.NDArray[Any], out: DeviceArray, stream: Stream) -> None:
        """Copy from the host."""
        _check_sizes(source.nbytes, out.nbytes, source.flags.c_contiguous)
        self._copy(self._driver.cuMemcpyHtoDAsync, out.pointer, source.ctypes.data, out.nbytes, stream)

    def download(self, source: DeviceArray, out: npt.NDArray[Any], stream: Stream) -> None:
        """Copy to the host."""
        _check_sizes(source.nbytes, out.nbytes, out.flags.c_contiguous)
        self._copy(self._driver.cuMemcpyDtoHAsync, out.ctypes.data, source.pointer, source.nbytes, stream)

    def copy(self, source: DeviceArray, out: DeviceArray, stream: Stream) -> None:
        """Copy within the device."""
        _check_sizes(source.nbytes, out.nbytes, True)
        self._copy(self._driver.cuMemcpyDtoDAsync, out.pointer, source.pointer, source.nbytes, stream)

    def clear(self, array: DeviceArray, stream: Stream) -> None:
        """Set every byte to zero."""
        self._enter()
        (code, *_) = self._driver.cuMemsetD8Async(array.pointer, 0, array.nbytes, stream.handle)
        check(code, "memory")

    def prepare(self, kernels: Sequence[str], element: Element) -> None:
        """Compile with NVRTC what is not kept, and load it."""
        self._enter()
        with self._lock:
            for name in kernels:
                self._load(name, element)

    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        """Start a kernel; one that was not prepared is compiled first.

        Of what is done here all that arguments do not change is kept: every launch costs the thread that gives it
        its time under the interpreter's lock, and a frame takes hundreds.
        """
        native = native_stream(stream)
        ready = self._kernels.get((kernel, element))
        if ready is None:
            with self._lock:
                ready = self._load(kernel, element)
        typed = ready.typed(arguments)
        call(ready.subject, self._core.launch, native, self._config(kernel, domain), ready.native, *typed)

    def record_graph(self, stream: Stream, work: Callable[[], None]) -> CudaGraph:
        """Capture a stream, of this thread's work alone."""
        self._enter()
        builder = call("graph", native_stream(stream).create_graph_builder)
        try:
            call("graph", builder.begin_building, "thread_local")
            work()
            call("graph", builder.end_building)
            graph = call("graph", builder.complete)
        except BaseException:
            with suppress(Exception):  # what was recorded so far is broken, and CUDA says so once more
                builder.end_building()
            with suppress(Exception):
                builder.close()
            raise
        call("graph", builder.close)
        return CudaGraph(graph)

    def memory(self) -> tuple[int, int]:
        """Ask the driver; what the memory pool holds ready for the next allocation is free too."""
        native = self._enter()
        code, free, total = self._driver.cuMemGetInfo()
        check(code, "memory")
        pool = getattr(call("memory", lambda: native.memory_resource), "attributes", None)
        if pool is None:  # the device has no pool (Jetson)
            return int(free), int(total)
        held = call("memory", lambda: int(pool.reserved_mem_current) - int(pool.used_mem_current))
        return int(free) + held, int(total)

    def _enter(self) -> Any:
        """Make the primary context current in this thread, once; return the thread's own `cuda.core.Device`."""
        native = getattr(self._thread, "native", None)
        if native is None:
            self._context.check_nobodys_own()
            native = call("device", self._core.Device, self.ordinal)
            call("device", native.set_current)
            self._context.is_current()
            self._thread.native = native
        return native

    def _make_config(self, kernel: str, domain: tuple[int, int, int]) -> Any:
        """Return how a kernel is launched over a domain; threads may share it, since a launch only reads it."""
        declared = catalogue()[kernel]
        return self._core.LaunchConfig(grid=kernel_grid(declared, domain), block=declared.block)

    def _load(self, name: str, element: Element) -> "_Ready":
        if (name, element) not in self._kernels:
            source = catalogue()[name].source
            try:
                code = compile_source(source, element, self.architecture, folder=self._folder)
            except CompileError as error:
                raise BuildError(str(error)) from error
            for kernel in catalogue().values():
                if kernel.source == source:
                    native = self._loaded(code, kernel.name)
                    self._kernels[kernel.name, element] = _Ready(native, signature(kernel.name, element))
        return self._kernels[name, element]

    def _loaded(self, code: Any, name: str) -> Any:
        """Return a kernel with its code on the device, which CUDA else brings there at the first launch."""
        kernel = call(f"kernel {name}", code.get_kernel, name)
        code, function = self._driver.cuKernelGetFunction(kernel.handle)
        check(code, f"kernel {name}")
        (code, *_) = self._driver.cuFuncLoad(function)
        check(code, f"kernel {name}")
        return kernel

    def _copy(self, function: Any, out: int, source: int, nbytes: int, stream: Stream) -> None:
        self._enter()
        (code, *_) = function(out, source, nbytes, stream.handle)
        check(code, "copy")

    def allocate_plainly(self, nbytes: int) -> int:
        """Return the address of memory outside any pool; `free_plainly` gives it back."""
        self._enter()
        code, pointer = self._driver.cuMemAlloc(nbytes)
        check(code, f"memory of {nbytes} bytes")
        return int(pointer)

    def free_plainly(self, pointer: int) -> None:
        """Give memory of `allocate_plainly` back."""
        self._enter()
        self._driver.cuMemFree(pointer)


class _Ready:
    """A kernel that can be launched.

    Parameters
    ----------
    native : `cuda.core.Kernel`
    parameters : that it was compiled with

    Attributes
    ----------
    native : as given
    subject : how errors begin
    """

    __slots__ = ("_parameters", "_types", "native", "subject")

    def __init__(self, native: Any, parameters: Signature) -> None:
        self.native, self._parameters = native, parameters
        self.subject = f"kernel {parameters.kernel.name}"
        declared = parameters.kernel.parameters
        self._types = [None if parameter.is_pointer else _SCALARS[parameter.type] for parameter in declared]

    def typed(self, arguments: Sequence[DeviceArray | int | float | None]) -> list[Any]:
        """Return arguments as cuda-core takes them: addresses as they are, numbers of their parameter's size."""
        values = self._parameters.values(arguments)
        return [value if kind is None else kind(value) for kind, value in zip(self._types, values, strict=True)]


class _PlainMemory:
    """Memory outside any pool, freed when this goes."""

    def __init__(self, device: CudaDevice, nbytes: int) -> None:
        self._device = device
        self.pointer = device.allocate_plainly(nbytes)

    def __del__(self) -> None:
        if hasattr(self, "pointer"):
            self._device.free_plainly(self.pointer)


def _check_sizes(source: int, out: int, is_contiguous: bool) -> None:
    if source != out or not is_contiguous:
        raise InternalError(f"a copy of {source} bytes into {out}, or of what is not contiguous")
