"""Which stages a film passes, made from settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2

from engine.backends.base import Backend
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError
from engine.model import Model, find_model
from engine.quantized import check_loss
from engine.settings import EnhanceSettings, RuntimeSettings, Settings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.compare import Compare
from engine.stages.enhance import Enhance
from engine.stages.faces import Faces
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate

BUILT_IN = {"interpolate": "film-interpolate", "colorize": "film-colorize"}
"""Role → the built-in model that plays it where the settings name none."""

ENHANCERS = {1: "film-restore", 2: "film-restore-x2"}
"""Upscale factor → the built-in enhancer."""

SUFFIXES = {"fp32": "", "int8": "-int8"}
"""Precision → what the names of the built-in models of that precision end in."""

LARGE_ENHANCERS = ("realesr-general-x4v3", "realesr-animevideov3", "realesrgan-x4plus")
"""Published networks that enlarge by more than the built-in ones, named where one is wanted."""


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


def _built_in_enhancer(settings: EnhanceSettings) -> str:
    """Return the built-in enhancer for the scale that is asked for; a model that is named needs none."""
    upscale = settings.upscale or 1
    if settings.model is None and upscale not in ENHANCERS:
        raise ConfigError(
            f"upscale: got {upscale}; the built-in models enlarge by {' or '.join(map(str, ENHANCERS))}; name a model "
            f"for more, such as {', '.join(LARGE_ENHANCERS)}, that came with `farshore models fetch NAME` and "
            "`farshore export NAME`"
        )
    return ENHANCERS.get(upscale, ENHANCERS[1])


def build_chain(
    settings: Settings, *, colorize: bool, true_rate: Fraction | None = None, backend: Backend | None = None
) -> Chain:
    """Make the stages; no model runs yet.

    Parameters
    ----------
    settings : of the restoration
    colorize : whether this film is to be coloured; what `auto` means was decided by looking at the film
    true_rate : of the film's motion, pictures per second, which a factor multiplies; None: the rate that the film tells
    backend : what the models run on; None: what the settings name

    Raises
    ------
    ModelError
        A model is missing, damaged or not for its role.
    ConfigError
        Settings and models contradict each other, or a reference picture cannot be read.
    """
    cv2.setNumThreads(1)  # for the whole process: a stage works within its own thread, and cores are shared out
    backend = backend or open_backend(settings.runtime)
    models: list[Model] = []

    def model(name: str | None, built_in: str, role: str) -> Model:
        models.append(find_model(name or built_in + SUFFIXES[settings.runtime.precision], role))
        return models[-1]

    wanted = settings.interpolate
    changes_rate = wanted.rate is not None or wanted.factor is not None
    inspect = Inspect(retime=changes_rate, keep_original=settings.output.compare is not None)
    stages: list[Stage] = [inspect]
    if settings.enhance.enabled:
        enhancer = model(settings.enhance.model, _built_in_enhancer(settings.enhance), "enhance")
        stages.append(Enhance(enhancer, backend, settings.enhance))
    if settings.faces.enabled:
        restorer = find_model(settings.faces.model, "face")
        detector = find_model(settings.faces.detector, "detect")
        models += (restorer, detector)
        stages.append(Faces(restorer, detector, backend, settings.faces))
    interpolator = None
    if changes_rate:
        interpolator = model(wanted.model, BUILT_IN["interpolate"], "interpolate")
    stages.append(Interpolate(interpolator, backend, wanted, true_rate=true_rate))
    if colorize:
        colorizer = model(settings.colorize.model, BUILT_IN["colorize"], "colorize")
        encoder = None
        if colorizer.card.reference_model is not None and settings.colorize.references:
            encoder = model(colorizer.card.reference_model, "", "reference")
        stages.append(Colorize(colorizer, backend, settings.colorize, reference_model=encoder))
    for loaded in models:
        check_loss(loaded, force=settings.runtime.force_int8)
    if settings.output.compare is not None or settings.output.label:
        stages.append(Compare(settings.output))
    return Chain(inspect=inspect, stages=stages, models=models)
