"""Each family in small: the same operations as the published network, quick enough for every test run."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import onnx
import torch
from torch import nn

from engine.model import Model
from export.checkpoints.weights import Terms
from export.networks.published.deoldify import Deoldify, DeoldifyVariant
from export.networks.published.gpen import Gpen, GpenVariant
from export.networks.published.realesrgan import CompactNet, CompactVariant, RrdbNet, RrdbVariant
from export.networks.published.rife import Rife, RifeVariant
from export.networks.published.rife_paper import RifePaper, RifePaperVariant
from export.onnx.recipes import RECIPES, PublishedRecipe
from export.onnx.write import export_graph, half_graph, model_metadata

SMALL_GPEN = GpenVariant(size=32, narrow=0.05)
SMALL_DEOLDIFY = DeoldifyVariant(
    bottlenecks=False,
    depths=(1, 1, 1, 1),
    raised=(8, 8, 8, 8),
    widths=(16, 16, 16, 16),
    convolutions=2,
    render_factor=2,
    base=8,
)
SMALL_RIFE = RifeVariant(widths=(16, 16), shrinks=(4, 1), features=4, multiple=32)
MINIATURES: dict[str, Callable[[], nn.Module]] = {
    "realesrgan-x2plus": lambda: RrdbNet(RrdbVariant(scale=2, blocks=1)),
    "realesrgan-x4plus": lambda: RrdbNet(RrdbVariant(scale=4, blocks=1)),
    "realesr-animevideov3": lambda: CompactNet(CompactVariant(convolutions=1)),
    "realesr-animevideov3-x2": lambda: CompactNet(CompactVariant(convolutions=1)),
    "rife-v4.6": lambda: Rife(replace(SMALL_RIFE, features=0)),
    "rife-v4.25": lambda: Rife(SMALL_RIFE),
    "rife-v3": lambda: RifePaper(RifePaperVariant(takes_timestep=False, widths=(16, 16, 16))),
    "rife-m": lambda: RifePaper(RifePaperVariant(takes_timestep=True, widths=(16, 16, 16))),
    "gpen-512": lambda: Gpen(SMALL_GPEN),
    "deoldify-artistic": lambda: Deoldify(SMALL_DEOLDIFY),
}


@cache
def miniature_graph(name: str, precision: str = "fp32") -> onnx.ModelProto:
    """Return a small network's graph, exported once for all tests; do not change it."""
    if precision == "fp16":
        return half_graph(miniature(name)[0], miniature_graph(name))
    return export_graph(*miniature(name))


def save_miniature(name: str, folder: Path) -> Model:
    """Write a small network as a model."""
    graph = onnx.ModelProto.FromString(miniature_graph(name).SerializeToString())
    terms = Terms(licence="MIT", commercial_use="yes", source="https://home.example/weights.pth")
    onnx.helper.set_model_props(graph, model_metadata(miniature(name)[0], terms, "fp32"))
    onnx.save(graph, folder / f"{name}.onnx")
    return Model.load(folder / f"{name}.onnx")


@cache
def miniature(name: str) -> tuple[PublishedRecipe, nn.Module]:
    """Return a small network of a family, always the same, and its recipe."""
    torch.manual_seed(7)
    network = MINIATURES[name]().eval().requires_grad_(requires_grad=False)
    recipe = RECIPES[name]
    if name == "gpen-512":
        shape = (1, 3, SMALL_GPEN.size, SMALL_GPEN.size)
        recipe = replace(recipe, inputs={"face": shape}, outputs={"restored": shape})
    return recipe, network
