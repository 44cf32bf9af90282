"""Which tensors stand between frames and an enhancer: by the color space of its model."""

from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.device.tensors import DeviceLumaTensors, DeviceRgbTensors
from engine.stages.luma_tensors import LumaTensors
from engine.stages.picture_tensors import PictureTensors
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.rgb_tensors import RgbTensors
from engine.types import FrameSpec

SEEN = {"gray": "luma", "ycbcr420": "luma", "rgb": "rgb"}
"""Color space of a model → which planes it sees."""


def enhancer_tensors(
    model: Model,
    spec: FrameSpec,
    blend: float,
    *,
    upscale: int | None = None,
    multiple: int | None = None,
    place: Place = HOST,
) -> PictureTensors:
    """Return the tensors that fit the model's color space and the place; the parameters are those of `PictureTensors`.

    Without `multiple` pictures are padded to the card's `size_multiple`.

    Raises
    ------
    UnsupportedModelError
        No enhancer can have that color space, or what it makes cannot stand in its own window.
    """
    if model.card.past == "restored" and (model.card.color_space == "rgb" or model.card.scale != 1):
        raise UnsupportedModelError(
            f"model {model.card.name}: wants its past restored, at color space {model.card.color_space} and scale "
            f"{model.card.scale}; only gray and ycbcr420 at scale 1 can be"
        )
    multiple = multiple or model.card.size_multiple
    seen = SEEN.get(model.card.color_space)
    if seen == "luma" and isinstance(place, DevicePlace):
        return DeviceLumaTensors(place.operators, model, spec, blend, upscale=upscale, multiple=multiple)
    if seen == "rgb" and isinstance(place, DevicePlace):
        return DeviceRgbTensors(place.operators, model, spec, blend, upscale=upscale, multiple=multiple)
    if seen == "luma":
        return LumaTensors(model, spec, blend, upscale=upscale, multiple=multiple)
    if seen == "rgb":
        return RgbTensors(model, spec, blend, upscale=upscale, multiple=multiple)
    raise UnsupportedModelError(
        f"model {model.card.name}: its color space is {model.card.color_space}; an enhancer's is gray, ycbcr420 or rgb"
    )
