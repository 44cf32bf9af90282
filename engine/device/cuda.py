"""A GPU through cuda-core: the one module that talks to CUDA."""

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from engine.device.arguments import Signature, kernel_grid, signature
from engine.device.base import Device, DeviceArray, Event, Graph, Stream
from engine.errors import (
    BindingError,
    BuildError,
    DeviceError,
    DeviceMemoryError,
    InternalError,
    MissingExtraError,
    NoDeviceError,
)
from kernels.catalogue import Element, catalogue
from kernels.compiler import CompileError, compile_source

LEGACY_DEFAULT_STREAM = 1
"""`CU_STREAM_LEGACY`: the default stream by a number that DLPack takes too, where 0 could be either default stream."""

URGENT, USUAL = -1, 0
"""Stream priorities: lower goes first; every GPU has at least these two."""

MOST_CONFIGS = 1024
"""Kernels over domains whose launch is kept; a chain has some hundred, but faces' boxes are of any size."""

_DLPACK_HOST, _DLPACK_CUDA = 1, 2
"""Kinds of device in DLPack: kDLCPU and kDLCUDA."""

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
            f"GPU: CUDA does not start: {_first_line(error)}; check the driver with nvidia-smi, or use --backend "
            "onnxruntime"
        ) from error
    wanted = which.lower().removeprefix("gpu-")
    for ordinal, native in enumerate(natives):
        if wanted in (str(ordinal), str(native.uuid).lower().removeprefix("gpu-")):
            return CudaDevice(core, driver, native, ordinal, kernels_folder)
    names = "; ".join(f"{ordinal}: {native.name}, GPU-{native.uuid}" for ordinal, native in enumerate(natives))
    raise NoDeviceError(f"GPU {which}: not there; there are: {names or 'none'}")


class CudaEvent(Event):
    """An event of cuda-core."""

    __slots__ = ("native",)

    def __init__(self, native: Any) -> None:
        self.native = native

    def wait(self, cuda_stream: Stream) -> None:
        """Make a stream wait."""
        _call("event", native_stream(cuda_stream).wait, self.native)

    def synchronize(self) -> None:
        """Stop the host; it sleeps."""
        _call("event", self.native.sync)

    @property
    def has_come(self) -> bool:
        """Ask without waiting."""
        return bool(_call("event", lambda: self.native.is_done))

    def seconds_since(self, earlier: Event) -> float:
        """Return the time between two timed events."""
        if not isinstance(earlier, CudaEvent):
            raise InternalError("events of two kinds of device were compared")
        return float(_call("event", lambda: self.native - earlier.native)) / 1000.0


class CudaStream(Stream):
    """A stream of cuda-core, its own or somebody else's.

    Parameters
    ----------
    native : `cuda.core.Stream`
    device : whose context is made current in a thread that gives it work
    """

    __slots__ = ("_device", "_native", "handle")

    def __init__(self, native: Any, device: "CudaDevice") -> None:
        self._native, self._device = native, device
        self.handle = int(native.handle)

    @property
    def native(self) -> Any:
        """cuda-core's stream, for this thread to give work to."""
        self._device.enter()
        return self._native

    def record(self, event: Event) -> None:
        """Record."""
        if not isinstance(event, CudaEvent):
            raise InternalError("a stream of CUDA was given an event of another device")
        _call("stream", self.native.record, event.native)

    def synchronize(self) -> None:
        """Wait for all work."""
        _call("stream", self.native.sync)


