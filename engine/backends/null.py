"""A backend that computes nothing: every stage, reader and writer runs with it on any machine, quickly."""

from collections.abc import Mapping
from typing import Any

from engine.backends.base import Array, Backend, Profile, Session, check_profile
from engine.errors import BuildError
from engine.model import Model

SIZED_LIKE: dict[str, dict[str, tuple[str, str, int]]] = {
    "enhance": {
        "luma_out": ("luma", "luma", 1),
        "chroma_out": ("chroma", "chroma", 2),
        "frame": ("frames", "frames", 3),
    },
    "interpolate": {"flow": ("first", "", 4), "mask": ("first", "", 1), "frame": ("first", "first", 0)},
    "colorize": {"ab": ("luma", "", 2), "confidence": ("luma", "", 1)},
    "face": {"restored": ("face", "face", 0)},
    "detect": {},
    "reference": {},
}
"""Role → output → (input that gives its height and width, input whose picture it copies, channels; 0: as the input)."""

FILL = {"mask": 0.5}
"""What outputs that copy no input are filled with, where not 0."""


class NullBackend(Backend):
    """Gives every model the outputs of one that changes nothing.

    Enhanced pictures are the pictures that went in (enlarged by repeating pixels), motion is zero, colour is neutral,
    no faces are found, and a face is restored to what it was.
    """

    name = "null"

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Work out the outputs' shapes from the model's role."""
        check_profile(model, profile)
        return NullSession(model, profile, _output_shapes(model, profile))


class NullSession(Session):
    """Copies or fills; keeps no state."""

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        card = self.model.card
        sizes = _sized_like(self.model)
        for name, out in outputs.items():
            _, copied, _ = sizes.get(name, ("", "", 0))
            if not copied or copied not in inputs:
                out.fill(FILL.get(name, 0.0))
                continue
            channels = out.shape[1]
            first = card.window[0] * channels if card.role == "enhance" else 0
            picture = inputs[copied][:, first : first + channels]
            for row in range(card.scale):
                for column in range(card.scale):
                    out[:, :, row :: card.scale, column :: card.scale] = picture


def _sized_like(model: Model) -> dict[str, tuple[str, str, int]]:
    """Return `SIZED_LIKE` of the model's role; an enhancer without metadata has names of its own, and one picture."""
    if model.card.role == "enhance" and model.card.assumed:
        source = next(name for name, tensor in model.inputs.items() if len(tensor.shape) == 4)
        return dict.fromkeys(model.outputs, (source, source, 0))
    return SIZED_LIKE[model.card.role]


def _output_shapes(model: Model, profile: Profile) -> dict[str, tuple[int, ...]]:
    card = model.card
    sizes = _sized_like(model)
    states = {state.output: state.input for state in card.states}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, declared in model.outputs.items():
        if name in states:
            shapes[name] = profile.shapes[states[name]]
        elif name in sizes:
            source, _, channels = sizes[name]
            if source not in profile.shapes:
                raise BuildError(f"model {card.name}: output {name!r} goes with an input {source!r}, which it lacks")
            height, width = profile.shapes[source][2:]
            scale = card.scale if card.role == "enhance" else 1
            shapes[name] = (1, channels or profile.shapes[source][1], height * scale, width * scale)
        else:
            shapes[name] = tuple(size or 1 for size in declared.shape)
    return shapes
