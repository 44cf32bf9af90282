"""Tokens of references on a device: what of `engine/stages/exemplars.py` lies there; reading and choosing is shared."""

from collections.abc import Callable, Sequence

from engine.backends.base import Array
from engine.device.operators import View, view
from engine.device.pool import as_planes, on_device
from engine.stages.exemplar_choice import Choice
from engine.stages.exemplars import Exemplar, ExemplarTokens
from engine.stages.place import DevicePlace


class DeviceExemplarTokens(ExemplarTokens):
    """As `ExemplarTokens`; every reference's tokens stay on the device and are laid out there.

    Parameters
    ----------
    place : where the stage works
    exemplars, encode, channels, choice : as `ExemplarTokens` has them
    """

    def __init__(
        self,
        place: DevicePlace,
        exemplars: Sequence[Exemplar],
        encode: Callable[[Exemplar], Array],
        channels: int,
        choice: Choice,
    ) -> None:
        self._operators = place.operators
        self._operators.prepare("tensor_fill")
        super().__init__(exemplars, encode, channels, choice, place)

    def _kept(self, features: Array, shape: tuple[int, int, int]) -> Array:
        kept = self._operators.zeros(*shape)
        self._operators.copy(on_device(features), kept)
        return as_planes(kept)

    def _put(self, tokens: Array, tensor: Array, first: int) -> None:
        source, whole = view(on_device(tokens)), view(on_device(tensor))
        target = _columns(whole, first, source.width)
        self._operators.fill(source, target)


def _columns(plane: View, first: int, count: int) -> View:
    """Return some columns of one plane."""
    size = plane.array.dtype.itemsize
    length = (plane.height - 1) * plane.pitch + count
    return View(
        array=plane.array.view(first * size, (length,)),
        planes=1,
        height=plane.height,
        width=count,
        **plane.strides(),
    )