class CudaGraph(Graph):
    """A graph captured from a stream."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def launch(self, stream: Stream) -> None:
        """Start it."""
        _call("graph", self._native.launch, native_stream(stream))


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
        self._primary = 0
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
        return CudaStream(_call("stream", native.create_stream, options=options), self)

    def adopt_stream(self, foreign: object) -> CudaStream:
        """Wrap a stream of PyTorch, CuPy, Numba, PyCUDA, or one known by its handle."""
        self._check_context()
        handle = stream_handle(foreign)
        native = self._enter()
        if hasattr(foreign, "__cuda_stream__") and handle != LEGACY_DEFAULT_STREAM:
            return CudaStream(_call("stream", native.create_stream, foreign), self)
        return CudaStream(_call("stream", self._core.Stream.from_handle, handle), self)

    def adopt_array(self, foreign: object, stream: Stream) -> DeviceArray:
        """Let cuda-core read DLPack or `__cuda_array_interface__`."""
        self._check_context()
        self._enter()
        given: Any = foreign
        name = type(foreign).__name__
        try:
            kind = given.__dlpack_device__()[0] if hasattr(given, "__dlpack_device__") else _DLPACK_CUDA
            if kind == _DLPACK_HOST:  # such owners refuse a stream, in words that do not help
                raise BindingError(f"array of type {name}: lies on the host; copy it to the device first")
            view: Any = self._utils.StridedMemoryView.from_any_interface(_of_today(given), stream.handle)
        except BindingError:
            raise
        except Exception as error:  # BufferError mostly, but its owner may raise anything; all are mapped here
            raise BindingError(f"array of type {name}: cannot be taken: {_first_line(error)}") from error
        if not view.is_device_accessible:
            raise BindingError(f"array of type {name}: lies on the host; copy it to the device first")
        if kind == _DLPACK_CUDA and view.device_id != self.ordinal:  # page-locked and managed memory is every GPU's
            raise BindingError(
                f"array of type {name}: lies on GPU {view.device_id}; wanted GPU {self.ordinal}; copy it there first"
            )
        array = DeviceArray(int(view.ptr), tuple(view.shape), np.dtype(view.dtype), (foreign, view))
        if view.strides is not None and not _is_c_order(array.shape, view.strides):
            raise BindingError(f"array of type {name}: its elements do not lie in C order; copy it into one that does")
        return array

    def lend_array(self, array: DeviceArray) -> Any:
        """Return an object with `__dlpack__` over device memory, for whoever takes nothing else; no copy."""
        self._enter()
        buffer = self._core.Buffer.from_handle(array.pointer, array.nbytes, owner=array)
        return self._utils.StridedMemoryView.from_buffer(buffer, shape=array.shape, dtype=array.dtype)

    def event(self, *, timed: bool = False) -> CudaEvent:
        """Make an event whose waiters sleep."""
        native = self._enter()
        options = self._core.EventOptions(timing_enabled=timed, blocking_sync=True)
        return CudaEvent(_call("event", native.create_event, options))

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike, *, pooled: bool = True) -> DeviceArray:
        """Allocate from the device's memory pool, or plainly where that is asked for or it has none (Jetson)."""
        native = self._enter()
        kind, sizes = np.dtype(dtype), tuple(shape)
        nbytes = max(math.prod(sizes) * kind.itemsize, 1)
        if not pooled:
            plain = _PlainMemory(self, nbytes)
            return DeviceArray(plain.pointer, sizes, kind, plain)
        stream = native.default_stream
        buffer = _call(f"memory of {nbytes} bytes", native.allocate, nbytes, stream=stream)
        _call("memory", stream.sync)  # allocation is in that stream's order; every other may use it from now on
        return DeviceArray(int(buffer.handle), sizes, kind, buffer)

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocate page-locked memory; it lives as long as the array."""
        self._enter()
        kind, sizes = np.dtype(dtype), tuple(shape)
        nbytes = max(math.prod(sizes) * kind.itemsize, 1)
        buffer = _call(f"page-locked memory of {nbytes} bytes", self._page_locked.allocate, nbytes)
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
        self._check(code, "memory")

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
        _call(ready.subject, self._core.launch, native, self._config(kernel, domain), ready.native, *typed)

    def record_graph(self, stream: Stream, work: Callable[[], None]) -> CudaGraph:
        """Capture a stream, of this thread's work alone."""
        self._enter()
        builder = _call("graph", native_stream(stream).create_graph_builder)
        try:
            _call("graph", builder.begin_building, "thread_local")
            work()
            _call("graph", builder.end_building)
            graph = _call("graph", builder.complete)
        except BaseException:
            with suppress(Exception):  # what was recorded so far is broken, and CUDA says so once more
                builder.end_building()
            with suppress(Exception):
                builder.close()
            raise
        _call("graph", builder.close)
        return CudaGraph(graph)

    def memory(self) -> tuple[int, int]:
        """Ask the driver; what the memory pool holds ready for the next allocation is free too."""
        native = self._enter()
        code, free, total = self._driver.cuMemGetInfo()
        self._check(code, "memory")
        pool = getattr(_call("memory", lambda: native.memory_resource), "attributes", None)
        if pool is None:  # the device has no pool (Jetson)
            return int(free), int(total)
        held = _call("memory", lambda: int(pool.reserved_mem_current) - int(pool.used_mem_current))
        return int(free) + held, int(total)

    def _enter(self) -> Any:
        """Make the primary context current in this thread, once; return the thread's own `cuda.core.Device`."""
        native = getattr(self._thread, "native", None)
        if native is None:
            self._check_nobodys_own()
            native = _call("device", self._core.Device, self.ordinal)
            _call("device", native.set_current)
            self._primary = self._current_context()
            self._thread.native = native
        return native

    def _check_context(self) -> None:
        """See that nobody has made another context current in this thread, in which others' handles would mean nothing.

        Raises
        ------
        DeviceError
            Somebody has.
        """
        if self._current_context() not in (0, self._primary):
            raise DeviceError(self._other_context())

    def _check_nobodys_own(self) -> None:
        """See that the context of this thread, which is about to change, is none that somebody has made for himself.

        His memory and streams would mean nothing in ours. From one GPU's primary context to another's is no harm.

        Raises
        ------
        DeviceError
            It is.
        """
        context = self._current_context()
        if not context:
            return
        code, gpu = self._driver.cuCtxGetDevice()
        self._check(code, "context")
        code, primary = self._driver.cuDevicePrimaryCtxRetain(gpu)
        self._check(code, "context")
        self._driver.cuDevicePrimaryCtxRelease(gpu)
        if int(primary) != context:
            raise DeviceError(self._other_context())

    def _current_context(self) -> int:
        """Return the handle of the context that is current in this thread; 0: none is."""
        code, context = self._driver.cuCtxGetCurrent()
        self._check(code, "context")
        return int(context)

    def _other_context(self) -> str:
        return (
            f"GPU {self.ordinal}: another CUDA context than its primary one is current in this thread; with PyCUDA "
            "import pycuda.autoprimaryctx in place of pycuda.autoinit, with PyTorch call "
            f"torch.cuda.set_device({self.ordinal})"
        )

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
        kernel = _call(f"kernel {name}", code.get_kernel, name)
        code, function = self._driver.cuKernelGetFunction(kernel.handle)
        self._check(code, f"kernel {name}")
        (code, *_) = self._driver.cuFuncLoad(function)
        self._check(code, f"kernel {name}")
        return kernel

    def _copy(self, function: Any, out: int, source: int, nbytes: int, stream: Stream) -> None:
        self._enter()
        (code, *_) = function(out, source, nbytes, stream.handle)
        self._check(code, "copy")

    def allocate_plainly(self, nbytes: int) -> int:
        """Return the address of memory outside any pool; `free_plainly` gives it back."""
        self._enter()
        code, pointer = self._driver.cuMemAlloc(nbytes)
        self._check(code, f"memory of {nbytes} bytes")
        return int(pointer)

    def free_plainly(self, pointer: int) -> None:
        """Give memory of `allocate_plainly` back."""
        self._enter()
        self._driver.cuMemFree(pointer)

    def _check(self, code: Any, subject: str) -> None:
        if int(code):
            _raise(f"{subject}: CUDA answers {code!s}", "check the GPU with nvidia-smi")


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


