"""A film on a device, and models that no backend runs: what the product's parts work on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.latency.film import draw_shots
from engine.backends.base import Profile, Session
from engine.backends.null import NullBackend
from engine.device.base import Device, DeviceArray
from engine.device.operators import Operators, view
from engine.model import Model, ModelCard, TensorSpec
from engine.types import FrameSpec, PixelFormat

RATE = Fraction(24)

DRAWN = 6
"""Pictures of the film; the longest window holds five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """Pictures on a device that the work is done on.

    operators : that start it
    spec : of the grey film
    grey : float32 (1, H, W) each, of one shot
    """

    operators: Operators
    spec: FrameSpec
    grey: list[DeviceArray]

    @property
    def device(self) -> Device:
        """Where they lie."""
        return self.operators.device

    def spec_of(self, format: PixelFormat) -> FrameSpec:
        """Return the spec of the same film in another format."""
        return replace(self.spec, format=format)

    def coloured(self) -> list[DeviceArray]:
        """Return the pictures as R'G'B' (3, H, W)."""
        made: list[DeviceArray] = []
        for picture in self.grey:
            made.append(self.zeros(3, self.spec.height, self.spec.width))
            self.operators.fill(view(picture), view(made[-1]))
        return made

    def zeros(self, *shape: int) -> DeviceArray:
        """Return float32 memory."""
        return self.operators.zeros(*shape)


def draw_film(operators: Operators, width: int, height: int) -> Film:
    """Draw a shot with motion in it and bring it to the device."""
    spec = FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=RATE, time_base=1 / RATE)
    shot = draw_shots(width, height)[0][:DRAWN]
    grey = [operators.constant(np.ascontiguousarray(picture[None], np.float32)) for picture in shot]
    return Film(operators=operators, spec=spec, grey=grey)


class NoModels(NullBackend):
    """Runs no model: of a stage only what stands around it is done."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Give outputs' shapes."""
        return _NoRun(model, profile, super().open(model, profile, threads).output_shapes, device=self.device)


class _NoRun(Session):
    def _enqueue(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cuda_stream: Any) -> None:
        """Leave the outputs as they are."""


def model_of(card: ModelCard, inputs: Mapping[str, int], outputs: Mapping[str, int], side: int | None = None) -> Model:
    """Return a model that no backend runs; `inputs` and `outputs` give channels by tensor, `side` a fixed size."""

    def tensors(channels: Mapping[str, int]) -> dict[str, TensorSpec]:
        return {
            name: TensorSpec(shape=(1, count, side, side), dtype="tensor(float)") for name, count in channels.items()
        }

    return Model(path=Path(card.name), sha256="", data=b"", card=card, inputs=tensors(inputs), outputs=tensors(outputs))


def card_of(role: str, color_space: Any, **more: Any) -> ModelCard:
    """Return the card of such a model."""
    return ModelCard(name=f"no-{role}", version="1", role=role, precision="fp32", color_space=color_space, **more)
