"""Device buffers on loan, given back in the order of streams rather than of the host."""

import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, DeviceArray, Event, Stream
from engine.device.clock import DeviceClock
from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import OLDEST, BufferPool, Lease
from engine.types import Planes

_thread = threading.local()


def work_on(stream: Stream | None, clock: DeviceClock | None = None, lanes: Sequence[Stream] = ()) -> None:
    """Say which stream this thread gives its work to; the pipeline says it for each stage's thread.

    Parameters
    ----------
    stream : it; None: this thread gives no work to a device
    clock : pauses while the stream waits for a buffer
    lanes : of a thread that gives work to several streams in turn: all of them
    """
    _thread.stream, _thread.clock = stream, clock
    _thread.lanes = lanes if lanes or stream is None else (stream,)


def current_stream() -> Stream | None:
    """Return the stream that this thread gives its work to; None: it gives none."""
    return getattr(_thread, "stream", None)


class DeviceLease(Lease):
    """A device buffer on loan.

    Attributes
    ----------
    planes : the buffer
    written : event for whoever fills it to record; the frame's `ready`. Reused with the buffer
    """

    __slots__ = ("_device", "_left", "_pending", "planes", "written")

    def __init__(self, pool: BufferPool, device: Device, planes: DeviceArray) -> None:
        super().__init__(pool, as_planes(planes))
        self.planes = planes
        self.written = device.event()
        self._device = device
        self._left: dict[int, Event] = {}
        self._pending: list[tuple[int, Event]] = []

    def take(self) -> None:
        """Make the taker's stream wait until every earlier holder's work on the buffer is done."""
        if not self._pending:
            return
        stream, clock = current_stream(), getattr(_thread, "clock", None)
        if stream is None:
            raise InternalError("a thread without a stream leased device memory that others still work on")
        if clock is not None:
            clock.pause()
        for handle, event in self._pending:
            if handle != stream.handle:
                event.wait(stream)
        if clock is not None:
            clock.go_on()
        self._pending.clear()

    def leave(self) -> None:
        """Note how far this holder's streams must come before the buffer may be written again.

        A thread that gives no work to the device has none to be waited for.
        """
        for stream in getattr(_thread, "lanes", ()):
            self._leave(stream)

    def _leave(self, stream: Stream) -> None:
        event = self._left.get(stream.handle)
        if event is None:
            event = self._left[stream.handle] = self._device.event()
        stream.record(event)
        if all(handle != stream.handle for handle, _ in self._pending):
            self._pending.append((stream.handle, event))


class DevicePool(BufferPool):
    """A pool of device buffers of one shape and type. A lease's buffer may be written at once by the taker's stream.

    Parameters
    ----------
    device : that has the memory
    shape, dtype : of each buffer
    prepare, limit : as in `BufferPool`
    pooled : as in `Device.empty`
    """

    def __init__(
        self,
        device: Device,
        shape: Sequence[int],
        dtype: npt.DTypeLike,
        *,
        prepare: int = 0,
        limit: int = 512,
        pooled: bool = True,
    ) -> None:
        self._device, self._dtype, self._pooled = device, np.dtype(dtype), pooled
        super().__init__(shape, prepare=prepare, limit=limit)
        self._next = OLDEST  # given back on the host first, its work is done first: the taker's stream waits least

    def lease(self) -> DeviceLease:
        """Lend a buffer."""
        lease = super().lease()
        assert isinstance(lease, DeviceLease)
        try:
            lease.take()
        except BaseException:
            super()._release(lease)  # as it came: nobody has worked on it since
            raise
        return lease

    def _new(self) -> Lease:
        return DeviceLease(self, self._device, self._device.empty(self.shape, self._dtype, pooled=self._pooled))

    def _release(self, lease: Lease) -> None:
        assert isinstance(lease, DeviceLease)
        try:
            with self._lock:  # two holders may leave at once
                lease.leave()
        finally:  # a device that fails every call must not keep the buffer from being counted back
            super()._release(lease)


def as_planes(array: DeviceArray) -> Planes:
    """Return device memory as the type of `Frame.pixels`, which says what lies on the host; only device stages look."""
    return cast(Planes, array)


def device_planes(frame: Frame) -> DeviceArray:
    """Return a frame's pixels on the device."""
    return on_device(frame.pixels)


def on_device(planes: Planes) -> DeviceArray:
    """Return planes that lie on the device.

    Raises
    ------
    InternalError
        They lie on the host: no upload stands before the stage.
    """
    array: Any = planes
    if not isinstance(array, DeviceArray):
        raise InternalError("pixels on the host came to a stage of the device")
    return array
