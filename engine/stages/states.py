"""Recurrent tensors of a model: zeros at the start of a shot, then whatever the last frame left."""

from collections.abc import Mapping

from engine.backends.base import Array
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.place import HOST, Place


class States:
    """Two arrays for each state of a model, which change places after every frame.

    Parameters
    ----------
    model : whose card names the states
    picture : (height, width) of the model's picture input; sizes that a state's shape leaves open are these
    place : where the arrays lie

    Attributes
    ----------
    inputs, outputs : arrays by tensor name, to be given to the session for the next frame
    """

    def __init__(self, model: Model, picture: tuple[int, int], place: Place = HOST) -> None:
        self._place = place
        self._pairs = model.card.states
        self._name = model.card.name
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        for pair in self._pairs:
            shape = _concrete(model.inputs[pair.input].shape, picture)
            self.inputs[pair.input] = place.zeros(shape)
            self.outputs[pair.output] = place.zeros(shape)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs, for a profile."""
        return {name: array.shape for name, array in self.inputs.items()}

    def check(self, output_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise `UnsupportedModelError` unless every state comes out in the shape in which it goes in."""
        for name, array in self.outputs.items():
            if output_shapes[name] != array.shape:
                raise UnsupportedModelError(
                    f"model {self._name}: state {name!r} comes out as {output_shapes[name]} and goes in as "
                    f"{array.shape}; export it with equal shapes"
                )

    def advance(self) -> None:
        """Make what came out the next frame's input."""
        for pair in self._pairs:
            given, left = self.inputs[pair.input], self.outputs[pair.output]
            self.inputs[pair.input], self.outputs[pair.output] = left, given

    def clear(self) -> None:
        """Begin a shot."""
        for array in self.inputs.values():
            self._place.clear(array)


def _concrete(shape: tuple[int | None, ...], picture: tuple[int, int]) -> tuple[int, ...]:
    """Fill in open sizes: batch 1 in front, the picture's height and width behind."""
    filled = [size or 1 for size in shape]
    for axis in (-2, -1):
        if len(shape) >= 3 and shape[axis] is None:
            filled[axis] = picture[axis]
    return tuple(filled)