def stream_handle(foreign: object) -> int:
    """Return the handle of somebody else's stream; see `Device.adopt_stream`."""
    given: Any = foreign
    try:
        if hasattr(given, "__cuda_stream__"):
            _, handle = given.__cuda_stream__()
        else:
            handle = getattr(given, "handle", getattr(given, "ptr", given))
            if isinstance(handle, ctypes.c_void_p):  # Numba's
                handle = handle.value or 0
        return int(handle) or LEGACY_DEFAULT_STREAM
    except (TypeError, ValueError) as error:
        raise BindingError(
            f"stream of type {type(foreign).__name__}: is none; wanted an object with __cuda_stream__, a handle or "
            "a ptr, or the handle as a number"
        ) from error


def native_stream(stream: Stream) -> Any:
    """Return cuda-core's stream."""
    if not isinstance(stream, CudaStream):
        raise InternalError("work for CUDA was given a stream of another device")
    return stream.native


class _Of2020:
    """An array by version 3 of `__cuda_array_interface__` whose owner has version 2, which knew no streams."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.__cuda_array_interface__ = {**owner.__cuda_array_interface__, "version": 3, "stream": None}


def _of_today(foreign: Any) -> Any:
    """Return an array by a protocol that cuda-core reads."""
    if hasattr(foreign, "__dlpack__") or getattr(foreign, "__cuda_array_interface__", {}).get("version") != 2:
        return foreign
    return _Of2020(foreign)


def _is_c_order(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Return whether strides, in elements, are those of C order; along an axis of one element any stride is."""
    wanted = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size == 1 or got == want for size, got, want in zip(shape, strides, wanted, strict=True))


def _check_sizes(source: int, out: int, is_contiguous: bool) -> None:
    if source != out or not is_contiguous:
        raise InternalError(f"a copy of {source} bytes into {out}, or of what is not contiguous")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _call(subject: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call cuda-core; its errors become ours."""
    try:
        return function(*arguments, **options)
    except Exception as error:  # cuda-core's errors share no public base; all are mapped here, none is kept back
        _raise(f"{subject}: CUDA: {_first_line(error)}", cause=error)


def _raise(message: str, cure: str = "", cause: Exception | None = None) -> NoReturn:
    if "OUT_OF_MEMORY" in message.upper().replace(" ", "_"):
        raise DeviceMemoryError(f"{message}; use a smaller picture, fewer stages or another GPU") from cause
    raise DeviceError(f"{message}; {cure}" if cure else message) from cause
