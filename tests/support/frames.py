"""Frames, readers, stages and writers that tests feed to the runtime; no files, no models."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from engine.device.base import Device, Stream
from engine.frame import Frame
from engine.pool import BufferPool
from engine.stages.base import Stage
from engine.types import FrameFlags, FrameSpec, PixelFormat


def gray_spec(width: int = 32, height: int = 24, rate: Fraction = Fraction(24)) -> FrameSpec:
    """Return what small grey frames at `rate` are like; one pts unit is one frame."""
    return FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=rate, time_base=1 / rate)


class ListReader:
    """Yields `count` grey frames of rising brightness; frame numbers in `cuts` begin a shot."""

    def __init__(
        self, count: int, *, spec: FrameSpec | None = None, cuts: Iterable[int] = (0,), fail_at: int = -1
    ) -> None:
        self.spec = spec or gray_spec()
        self.pool = BufferPool(self.spec.pixels_shape, prepare=4)
        self.closed = False
        self._count, self._cuts, self._fail_at = count, sorted(cuts), fail_at

    def frames(self) -> Iterator[Frame]:
        shot = -1
        for index in range(self._count):
            if index == self._fail_at:
                raise RuntimeError("the reader broke")
            cut = index in self._cuts
            shot += cut
            lease = self.pool.lease()
            lease.array[:] = (index % 200) / 255
            yield Frame(
                pixels=lease.array,
                format=self.spec.format,
                pts=index,
                time_base=self.spec.time_base,
                index=index,
                shot=max(shot, 0),
                flags=FrameFlags.SCENE_CUT if cut else FrameFlags.NONE,
                duration=self.spec.time_base,
                leases=(lease,),
            )

    def close(self) -> None:
        self.closed = True


class Collector:
    """A writer that remembers (index, shot, time, first pixel) of what it was given."""

    device: Device | None = None
    stream: Stream | None = None

    def __init__(self, *, fail_at: int = -1) -> None:
        self.rows: list[tuple[int, int, Fraction, float]] = []
        self.state = "new"
        self._fail_at = fail_at

    def open(self, spec: FrameSpec) -> None:
        self.spec = spec
        self.state = "open"

    def write(self, frame: Frame) -> None:
        if len(self.rows) == self._fail_at:
            frame.release()
            raise OSError("the disk broke")
        self.rows.append((frame.index, frame.shot, frame.time, float(frame.pixels[0, 0, 0])))
        frame.release()

    def finish(self) -> None:
        self.state = "finished"

    def abort(self) -> None:
        self.state = "aborted"


class Delay(Stage):
    """Holds frames back by `look_ahead`, copies pixels to its own pool, notes what it was told."""

    def __init__(self, name: str = "delay", look_ahead: int = 2) -> None:
        self.name = name
        super().__init__()
        self.look_ahead = look_ahead
        self.log: list[str] = []
        self._held: list[Frame] = []

    def open(self, incoming: FrameSpec) -> FrameSpec:
        self.pool = BufferPool(incoming.pixels_shape, prepare=4)
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        self._held.append(frame)
        if len(self._held) > self.look_ahead:
            yield self._copy(self._held.pop(0))

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        self.log.append(f"flush {end}")
        while self._held:
            yield self._copy(self._held.pop(0))

    def reset(self) -> None:
        assert not self._held
        self.log.append("reset")

    def close(self) -> None:
        for frame in self._held:
            frame.release()
        self._held.clear()

    def _copy(self, frame: Frame) -> Frame:
        lease = self.pool.lease()
        np.copyto(lease.array, frame.pixels)
        made = frame.successor(pixels=lease.array, format=frame.format, leases=(lease,))
        frame.release()
        return made
