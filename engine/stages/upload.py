"""From the host to a device: every stage behind works there until `download.py`."""

from collections.abc import Iterator

import numpy as np

from engine.device.base import Device, Stream
from engine.device.pool import DeviceLease, DevicePool
from engine.device.ring import PageLockedRing, Slot
from engine.frame import Frame
from engine.pool import Lease
from engine.stages.base import Stage
from engine.stages.place import PREPARED_FRAMES
from engine.types import FrameSpec


class Upload(Stage):
    """Copies frames into device memory through a small ring of page-locked memory.

    Parameters
    ----------
    device : to copy to
    name : where a chain has several
    stream : to copy in; None: one of the stage's own
    frames : most device buffers that can be out at once; so many are made in `open`
    """

    def __init__(
        self, device: Device, *, name: str = "upload", stream: Stream | None = None, frames: int = PREPARED_FRAMES
    ) -> None:
        self.name = name
        super().__init__()
        self.device = self._device = device
        self._shared, self._frames = stream, frames

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make page-locked memory and device buffers."""
        device, shape, chroma_shape = self._device, incoming.pixels_shape, incoming.chroma_shape
        self.stream = self._stream = self._shared or device.stream()
        shapes = (shape,) if chroma_shape is None else (shape, chroma_shape)
        self._ring = PageLockedRing(device, shapes, np.float32)
        self.pool = DevicePool(device, shape, np.float32, prepare=self._frames)
        self.chroma_pool: DevicePool | None = None
        if chroma_shape is not None:
            self.chroma_pool = DevicePool(device, chroma_shape, np.float32, prepare=self._frames)
        return incoming

    @property
    def waits(self) -> int:
        """How often the host had to wait for page-locked memory: its one wait here."""
        return self._ring.waits

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame on the device."""
        try:
            slot = self._ring.next_slot()
            with self.pool.lease().filling() as lease:
                made = self._copied(frame, slot, lease)
        finally:
            frame.release()
        yield made

    def _copied(self, frame: Frame, slot: Slot, lease: DeviceLease) -> Frame:
        """Return the frame on the device; `lease` is taken over, `frame` is not."""
        pixels, *chroma = slot.arrays
        np.copyto(pixels, frame.pixels)
        self._device.upload(pixels, lease.planes, self._stream)
        if self.chroma_pool is None or not chroma or frame.chroma is None:
            return self._made(frame, slot, lease)
        np.copyto(chroma[0], frame.chroma)
        with self.chroma_pool.lease().filling() as half:
            self._device.upload(chroma[0], half.planes, self._stream)
            return self._made(frame, slot, lease, half)

    def _made(self, frame: Frame, slot: Slot, lease: DeviceLease, *half: Lease) -> Frame:
        self._stream.record(slot.copied)
        self._stream.record(lease.written)
        chroma = half[0].array if half else None
        leases = (lease, *half)
        return frame.successor(
            pixels=lease.array, format=frame.format, leases=leases, chroma=chroma, ready=lease.written
        )
