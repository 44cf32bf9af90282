"""Which stages a film passes, made from settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.backends.base import Backend
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.model import Model, find_model
from engine.settings import RuntimeSettings, Settings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.compare import Compare
from engine.stages.enhance import Enhance
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate

BUILT_IN = {"interpolate": "film-interpolate", "colorize": "film-colorize"}
"""Role → the built-in model that plays it where the settings name none."""

ENHANCERS = {1: "film-restore", 2: "film-restore-x2"}
"""Upscale factor → the built-in enhancer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The stages of one run, in order, and the models they use.

    inspect : the first stage, which knows shots and cadence
    """

    inspect: Inspect
    stages: Sequence[Stage]
    models: Sequence[Model]


def open_backend(settings: RuntimeSettings) -> Backend:
    """Return the backend that the settings name."""
    return NullBackend() if settings.backend == "null" else OnnxRuntimeBackend()


def build_chain(settings: Settings, *, colorize: bool, true_rate: Fraction | None = None) -> Chain:
    """Make the stages; no model runs yet.

    Parameters
    ----------
    settings : of the restoration
    colorize : whether this film is to be coloured; what `auto` means was decided by looking at the film
    true_rate : of the film's motion, pictures per second, which a factor multiplies; None: the rate that the film tells

    Raises
    ------
    ModelError
        A model is missing, damaged or not for its role.
    ConfigError
        Settings and models contradict each other, or a reference picture cannot be read.
    """
    backend = open_backend(settings.runtime)
    models: list[Model] = []

    def model(name: str | None, built_in: str, role: str) -> Model:
        models.append(find_model(name or built_in, role))
        return models[-1]

    wanted = settings.interpolate
    changes_rate = wanted.rate is not None or wanted.factor is not None
    inspect = Inspect(retime=changes_rate, keep_original=settings.output.compare is not None)
    stages: list[Stage] = [inspect]
    if settings.enhance.enabled:
        enhancer = model(settings.enhance.model, ENHANCERS[settings.enhance.upscale], "enhance")
        stages.append(Enhance(enhancer, backend, settings.enhance))
    interpolator = None
    if changes_rate:
        interpolator = model(wanted.model, BUILT_IN["interpolate"], "interpolate")
    stages.append(Interpolate(interpolator, backend, wanted, true_rate=true_rate))
    if colorize:
        colorizer = model(settings.colorize.model, BUILT_IN["colorize"], "colorize")
        stages.append(Colorize(colorizer, backend, settings.colorize))
    if settings.output.compare is not None or settings.output.label:
        stages.append(Compare(settings.output))
    return Chain(inspect=inspect, stages=stages, models=models)
