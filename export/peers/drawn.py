"""Published networks whose weights are drawn from a seed: as fast as the real ones, with nothing to be fetched."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from export.checkpoints.weights import Terms
from export.networks.published.registry import NETWORKS
from export.onnx.recipes import RECIPES
from export.onnx.write import write_published

SUBJECTS = ("rife-v4.25", "realesr-animevideov3-x2", "gpen-512", "deoldify-artistic")
"""Models, one of every family that restorers know: an interpolator, an enlarger, a face restorer, a colorizer."""

SEED = 7
TERMS = Terms(licence="none: the weights are drawn", commercial_use="yes", source="drawn from a seed")


def draw(network: str) -> nn.Module:
    """Return a published network with PyTorch's usual first weights, always the same ones."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        return NETWORKS[network].build().eval().requires_grad_(requires_grad=False)


def write_drawn(name: str, folder: Path) -> list[Path]:
    """Write a model in float32 and in half, and its weights beside it; return the models.

    Parameters
    ----------
    name : of the model, one of the published recipes
    folder : must exist
    """
    recipe = RECIPES[name]
    network = draw(recipe.network)
    whole, half = folder / f"{name}.onnx", folder / f"{name}-fp16.onnx"
    write_published(recipe, network, whole, terms=TERMS)
    write_published(recipe, network, half, terms=TERMS, precision="fp16")
    save_file(network.state_dict(), weights_path(name, folder))
    return [whole, half]


def read_drawn(name: str, folder: Path) -> nn.Module:
    """Return the module around the network of a model that `write_drawn` wrote, with its weights."""
    recipe = RECIPES[name]
    network = NETWORKS[recipe.network].load(load_file(weights_path(name, folder)).items())
    return recipe.adapt(network).eval()


def weights_path(name: str, folder: Path) -> Path:
    """Return the file of a drawn model's weights."""
    return folder / f"{name}.safetensors"
