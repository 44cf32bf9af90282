"""Write trained networks as ONNX models that say what they are, and check each against its network.

``python -m export.training.export_models --checkpoints DIR --out engine/models [--only film-restore ...]``

A model without weights in DIR is skipped; ``--untrained`` writes it from a fresh network (identity, blending, neutral).
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from export.networks.film_colorize import FilmColorize, shipped
from export.networks.film_interpolate import FilmInterpolate
from export.networks.film_restore import FilmRestore

log = logging.getLogger(__name__)

OPSET = 18
TOLERANCE = 2e-3
TRAINING_DATA = (
    "910 ImageNet sample photographs (research use), 287 BSDS500 photographs (research and education), 11 modern clips "
    "of 1,980 frames (Apache-2.0 and MIT repositories, public domain, sample inputs of research repositories); damage "
    "and camera motion are synthetic; the card lists all"
)

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """How one model is written.

    Attributes
    ----------
    name : the model's name and its file's
    network : makes the untrained network
    inputs, outputs : name → shape; a text is a dynamic size such as ``height/4``
    metadata : contract keys without their ``farshore.`` prefix, name and source excepted
    trained_by : the module that trains it
    size_multiple : height and width are multiples of it
    check_sizes : heights and widths at which the model is compared with its network
    """

    name: str
    network: Callable[[], nn.Module]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    metadata: Mapping[str, str]
    trained_by: str
    size_multiple: int
    check_sizes: Sequence[tuple[int, int]] = field(default=((96, 128), (160, 224)))


def _restore_recipe(name: str, scale: int) -> ModelRecipe:
    out: tuple[Shape, Shape] = ((1, 1, "height", "width"), (1, 2, "height/2", "width/2"))
    if scale == 2:
        out = ((1, 1, "height*2", "width*2"), (1, 2, "height", "width"))
    return ModelRecipe(
        name=name,
        network=lambda: FilmRestore(scale=scale),
        inputs={"luma": (1, 5, "height", "width"), "chroma": (1, 10, "height/2", "width/2"), "strength": (1,)},
        outputs={"luma_out": out[0], "chroma_out": out[1]},
        metadata={
            "role": "enhance",
            "color_space": "ycbcr420",
            "scale": str(scale),
            "window": "2,2",
            "aligned": "window",
            "past": "restored" if scale == 1 else "film",
        },
        trained_by="export.training.restore",
        size_multiple=FilmRestore.size_multiple,
    )


RECIPES: tuple[ModelRecipe, ...] = (
    _restore_recipe("film-restore", 1),
    _restore_recipe("film-restore-x2", 2),
    ModelRecipe(
        name="film-interpolate",
        network=FilmInterpolate,
        inputs={
            "first": (1, 1, "height", "width"),
            "second": (1, 1, "height", "width"),
            "timestep": (1,),
            "motion": (1, 8, "height/4", "width/4"),
            "evidence": (1, 6, "height/4", "width/4"),
        },
        outputs={"flow": (1, 4, "height/4", "width/4"), "mask": (1, 1, "height/4", "width/4")},
        metadata={"role": "interpolate", "color_space": "gray"},
        trained_by="export.training.interpolate",
        size_multiple=FilmInterpolate.size_multiple,
    ),
    ModelRecipe(
        name="film-colorize",
        network=FilmColorize,
        inputs={
            "luma": (1, 1, "height", "width"),
            "reference_features": (1, FilmColorize.feature_channels, "tokens"),
            "reference_ab": (1, 2, "tokens"),
            "reference_valid": (1, "tokens"),
            "previous_luma": (1, 1, "height", "width"),
            "previous_ab": (1, 2, "height", "width"),
        },
        outputs={
            "ab": (1, 2, "height", "width"),
            "confidence": (1, 1, "height", "width"),
            "features": (
                1,
                FilmColorize.feature_channels,
                *(f"{side}/{FilmColorize.token_cell}" for side in ("height", "width")),
            ),
            "next_luma": (1, 1, "height", "width"),
            "next_ab": (1, 2, "height", "width"),
        },
        metadata={
            "role": "colorize",
            "color_space": "lab",
            "working_size": ",".join(str(side) for side in FilmColorize.working_size),
            "states": json.dumps(
                [
                    {"input": "previous_luma", "output": "next_luma"},
                    {"input": "previous_ab", "output": "next_ab"},
                ]
            ),
        },
        trained_by="export.training.colorize",
        size_multiple=FilmColorize.size_multiple,
    ),
)


def write_model(
    recipe: ModelRecipe, network: nn.Module, path: Path, *, version: str, metrics: Mapping[str, object] | None = None
) -> None:
    """Write one network as an ONNX model with metadata, after checking that it computes what the network computes.

    Parameters
    ----------
    recipe : names, shapes and metadata
    network : float32, on the CPU
    path : the file to write; replaced only when the new one is whole and checked
    version : of the weights
    metrics : measured figures for the metadata

    Raises
    ------
    ValueError
        ONNX Runtime and the network disagree.
    """
    network = shipped(network)
    unfinished = path.with_suffix(".onnx.part")
    height, width = recipe.check_sizes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(example_inputs(recipe, height, width).values()),
            str(unfinished),
            input_names=list(recipe.inputs),
            output_names=list(recipe.outputs),
            dynamic_shapes=_dynamic_shapes(recipe),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(str(unfinished))
    _name_sizes(model, {**recipe.inputs, **recipe.outputs})
    _strip(model)
    onnx.helper.set_model_props(model, model_metadata(recipe, version=version, metrics=metrics))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(unfinished))
    for size in recipe.check_sizes:
        worst = largest_difference(recipe, network, unfinished, size)
        if worst > TOLERANCE:
            raise ValueError(f"{recipe.name} at {size}: ONNX Runtime is off by {worst:.2e}; at most {TOLERANCE:.0e}")
    unfinished.replace(path)
    log.info("wrote %s (%.2f MB)", path, path.stat().st_size / 1e6)


def model_metadata(recipe: ModelRecipe, *, version: str, metrics: Mapping[str, object] | None = None) -> dict[str, str]:
    """Return the ``farshore.`` metadata of a model."""
    values = {
        "schema": "1",
        "name": recipe.name,
        "version": version,
        "precision": "fp32",
        "value_range": "0,1",
        "size_multiple": str(recipe.size_multiple),
        "licence": "Apache-2.0",
        "commercial_use": "ask",
        "source": f"farshore recipe {recipe.trained_by}",
        "training_data": TRAINING_DATA,
        **recipe.metadata,
    }
    if metrics:
        values["metrics"] = json.dumps(metrics, sort_keys=True)
    return {f"farshore.{key}": value for key, value in values.items()}


def example_inputs(recipe: ModelRecipe, height: int, width: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Return random inputs in [0, 1] for a size; 12 reference tokens, all valid."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"height": height, "width": width, "tokens": 12}
    for part in (2, 4):
        sizes |= {f"height/{part}": height // part, f"width/{part}": width // part}
    inputs = {
        name: torch.rand([sizes[side] if isinstance(side, str) else side for side in shape], generator=generator)
        for name, shape in recipe.inputs.items()
    }
    if "reference_valid" in inputs:
        inputs["reference_valid"] = torch.ones_like(inputs["reference_valid"])
    return inputs


def largest_difference(recipe: ModelRecipe, network: nn.Module, path: Path, size: tuple[int, int]) -> float:
    """Return the largest difference between ONNX Runtime and the network, relative to outputs above 1."""
    inputs = example_inputs(recipe, *size, seed=1)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(recipe.outputs), {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        wanted = [value.numpy() for value in network(*inputs.values())]
    return max(
        float(np.abs(a - b).max() / max(1.0, float(np.abs(b).max()))) for a, b in zip(found, wanted, strict=True)
    )


def _dynamic_shapes(recipe: ModelRecipe) -> tuple[dict[int, object] | None, ...]:
    multiple = recipe.size_multiple
    bases = {axis: torch.export.Dim(f"{axis}_units", min=2, max=1024) for axis in ("height", "width")}
    tokens = torch.export.Dim("tokens", min=1, max=1 << 20)

    def dynamic(side: str) -> object:
        axis, _, divisor = side.partition("/")
        return tokens if axis == "tokens" else (multiple // int(divisor or 1)) * bases[axis]

    return tuple(
        {i: dynamic(side) for i, side in enumerate(shape) if isinstance(side, str)} or None
        for shape in recipe.inputs.values()
    )


def _name_sizes(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> None:
    """Give the sizes of inputs and outputs their plain names and forget those of everything between."""
    for value in (*model.graph.input, *model.graph.output):
        for dimension, side in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if isinstance(side, str):
                dimension.dim_param = side
            else:
                dimension.dim_value = side
    del model.graph.value_info[:]


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about Python sources: it names folders of the machine that exported."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.functions[:]
    model.graph.doc_string = model.doc_string = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 nothing to export."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoints", type=Path, required=True, metavar="DIR", help="what the recipes wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", nargs="*", default=[recipe.name for recipe in RECIPES], metavar="NAME")
    parser.add_argument("--version", default="1", help="of the weights")
    parser.add_argument("--untrained", action="store_true", help="write models that have no weights yet, too")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    options.out.mkdir(parents=True, exist_ok=True)
    written = 0
    for recipe in RECIPES:
        weights = options.checkpoints / f"{recipe.name}.safetensors"
        if recipe.name not in options.only or not (weights.exists() or options.untrained):
            continue
        network = recipe.network()
        metrics = None
        if weights.exists():
            network.load_state_dict(load_file(weights))
            noted = weights.with_suffix(".json")
            metrics = json.loads(noted.read_text()) if noted.exists() else None
        write_model(recipe, network, options.out / f"{recipe.name}.onnx", version=options.version, metrics=metrics)
        written += 1
    return 0 if written else 1


if __name__ == "__main__":
    raise SystemExit(main())
