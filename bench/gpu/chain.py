"""The chain on a GPU: how fast, how fast each stage by itself, and how far the stages overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from bench.gpu.outcome import Outcome, outcome_of
from bench.gpu.roof import Precision
from bench.latency.film import draw_shots
from bench.memory_film import Nowhere
from engine.backends.base import Backend
from engine.chain import build_chain
from engine.errors import FarshoreError
from engine.frame import Frame
from engine.pipeline import Pipeline
from engine.pool import BufferPool
from engine.run_report import RunReport
from engine.settings import InterpolateSettings, RuntimeSettings, Settings
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes

RATE = Fraction(24)

LEAST_EFFICIENCY = 0.95
"""Of a chain whose stages overlap: what is left for filling and emptying it, and for waiting on one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """One run.

    precision : of its models
    outcome : ``right``: it ran to its end, and nearly as fast as its slowest stage; ``wrong``: it ran, and slower
    reason : why it is not right
    frames_per_second : of the film, without reading and writing files
    stages : stage → milliseconds per frame of the film that it works, by the device's clock, or by the host's for what
        works there
    efficiency : frames per second x the slowest stage's time; 1: the chain is as fast as that stage
    lanes : stage that could have two frames in flight → how many it had, and why
    overlap : stages' times together ÷ the run's; above 1 some worked at once
    delay_ms : from a frame's reading to its writing, median
    """

    width: int
    height: int
    film_frames: int
    precision: str
    outcome: Outcome
    reason: str | None = None
    frames_per_second: float | None = None
    stages: dict[str, float] = field(default_factory=dict[str, float])
    lanes: dict[str, str] = field(default_factory=dict[str, str])
    efficiency: float | None = None
    overlap: float | None = None
    delay_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


_Result = TypeVar("_Result", bound=ChainResult)


class Loop:
    """A reader that shows a few pictures again and again, each shot once forwards and once backwards.

    Parameters
    ----------
    shots : float32 (frames, H, W) each
    frames : to show
    """

    def __init__(self, shots: Sequence[Planes], frames: int) -> None:
        height, width = shots[0].shape[1:]
        self.spec = FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=RATE, time_base=1 / RATE)
        self._frames = frames
        loops = ([*shot, *shot[-2:0:-1]] for shot in shots)
        self._shown = [(picture, number == 0) for loop in loops for number, picture in enumerate(loop)]
        self._pool = BufferPool(self.spec.pixels_shape, prepare=8)

    def frames(self) -> Iterator[Frame]:
        """Yield them."""
        shot = -1
        for index in range(self._frames):
            picture, is_first = self._shown[index % len(self._shown)]
            shot += is_first
            lease = self._pool.lease()
            np.copyto(lease.array[0], picture)
            yield Frame(
                pixels=lease.array,
                format=PixelFormat.GRAY,
                pts=index,
                time_base=1 / RATE,
                index=index,
                shot=shot,
                flags=FrameFlags.SCENE_CUT if is_first else FrameFlags.NONE,
                duration=1 / RATE,
                leases=(lease,),
            )

    def close(self) -> None:
        """Nothing is open."""


def run_chain(
    backend: Backend, *, width: int, height: int, frames: int, precision: Precision, least: float = LEAST_EFFICIENCY
) -> ChainResult:
    """Restore, interpolate 24 to 48 and colour `frames` pictures with the built-in models.

    An error of ours ends up in the result.

    Parameters
    ----------
    precision : of the models
    least : efficiency that is right
    """
    try:
        return judged(_run(backend, width, height, frames, precision), least)
    except FarshoreError as error:
        return ChainResult(
            width=width,
            height=height,
            film_frames=frames,
            precision=precision,
            outcome=outcome_of(error),
            reason=str(error),
        )


def judged(result: _Result, least: float) -> _Result:
    """Return a result that is wrong where the chain's efficiency is below the least that is right."""
    reason = why_slow(result, least)
    return result if reason is None else replace(result, outcome="wrong", reason=reason)


def why_slow(result: ChainResult, least: float) -> str | None:
    """Return in words that the chain's efficiency is below the least that is right; None where it is not."""
    if result.efficiency is None or result.efficiency >= least:
        return None
    slowest = max(result.stages, key=lambda stage: result.stages[stage])
    return f"runs at {result.efficiency:.2f} of what {slowest} alone would let pass; wanted {least:.2f}"


def run_figures(run: RunReport) -> dict[str, Any]:
    """Return a run's figures by their names in `ChainResult`."""
    frames = run.frames_in
    stages = {stage.stage: stage.total_seconds * 1e3 / frames for stage in run.latency.stages}
    rate = frames / run.latency.wall_seconds
    return {
        "film_frames": frames,
        "frames_per_second": rate,
        "stages": stages,
        "lanes": {stage: str(choice) for stage, choice in run.lanes.items()},
        "efficiency": rate * max(stages.values()) / 1e3,
        "overlap": rate * sum(stages.values()) / 1e3,
        "delay_ms": run.latency.delay_ms,
    }


def _run(backend: Backend, width: int, height: int, frames: int, precision: Precision) -> ChainResult:
    settings = Settings(
        interpolate=InterpolateSettings(factor=Fraction(2)), runtime=RuntimeSettings(precision=precision)
    )
    chain = build_chain(settings, colorize=True, backend=backend)
    pipeline = Pipeline(Loop(draw_shots(width, height), frames), chain.stages, Nowhere())
    pipeline.open()
    return ChainResult(width=width, height=height, precision=precision, outcome="right", **run_figures(pipeline.run()))
