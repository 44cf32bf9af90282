"""What each published network is as a model: its role, its tensors, and what the file says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import ModelError
from export.networks.published.deoldify import DEOLDIFY_VARIANTS
from export.networks.published.gpen import GPEN_VARIANTS
from export.networks.published.realesrgan import COMPACT_VARIANTS, RRDB_VARIANTS
from export.networks.published.rife import RIFE_VARIANTS
from export.onnx.adapters import (
    DeoldifyColorizer,
    ExemplarColorizerModel,
    ExemplarReferenceModel,
    Halved,
    Interpolator,
    MiddleInterpolator,
    Plain,
)

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecipe:
    """How a network becomes a model.

    name : of the model
    network : of the registry
    adapt : puts the role's tensors around the network
    inputs, outputs : shapes by name, in order; sizes that may change are names, such as ``height`` or ``4·height``
    metadata : without the prefix; what every model says is added by `write`
    size_multiple : of height and width
    check_sizes : two (height, width) at which ONNX Runtime must agree with PyTorch
    float_scopes : modules that stay float32 in a half model, by parts of their names
    float_ops : operations that stay float32 in it besides those that always do
    half_scopes : where given, these modules alone are half
    tolerance : largest difference allowed, relative to outputs above 1
    """

    name: str
    network: str
    adapt: Callable[[Any], nn.Module]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    metadata: Mapping[str, str]
    size_multiple: int = 1
    check_sizes: tuple[tuple[int, int], tuple[int, int]] = ((64, 96), (96, 64))
    float_scopes: tuple[str, ...] = ()
    float_ops: tuple[str, ...] = ()
    half_scopes: tuple[str, ...] = ()
    tolerance: float = 1e-4

    def example_inputs(self, height: int, width: int, *, seed: int = 0) -> dict[str, Tensor]:
        """Return random inputs in [0, 1] for a size, with 24 reference tokens, all but the last valid."""
        sizes = {"height": height, "width": width, "tokens": 24}
        generator = torch.Generator().manual_seed(seed)
        inputs = {
            name: torch.rand([sizes[side] if isinstance(side, str) else side for side in shape], generator=generator)
            for name, shape in self.inputs.items()
        }
        if "reference_features" in inputs:
            inputs["reference_features"] = torch.nn.functional.normalize(inputs["reference_features"] - 0.5, dim=1)
            inputs["reference_valid"] = (torch.arange(24) < 23).float()[None]
        return inputs


def recipe(name: str) -> PublishedRecipe:
    """Return the recipe of a model.

    Raises
    ------
    ModelError
        There is none; the message lists them.
    """
    if name not in RECIPES:
        raise ModelError(f"model {name!r}: no network of that name can be exported; known are {', '.join(RECIPES)}")
    return RECIPES[name]


def _enhancer(name: str, scale: int, *, network: str = "", adapt: type[nn.Module] = Plain) -> PublishedRecipe:
    return PublishedRecipe(
        name=name,
        network=network or name,
        adapt=adapt,
        inputs={"frames": (1, 3, "height", "width")},
        outputs={"frame": (1, 3, f"{scale}·height", f"{scale}·width")},
        metadata={"role": "enhance", "color_space": "rgb", "scale": str(scale)},
        size_multiple=1 if adapt is Halved else 4 // scale,
        check_sizes=((24, 32), (20, 36)),
    )


def _interpolator(
    name: str, multiple: int, *, takes_timestep: bool = True, float_ops: tuple[str, ...] = ()
) -> PublishedRecipe:
    frame: Shape = (1, 3, "height", "width")
    timestep: dict[str, Shape] = {"timestep": (1,)} if takes_timestep else {}
    return PublishedRecipe(
        name=name,
        network=name,
        adapt=Interpolator if takes_timestep else MiddleInterpolator,
        inputs={"first": frame, "second": frame, **timestep},
        outputs={"flow": (1, 4, "height", "width"), "mask": (1, 1, "height", "width"), "frame": frame},
        metadata={"role": "interpolate", "color_space": "rgb", **({} if takes_timestep else {"moments": "middle"})},
        size_multiple=multiple,
        check_sizes=((multiple, 2 * multiple), (2 * multiple, multiple)),
        float_ops=float_ops,
    )


def _face(name: str, size: int) -> PublishedRecipe:
    picture: Shape = (1, 3, size, size)
    return PublishedRecipe(
        name=name,
        network=name,
        adapt=Plain,
        inputs={"face": picture},
        outputs={"restored": picture},
        metadata={"role": "face", "color_space": "rgb", "value_range": "-1,1"},
        check_sizes=((size, size), (size, size)),
        float_scopes=("generator.style", "modulation"),
    )


def _deoldify(name: str, side: int) -> PublishedRecipe:
    return PublishedRecipe(
        name=name,
        network=name,
        adapt=DeoldifyColorizer,
        inputs={"luma": (1, 1, "height", "width")},
        outputs={"ab": (1, 2, "height", "width"), "confidence": (1, 1, "height", "width")},
        metadata={"role": "colorize", "color_space": "lab", "working_size": f"{side},{side}"},
        size_multiple=32,
        check_sizes=((64, 96), (96, 64)),
        tolerance=1e-3,  # near black, Lab's cube root turns 1e-6 of light into 1e-4 of colour
    )


_NOT_MATCHING = ("colornet",)
"""What of deep exemplar colorization may be half: with half features one match in sixty goes elsewhere."""


def _exemplar() -> tuple[PublishedRecipe, PublishedRecipe]:
    luma: Shape = (1, 1, "height", "width")
    ab: Shape = (1, 2, "height", "width")
    states = [
        {"input": "previous_luma", "output": "next_luma"},
        {"input": "previous_ab", "output": "next_ab"},
    ]
    frame = PublishedRecipe(
        name="exemplar",
        network="exemplar",
        adapt=ExemplarColorizerModel,
        inputs={
            "luma": luma,
            "reference_features": (1, 256, "tokens"),
            "reference_ab": (1, 2, "tokens"),
            "reference_valid": (1, "tokens"),
            "previous_luma": luma,
            "previous_ab": ab,
        },
        outputs={"ab": ab, "confidence": luma, "next_luma": luma, "next_ab": ab},
        metadata={
            "role": "colorize",
            "color_space": "lab",
            "working_size": "224,384",
            "reference_model": "exemplar-reference",
            "states": json.dumps(states),
        },
        size_multiple=16,
        half_scopes=_NOT_MATCHING,
        tolerance=2e-3,
    )
    reference = PublishedRecipe(
        name="exemplar-reference",
        network="exemplar",
        adapt=ExemplarReferenceModel,
        inputs={"luma": luma, "ab": ab},
        outputs={"features": (1, 256, "height/4", "width/4")},
        metadata={"role": "reference", "color_space": "lab", "working_size": "224,384"},
        size_multiple=16,
        half_scopes=_NOT_MATCHING,
        tolerance=1e-3,
    )
    return frame, reference


_RIFE_PAPER_FLOAT = ("Concat",)
"""With half concatenations TensorRT for RTX 1.7.1 stops in its own check (ssa_validation); with these it builds."""

RECIPES: dict[str, PublishedRecipe] = {
    made.name: made
    for made in (
        *(_interpolator(name, variant.multiple) for name, variant in RIFE_VARIANTS.items()),
        _interpolator("rife-m", 32, float_ops=_RIFE_PAPER_FLOAT),
        _interpolator("rife-v3", 32, takes_timestep=False, float_ops=_RIFE_PAPER_FLOAT),
        *(_face(name, variant.size) for name, variant in GPEN_VARIANTS.items()),
        *(_deoldify(name, 16 * variant.render_factor) for name, variant in DEOLDIFY_VARIANTS.items()),
        *_exemplar(),
        *(_enhancer(name, variant.scale) for name, variant in RRDB_VARIANTS.items()),
        *(_enhancer(name, 4) for name in COMPACT_VARIANTS),
        *(_enhancer(f"{name}-x2", 2, network=name, adapt=Halved) for name in COMPACT_VARIANTS),
    )
}
"""Every model that published networks give, by name."""
