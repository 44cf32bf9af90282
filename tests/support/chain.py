"""Frames of pictures, and several stages in a row as the pipeline runs them, on the caller's thread."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from engine.frame import Frame
from engine.pool import BufferPool
from engine.stages.base import Stage
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes


class Source:
    """Makes frames of pictures, from a pool of its own, so that a test can see every lease come back."""

    def __init__(self, spec: FrameSpec) -> None:
        self.spec = spec
        self.pool = BufferPool(spec.pixels_shape)

    def frame(
        self,
        picture: Planes | float,
        index: int,
        *,
        pts: int | None = None,
        shot: int = 0,
        flags: FrameFlags = FrameFlags.NONE,
        hold_until: Fraction | None = None,
        repeats: tuple[int, ...] = (),
    ) -> Frame:
        """Return one frame; `picture` is broadcast to the planes, `pts` defaults to that of frame `index`."""
        lease = self.pool.lease()
        np.copyto(lease.array, np.asarray(picture, np.float32))
        duration = None if self.spec.rate is None else 1 / self.spec.rate
        if pts is None:
            assert duration is not None
            pts = int((self.spec.start + index * duration) / self.spec.time_base)
        return Frame(
            pixels=lease.array,
            format=self.spec.format,
            pts=pts,
            time_base=self.spec.time_base,
            index=index,
            shot=shot,
            flags=flags,
            hold_until=hold_until,
            repeats=repeats,
            duration=duration,
            leases=(lease,),
        )

    def frames(self, pictures: Iterable[Planes | float], cuts: tuple[int, ...] = (0,)) -> Iterator[Frame]:
        """Yield a frame for each picture; those numbered in `cuts` begin a shot."""
        shot = -1
        for index, picture in enumerate(pictures):
            shot += index in cuts
            flags = FrameFlags.SCENE_CUT if index in cuts else FrameFlags.NONE
            yield self.frame(picture, index, shot=max(shot, 0), flags=flags)


def film_spec(
    width: int = 64,
    height: int = 48,
    *,
    rate: Fraction | None = Fraction(24),
    format: PixelFormat = PixelFormat.GRAY,
    time_base: Fraction | None = None,
    start: Fraction = Fraction(0),
) -> FrameSpec:
    """Return the spec of a small film; one pts unit is one frame unless `time_base` says otherwise."""
    base = time_base or (1 / rate if rate is not None else Fraction(1, 1000))
    return FrameSpec(format=format, width=width, height=height, rate=rate, time_base=base, start=start)


def run_chain(stages: Iterable[Stage], frames: Iterable[Frame]) -> Iterable[Frame]:
    """Push frames through opened stages, one behind the other."""
    for stage in stages:
        frames = run_stage(stage, frames)
    return frames
