"""At which size an interpolation model sees a film's pictures, and what of it is used then."""

from engine.backends.base import Backend
from engine.errors import ConfigError, UnsupportedModelError
from engine.model import Model
from engine.stages.flow_model import FlowModel
from engine.types import FrameSpec

SMALLEST = 160
"""Rows or columns of a picture below which motion is not looked for at half the size."""

WHOLE_VALUES, HALF_VALUES = 1_600_000, 9_000_000
"""Where a model would tell more vectors of motion than these it sees pictures at half, and at a quarter, of their size.

For one that tells a vector for each pixel, as RIFE does, 1440×1080 is seen whole, 1920×1080 and 4096×2160 at half. One
that tells a vector for 4×4 pixels works coarsely by itself and sees 4096×2160 whole (see README.md).
"""

PROBE = (256, 256)
"""Height and width at which a model is asked how many vectors it tells."""


def frame_serves(model: Model, spec: FrameSpec, divisor: int, frame: tuple[int, ...] | None, *, has_flow: bool) -> bool:
    """Return whether the picture that a model makes can be shown.

    Parameters
    ----------
    model, spec : it, and the film
    divisor : how many times smaller it sees the film's pictures
    frame : (1, C, h, w) of the picture that it makes; None: it makes none
    has_flow : whether it tells motion

    Raises
    ------
    UnsupportedModelError
        It gives neither motion nor such a picture.
    """
    channels = spec.pixels_shape[0]
    serves = frame is not None and frame[1] >= channels and divisor == 1
    if not has_flow and not serves:
        raise UnsupportedModelError(
            f"model {model.card.name}: gives {sorted(model.outputs)}; wanted flow and mask, or a frame with {channels} "
            "planes"
        )
    return serves


def looks_twice(scale: float | None, seen: tuple[int, ...], *, has_flow: bool) -> bool:
    """Return whether motion may be looked for at half the size too; `seen` is (1, C, h, w) of what the model sees."""
    return scale is None and has_flow and min(seen[2:]) >= SMALLEST


def divisor_for(model: Model, backend: Backend, spec: FrameSpec, scale: float | None) -> int:
    """Return how many times smaller a model sees a film's pictures; arguments as of `MotionField`.

    Raises
    ------
    ConfigError
        A scale below 1 was asked of a model that tells no motion.
    """
    tells_motion = "flow" in model.outputs and "mask" in model.outputs
    if scale is not None:
        if scale != 1 and not tells_motion:
            raise ConfigError(
                f"interpolate: got a scale of {scale}, but model {model.card.name} gives pictures and no motion that "
                "could be enlarged; leave the scale out or use another model"
            )
        return round(1 / scale)
    pixels = spec.height * spec.width
    if not tells_motion or pixels <= WHOLE_VALUES:
        return 1
    probe = FlowModel(model, backend, PROBE)
    values = pixels / probe.cell**2
    probe.close()
    return 1 + (values > WHOLE_VALUES) + 2 * (values > HALF_VALUES)
