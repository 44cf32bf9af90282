"""From the host to a device: every stage behind works there until `download.py`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.device.base import Device, Event, Stream
from engine.device.pool import DeviceLease, DevicePool
from engine.frame import Frame
from engine.pool import Lease
from engine.stages.base import Stage
from engine.stages.place import PREPARED_FRAMES
from engine.types import FrameSpec, Planes

SLOTS = 4
"""Frames whose copies may be under way. A slot is needed from when the host writes it until it is copied, no longer:
more would only let the host run further ahead of the device."""


@dataclass(slots=True, kw_only=True)
class _Slot:
    """Page-locked memory of one frame.

    pixels, chroma : as the frame's
    copied : comes when both are on the device
    """

    pixels: Planes
    chroma: Planes | None
    copied: Event


class Upload(Stage):
    """Copies frames into device memory through a small ring of page-locked memory.

    Parameters
    ----------
    device : to copy to
    name : where a chain has several
    stream : to copy in; None: one of the stage's own
    frames : most device buffers that can be out at once; so many are made in `open`

    Attributes
    ----------
    waits : how often the host had to wait for a slot, because the copy that it was last used for had not come
    """

    def __init__(
        self, device: Device, *, name: str = "upload", stream: Stream | None = None, frames: int = PREPARED_FRAMES
    ) -> None:
        self.name = name
        super().__init__()
        self.device = self._device = device
        self._shared, self._frames = stream, frames
        self.waits = 0

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make page-locked memory and device buffers."""
        device, shape, chroma_shape = self._device, incoming.pixels_shape, incoming.chroma_shape
        self.stream = self._stream = self._shared or device.stream()
        self._slots = [
            _Slot(
                pixels=device.pinned(shape, np.float32),
                chroma=None if chroma_shape is None else device.pinned(chroma_shape, np.float32),
                copied=device.event(),
            )
            for _ in range(SLOTS)
        ]
        self._turn = 0
        self.pool = DevicePool(device, shape, np.float32, prepare=self._frames)
        self.chroma_pool: DevicePool | None = None
        if chroma_shape is not None:
            self.chroma_pool = DevicePool(device, chroma_shape, np.float32, prepare=self._frames)
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame on the device."""
        try:
            slot = self._free_slot()
            with self.pool.lease().filling() as lease:
                made = self._copied(frame, slot, lease)
        finally:
            frame.release()
        yield made

    def _free_slot(self) -> _Slot:
        """Return the slot whose turn it is; the one wait of the host here, where it is further ahead than the ring."""
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % len(self._slots)
        if not slot.copied.has_come:
            self.waits += 1
            slot.copied.synchronize()
        return slot

    def _copied(self, frame: Frame, slot: _Slot, lease: DeviceLease) -> Frame:
        """Return the frame on the device; `lease` is taken over, `frame` is not."""
        np.copyto(slot.pixels, frame.pixels)
        self._device.upload(slot.pixels, lease.planes, self._stream)
        if self.chroma_pool is None or slot.chroma is None or frame.chroma is None:
            return self._made(frame, slot, lease)
        np.copyto(slot.chroma, frame.chroma)
        with self.chroma_pool.lease().filling() as half:
            self._device.upload(slot.chroma, half.planes, self._stream)
            return self._made(frame, slot, lease, half)

    def _made(self, frame: Frame, slot: _Slot, lease: DeviceLease, *half: Lease) -> Frame:
        self._stream.record(slot.copied)
        self._stream.record(lease.written)
        chroma = half[0].array if half else None
        leases = (lease, *half)
        return frame.successor(
            pixels=lease.array, format=frame.format, leases=leases, chroma=chroma, ready=lease.written
        )
