"""From a device back to the host, for an encoder or a stage that works there."""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.device.base import Device, Stream
from engine.device.pool import device_planes, on_device
from engine.frame import Frame
from engine.pool import BufferPool, Lease
from engine.stages.base import Stage
from engine.stages.place import PREPARED_FRAMES
from engine.types import FrameSpec


class PageLockedLease(Lease):
    """A page-locked buffer on loan.

    Attributes
    ----------
    written : event to be recorded when a copy into it has been given to a stream
    """

    __slots__ = ("written",)

    def __init__(self, pool: BufferPool, device: Device, shape: Sequence[int]) -> None:
        super().__init__(pool, device.pinned(shape, np.float32))
        self.written = device.event()


class PageLockedPool(BufferPool):
    """A pool of page-locked buffers, which belong to the host when they are lent and when they come back."""

    def __init__(self, device: Device, shape: Sequence[int], *, prepare: int) -> None:
        self._device = device
        super().__init__(shape, prepare=prepare)

    def lease(self) -> PageLockedLease:
        """Lend a buffer."""
        lease = super().lease()
        assert isinstance(lease, PageLockedLease)
        return lease

    def _new(self) -> Lease:
        return PageLockedLease(self, self._device, self.shape)


class Download(Stage):
    """Copies frames into page-locked host memory. The copy is done when the frame's event has come.

    Parameters
    ----------
    device : to copy from
    name : where a chain has several
    stream : to copy in; None: one of the stage's own
    frames : most page-locked buffers that can be out at once; so many are made in `open`
    """

    def __init__(
        self, device: Device, *, name: str = "download", stream: Stream | None = None, frames: int = PREPARED_FRAMES
    ) -> None:
        self.name = name
        super().__init__()
        self.device = self._device = device
        self._shared, self._frames = stream, frames

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make page-locked memory and a stream that goes before others: the encoder must not starve."""
        self.stream = self._stream = self._shared or self._device.stream(urgent=True)
        self.pool = PageLockedPool(self._device, incoming.pixels_shape, prepare=self._frames)
        shape = incoming.chroma_shape
        self.chroma_pool = None if shape is None else PageLockedPool(self._device, shape, prepare=self._frames)
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame on the host."""
        try:
            with self.pool.lease().filling() as lease:
                made = self._copied(frame, lease)
        finally:
            frame.release()
        yield made

    def _copied(self, frame: Frame, lease: PageLockedLease) -> Frame:
        """Return the frame on the host; `lease` is taken over, `frame` is not."""
        self._device.download(device_planes(frame), lease.array, self._stream)
        if self.chroma_pool is None or frame.chroma is None:
            return self._made(frame, lease)
        with self.chroma_pool.lease().filling() as half:
            self._device.download(on_device(frame.chroma), half.array, self._stream)
            return self._made(frame, lease, half)

    def _made(self, frame: Frame, lease: PageLockedLease, *half: Lease) -> Frame:
        self._stream.record(lease.written)
        chroma = half[0].array if half else None
        leases = (lease, *half)
        return frame.successor(
            pixels=lease.array, format=frame.format, leases=leases, chroma=chroma, ready=lease.written
        )
