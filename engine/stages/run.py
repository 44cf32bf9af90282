"""Runs frames through one stage on the caller's thread, by the rules of the pipeline (`engine/README.md`)."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from engine.frame import Frame
from engine.stages.base import Stage
from engine.types import FrameFlags


def run_stage(stage: Stage, frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield what an opened stage makes of frames; it is flushed and reset at each shot's first, flushed at the end."""
    end: Fraction | None = None
    for frame in frames:
        if FrameFlags.SCENE_CUT in frame.flags:
            yield from stage.flush(frame.time)
            stage.reset()
        end = None if frame.duration is None else frame.time + frame.duration
        yield from stage.push(frame)
    yield from stage.flush(end)
