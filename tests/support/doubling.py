"""A stage that puts a picture between every two of a shot, on the host or on a device, with one motion for all."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.backends.base import Array
from engine.device.pool import on_device
from engine.frame import Frame, Motion, Neighbour
from engine.stages.base import Stage
from engine.stages.place import HOST, DevicePlace, Place
from engine.types import FrameFlags, FrameSpec

CELL = 4


class Doubling(Stage):
    """Each synthesized frame has the pixels of the one before, and a motion of `speed` pixels to the right."""

    name = "double"

    def __init__(self, speed: float, *, place: Place = HOST) -> None:
        super().__init__()
        self._place, self.device, self._speed = place, place.device, speed
        self._first: Frame | None = None

    def open(self, incoming: FrameSpec) -> FrameSpec:
        self._place.open()
        self.stream = self._place.stream
        rows, columns = (-(-side // CELL) for side in (incoming.height, incoming.width))
        found = np.zeros((5, rows, columns), np.float32)
        found[0], found[2], found[4] = -self._speed / 2, self._speed / 2, np.linspace(0.2, 0.8, columns)
        self._flow, self._mask = self._place.constant(found[:4].copy()), self._place.constant(found[4:].copy())
        self.pool = self._place.pool(incoming.pixels_shape, prepare=8)
        self.flow_pool = self._place.pool(self._flow.shape, prepare=8)
        self.mask_pool = self._place.pool(self._mask.shape, prepare=8)
        return replace(incoming, time_base=incoming.time_base / 2, rate=None)

    def push(self, frame: Frame) -> Iterator[Frame]:
        frame.pts, frame.time_base = 2 * frame.pts, frame.time_base / 2
        first, self._first = self._first, frame.share()
        if first is not None:
            yield self._between(first, frame)
            first.release()
        yield frame

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        self.reset()
        yield from ()

    def reset(self) -> None:
        if self._first is not None:
            self._first.release()
            self._first = None

    def _between(self, first: Frame, second: Frame) -> Frame:
        picture, flow, mask = (pool.lease() for pool in (self.pool, self.flow_pool, self.mask_pool))
        for source, out in ((first.pixels, picture), (self._flow, flow), (self._mask, mask)):
            self._copy(source, out.array)
        ready = self._place.written(picture)
        for neighbour in (first, second):
            for lease in neighbour.leases:
                lease.retain()
        motion = Motion(
            flow=flow.array,
            mask=mask.array,
            timestep=0.5,
            cell=CELL,
            lease=flow,
            first=Neighbour(pixels=first.pixels, index=first.index, leases=(*first.leases, mask)),
            second=Neighbour(pixels=second.pixels, index=second.index, leases=second.leases),
        )
        made = first.successor(pixels=picture.array, format=first.format, leases=(picture,), ready=ready, motion=motion)
        made.pts, made.flags = first.pts + 1, FrameFlags.SYNTHESIZED
        return made

    def _copy(self, source: Array, out: Array) -> None:
        if isinstance(self._place, DevicePlace):
            self._place.operators.copy(on_device(source), on_device(out))
        else:
            np.copyto(out, source)
