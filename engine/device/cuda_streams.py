"""Streams, events and graphs of cuda-core, and its errors as ours."""

from collections.abc import Callable
from typing import Any, NoReturn

from engine.device.base import Device, Event, Graph, Stream
from engine.errors import DeviceError, DeviceMemoryError, InternalError


class CudaEvent(Event):
    """An event of cuda-core."""

    __slots__ = ("native",)

    def __init__(self, native: Any) -> None:
        self.native = native

    def wait(self, cuda_stream: Stream) -> None:
        """Make a stream wait."""
        call("event", native_stream(cuda_stream).wait, self.native)

    def synchronize(self) -> None:
        """Stop the host; it sleeps."""
        call("event", self.native.sync)

    @property
    def has_come(self) -> bool:
        """Ask without waiting."""
        return bool(call("event", lambda: self.native.is_done))

    def seconds_since(self, earlier: Event) -> float:
        """Return the time between two timed events."""
        if not isinstance(earlier, CudaEvent):
            raise InternalError("events of two kinds of device were compared")
        return float(call("event", lambda: self.native - earlier.native)) / 1000.0


class CudaStream(Stream):
    """A stream of cuda-core, its own or somebody else's.

    Parameters
    ----------
    native : `cuda.core.Stream`
    device : whose context is made current in a thread that gives it work
    """

    __slots__ = ("_device", "_native", "handle")

    def __init__(self, native: Any, device: Device) -> None:
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
        call("stream", self.native.record, event.native)

    def synchronize(self) -> None:
        """Wait for all work."""
        call("stream", self.native.sync)


class CudaGraph(Graph):
    """A graph captured from a stream."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def launch(self, stream: Stream) -> None:
        """Start it."""
        call("graph", self._native.launch, native_stream(stream))


def native_stream(stream: Stream) -> Any:
    """Return cuda-core's stream."""
    if not isinstance(stream, CudaStream):
        raise InternalError("work for CUDA was given a stream of another device")
    return stream.native


def check(code: Any, subject: str) -> None:
    """Raise our error for what a function of the driver answered, unless that is that it worked."""
    if int(code):
        _raise(f"{subject}: CUDA answers {code!s}", "check the GPU with nvidia-smi")


def call(subject: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call cuda-core; its errors become ours."""
    try:
        return function(*arguments, **options)
    except Exception as error:  # cuda-core's errors share no public base; all are mapped here, none is kept back
        _raise(f"{subject}: CUDA: {first_line(error)}", cause=error)


def _raise(message: str, cure: str = "", cause: Exception | None = None) -> NoReturn:
    if "OUT_OF_MEMORY" in message.upper().replace(" ", "_"):
        raise DeviceMemoryError(f"{message}; use a smaller picture, fewer stages or another GPU") from cause
    raise DeviceError(f"{message}; {cure}" if cure else message) from cause


def first_line(error: Exception) -> str:
    """Return the first line of an error's words; its kind where it has none."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
