"""What stages cost besides their models: reading, looking, moving and warping pictures, coding.

Measured by running the chain's own stages one after the other on a short aged film at two sizes, with the time that
their models take left out; between sizes a line is laid through both. Times are processor time of the whole process,
so that other programs on the machine do not count and the encoder's own threads do.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.backends.base import Array, Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.chain import build_chain
from engine.demo.aged_film import make_aged_film
from engine.errors import InternalError
from engine.frame import Frame
from engine.media.output import WriteJob
from engine.media.reader import FilmReader
from engine.media.writer import open_writer
from engine.model import Model
from engine.settings import ColorizeSettings, InterpolateSettings, Settings
from engine.stages.run import run_stage
from engine.types import FrameSpec, PixelFormat

FRAMES = 24
SIZES = ((320, 240), (640, 480))
"""Width and height."""

BETWEEN = {"interpolate": "interpolate between", "colorize": "colorize between"}
"""Stage → name of what it costs for a picture made between two frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCost:
    """Seconds of one core for one picture of so many pixels."""

    fixed: float
    per_pixel: float

    def seconds(self, pixels: int) -> float:
        """Return the time for a picture."""
        return max(0.0, self.fixed + self.per_pixel * pixels)


class TimedBackend(Backend):
    """ONNX Runtime on one thread, with the processor time of all runs added up.

    Attributes
    ----------
    seconds : of processor time that models took
    """

    name = "timed"

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inner = OnnxRuntimeBackend()

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Open a session that is timed."""
        return _TimedSession(self, self._inner.open(model, profile, 1))


class _TimedSession(Session):
    def __init__(self, backend: TimedBackend, inner: Session) -> None:
        super().__init__(inner.model, Profile(inner.input_shapes), inner.output_shapes)
        self._backend, self._inner = backend, inner

    def close(self) -> None:
        self._inner.close()

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        start = time.process_time()
        self._inner.enqueue(inputs, outputs)
        self._backend.seconds += time.process_time() - start


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """What one stage took beside its model: seconds in all, pictures in and out."""

    seconds: float
    pictures_in: int
    pictures_out: int


def measure_host(tell: Callable[[str], None] = lambda text: None) -> dict[str, HostCost]:
    """Measure what stages cost, by name; `BETWEEN` has the names for pictures between frames.

    Parameters
    ----------
    tell : takes what is being measured, for a progress line
    """
    found: list[dict[str, float]] = []
    for width, height in SIZES:
        tell(f"stages at {width}×{height}")
        with tempfile.TemporaryDirectory(prefix="farshore-plan-") as folder:
            film = Path(folder) / "film.mp4"
            make_aged_film(film, frames=FRAMES, width=width, height=height, seed=1)
            found.append(_costs(_run(film, None), _run(film, Fraction(2))))
    small, large = (width * height for width, height in SIZES)
    costs: dict[str, HostCost] = {}
    for name, little in found[0].items():
        per_pixel = max(0.0, (found[1][name] - little) / (large - small))
        costs[name] = HostCost(fixed=max(0.0, little - per_pixel * small), per_pixel=per_pixel)
    return costs


def _costs(plain: Mapping[str, StageTime], doubled: Mapping[str, StageTime]) -> dict[str, float]:
    """Return seconds a picture by stage, from a run without and one with interpolation."""
    costs = {name: stage.seconds / max(stage.pictures_in, 1) for name, stage in plain.items()}
    frames = doubled["interpolate"].pictures_in
    made = max(doubled["interpolate"].pictures_out - frames, 1)
    for stage, name in BETWEEN.items():
        costs[name] = max(0.0, doubled[stage].seconds - costs[stage] * frames) / made
    costs["encode"] = doubled["encode"].seconds / doubled["encode"].pictures_in
    return costs


def _run(film: Path, factor: Fraction | None) -> dict[str, StageTime]:
    """Run the built-in chain on a film, stage after stage, and return what each took."""
    settings = Settings(interpolate=InterpolateSettings(factor=factor), colorize=ColorizeSettings(mode="always"))
    times: dict[str, StageTime] = {}
    backend = TimedBackend()
    with FilmReader(str(film), settings=settings.input) as reader:
        reader.deliver(PixelFormat.GRAY)
        chain = build_chain(settings, colorize=True, backend=backend)
        start = time.process_time()
        frames = list(reader.frames())
        times["decode"] = StageTime(
            seconds=time.process_time() - start, pictures_in=len(frames), pictures_out=len(frames)
        )
        spec = reader.spec
        for stage in chain.stages:
            spec = stage.open(spec)
            count, before, start = len(frames), backend.seconds, time.process_time()
            frames = list(run_stage(stage, frames))
            seconds = time.process_time() - start - (backend.seconds - before)
            times[stage.name] = StageTime(seconds=seconds, pictures_in=count, pictures_out=len(frames))
            stage.close()
        times["encode"] = _encode(frames, spec, settings, film.with_name("restored.mp4"))
    return times


def _encode(frames: Sequence[Frame], spec: FrameSpec, settings: Settings, target: Path) -> StageTime:
    if not frames:
        raise InternalError("the chain made no frames of its own film")
    writer = open_writer(target, WriteJob(settings=settings.output, source_rate=spec.rate, overwrite=True))
    writer.open(spec)
    start = time.process_time()
    for frame in frames:
        writer.write(frame)
    writer.finish()
    return StageTime(seconds=time.process_time() - start, pictures_in=len(frames), pictures_out=len(frames))
