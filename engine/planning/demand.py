"""What a chain would run at a size: its stages are opened on a backend that notes sizes and runs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from engine.backends.base import Array, Backend, Profile, Session, check_profile
from engine.chain import build_chain
from engine.errors import InternalError, UnsupportedModelError
from engine.model import Model
from engine.onnx_graph import Graph, read_graph
from engine.planning.operations import Workload, workload
from engine.planning.shapes import Traced, trace
from engine.settings import RuntimeSettings, Settings
from engine.stages.base import Stage
from engine.stages.enhance import Enhance
from engine.types import FrameSpec, PixelFormat

COARSE_SHARE = 0.46
"""Pairs of pictures whose motion is looked for again at half the size (engine/stages/README.md, decision 25)."""

FACES = 1
"""Faces in a picture, where they are restored."""

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRun:
    """A model at one size.

    runs : for one frame of the film, on the mean
    seen : inputs' shapes
    """

    model: Model
    runs: float
    seen: Mapping[str, tuple[int, ...]]
    work: Workload

    @property
    def picture(self) -> tuple[int, int]:
        """Width and height of the largest picture that goes in."""
        shapes = [shape[-2:] for shape in self.seen.values() if len(shape) == 4]
        height, width = max(shapes, default=(1, 1))
        return width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDemand:
    """One stage of the chain.

    pixels : of the pictures that come in
    lanes : frames that may be in flight at once where models run on a GPU, each with sessions of its own
    """

    name: str
    pixels: int
    look_ahead: int
    models: tuple[ModelRun, ...]
    lanes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a chain runs.

    synthesized : pictures made between frames, for each frame of the film
    spec_out : of the frames that leave it
    """

    stages: tuple[StageDemand, ...]
    spec_in: FrameSpec
    spec_out: FrameSpec
    synthesized: Fraction


class SurveyBackend(Backend):
    """Opens models, notes with which shapes, and runs none.

    Attributes
    ----------
    open_sessions : those that have not been closed again, in order
    """

    name = "survey"

    def __init__(self) -> None:
        self.open_sessions: list[SurveySession] = []

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Find the outputs' shapes from the graph."""
        check_profile(model, profile)
        shapes: _Shapes = tuple((name, tuple(shape)) for name, shape in profile.shapes.items())
        try:
            _, traced = _traced(model.data, shapes)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(
                f"model {model.card.name}: {error}; measure it with farshore bench stages"
            ) from error
        outputs = {name: traced.shapes[name] for name in model.outputs}
        self.open_sessions.append(SurveySession(self, model, profile, outputs))
        return self.open_sessions[-1]


class SurveySession(Session):
    """Knows sizes alone."""

    def __init__(
        self, backend: SurveyBackend, model: Model, profile: Profile, outputs: Mapping[str, tuple[int, ...]]
    ) -> None:
        super().__init__(model, profile, outputs)
        self._backend = backend

    def close(self) -> None:
        """Leave the list: a session that was opened for a look alone is no part of the chain."""
        if self in self._backend.open_sessions:
            self._backend.open_sessions.remove(self)

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        raise InternalError("a survey runs no model")


@cache
def _traced(data: bytes, shapes: _Shapes) -> tuple[Graph, Traced]:
    graph = read_graph(data)
    return graph, trace(graph, dict(shapes))


@cache
def _work(data: bytes, shapes: _Shapes, outputs: frozenset[str]) -> Workload:
    graph, traced = _traced(data, shapes)
    return workload(graph, traced, outputs, len(data))


def survey(settings: Settings, *, width: int, height: int, rate: Fraction) -> Demand:
    """Find what a chain would run for a grey film.

    Parameters
    ----------
    settings : of the restoration; coloured unless they say `never`
    width, height : of the film's pictures, pixels
    rate : of the film, frames a second, exact

    Raises
    ------
    ConfigError
        The settings contradict each other or the models.
    ModelError
        A model is missing, or its graph cannot be followed.
    """
    backend = SurveyBackend()
    chain = build_chain(settings, colorize=settings.colorize.mode != "never", backend=backend)
    spec_in = spec = FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=rate, time_base=1 / rate)
    stages: list[StageDemand] = []
    try:
        for stage in chain.stages:
            before = len(backend.open_sessions)
            pixels = spec.width * spec.height
            spec = stage.open(spec)
            stages.append(
                StageDemand(
                    name=stage.name,
                    pixels=pixels,
                    look_ahead=stage.look_ahead,
                    models=_runs(stage, backend.open_sessions[before:], _synthesized(settings, rate)),
                    lanes=2 if stage.may_have_two_lanes and _may_widen(settings.runtime) else 1,
                )
            )
    finally:
        for stage in chain.stages[: len(stages)]:
            stage.close()
    return Demand(stages=tuple(stages), spec_in=spec_in, spec_out=spec, synthesized=_synthesized(settings, rate))


def _may_widen(settings: RuntimeSettings) -> bool:
    return settings.streams == "stage" and settings.streams_per_stage != 1


def _synthesized(settings: Settings, rate: Fraction) -> Fraction:
    """Return the pictures between frames for each frame of the film, where grid and film begin together."""
    wanted = settings.interpolate
    if wanted.factor is not None:
        ratio = wanted.factor
    elif wanted.rate is not None:
        ratio = wanted.rate / rate
    else:
        return Fraction(0)
    return Fraction(ratio.numerator - 1, ratio.denominator)


def _runs(stage: Stage, sessions: Sequence[SurveySession], synthesized: Fraction) -> tuple[ModelRun, ...]:
    made: list[ModelRun] = []
    for number, session in enumerate(sessions):
        model, runs = session.model, 1.0
        if isinstance(stage, Enhance) and stage.tile_plan is not None:
            runs = float(stage.tile_plan.count)
        elif stage.name == "interpolate":
            runs = float(synthesized) if number == 0 else COARSE_SHARE * min(1.0, float(synthesized))
        elif model.card.role == "face":
            runs = float(FACES)
        shapes = tuple((name, tuple(shape)) for name, shape in session.input_shapes.items())
        work = _work(model.data, shapes, frozenset(model.outputs))
        made.append(ModelRun(model=model, runs=runs, seen=dict(shapes), work=work))
    return tuple(made)
