"""Which tensors stand between frames and a colorizer: by the place where it works."""

from collections.abc import Callable, Sequence

from engine.backends.base import Array
from engine.stages.chroma_tensors import ChromaTensors
from engine.stages.device.chroma import DeviceChroma
from engine.stages.device.exemplars import DeviceExemplarTokens
from engine.stages.exemplar_choice import Choice
from engine.stages.exemplars import Exemplar, ExemplarTokens
from engine.stages.place import DevicePlace, Place
from engine.types import FrameSpec


def chroma_tensors(
    spec: FrameSpec, size: tuple[int, int], saturation: float, steadiness: float, place: Place
) -> ChromaTensors | DeviceChroma:
    """Return what does the arithmetic on pictures; the parameters are those of `ChromaTensors`."""
    if isinstance(place, DevicePlace):
        return DeviceChroma(place.operators, spec, size, saturation, steadiness)
    return ChromaTensors(spec, size, saturation, steadiness)


def exemplar_tokens(
    exemplars: Sequence[Exemplar], encode: Callable[[Exemplar], Array], channels: int, choice: Choice, place: Place
) -> ExemplarTokens:
    """Return what lays references out for the network; the parameters are those of `ExemplarTokens`."""
    if isinstance(place, DevicePlace):
        return DeviceExemplarTokens(place, exemplars, encode, channels, choice)
    return ExemplarTokens(exemplars, encode, channels, choice)
