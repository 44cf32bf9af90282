"""Write a published network as an ONNX model, float32 or half, and check what was written.

The classic exporter is used: it is thirty times as quick as the newer one on these networks (2 s against 60 s), traces
dynamic sizes, names nodes after modules, and gives the same graphs once they are tidied.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import nn

from engine.errors import ModelError
from engine.model import Model
from export.checkpoints.weights import Terms
from export.onnx.fold import fold
from export.onnx.graph import tidy
from export.onnx.half import halve
from export.onnx.recipes import PublishedRecipe

OPSET = 18
Precision = Literal["fp32", "fp16"]
OnStep = Callable[[str], None]
"""Told what is done next, in a word or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A model that was written.

    path : the file
    differences : for each of the sizes checked, the largest difference between ONNX Runtime and PyTorch, relative to
        outputs above 1; of a half model, of the float32 one that it was made from
    nodes : of the graph
    """

    path: Path
    differences: Mapping[tuple[int, int], float]
    nodes: int


def write_published(
    recipe: PublishedRecipe,
    network: nn.Module,
    path: Path,
    *,
    terms: Terms,
    precision: Precision = "fp32",
    on_step: OnStep = lambda _: None,
) -> Written:
    """Write one published network as a model.

    Parameters
    ----------
    recipe : what the model takes and gives
    network : with its weights, float32, on the host; left as it is
    path : the file; replaced only when the new one is whole and checked
    terms : licence, commercial use and source of the weights: they travel in the file
    precision : ``fp16`` makes the half model of the checked float32 one
    on_step : called before each step

    Raises
    ------
    ModelError
        ONNX Runtime and PyTorch disagree, or nothing of the network may be half; nothing is written.
    """
    on_step("trace")
    model = export_graph(recipe, network)
    sizes = dict.fromkeys(f"{height}×{width}" for height, width in recipe.check_sizes)
    on_step(f"compare in ONNX Runtime at {' and '.join(sizes)}")
    differences = check(recipe, network, model)
    worst = max(differences.values())
    if worst > recipe.tolerance:
        raise ModelError(f"model {recipe.name}: ONNX Runtime is off by {worst:.1e}; at most {recipe.tolerance:.0e}")
    if precision == "fp16":
        on_step("halve")
        model = half_graph(recipe, model)
        if all(tensor.data_type != onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer):
            raise ModelError(f"model {recipe.name}: needs float32 everywhere; export it as fp32")
    on_step("write")
    onnx.helper.set_model_props(model, model_metadata(recipe, terms, precision))
    save_model(model, path, role=recipe.metadata["role"])
    return Written(path=path, differences=differences, nodes=len(model.graph.node))


def save_model(model: onnx.ModelProto, path: Path, *, role: str) -> None:
    """Write a model whole, and under its name only when the runtime can read it.

    Raises
    ------
    ModelError
        The runtime cannot: it is damaged, or its metadata do not keep to the contract.
    """
    unfinished = path.with_name(path.name + ".tmp")
    try:
        onnx.save(model, str(unfinished))
        Model.load(unfinished, role=role)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def export_graph(recipe: PublishedRecipe, network: nn.Module) -> onnx.ModelProto:
    """Return the tidied float32 graph of a network, without metadata."""
    folded = recipe.adapt(fold(copy.deepcopy(network))).eval()
    height, width = recipe.check_sizes[0]
    axes = {
        name: {axis: side for axis, side in enumerate(shape) if isinstance(side, str)}
        for name, shape in recipe.inputs.items()
    }
    with warnings.catch_warnings(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of the exporter's age, and of sizes that are the same at every call
        file = Path(folder) / "exported.onnx"
        torch.onnx.export(
            folded,
            tuple(recipe.example_inputs(height, width).values()),
            file,
            input_names=list(recipe.inputs),
            output_names=list(recipe.outputs),
            dynamic_axes={name: sides for name, sides in axes.items() if sides},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(file)
    tidy(model, {**recipe.inputs, **recipe.outputs})
    onnx.checker.check_model(model, full_check=True)
    return model


def half_graph(recipe: PublishedRecipe, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the half graph of a recipe's float32 one."""
    return halve(model, float_scopes=recipe.float_scopes, float_ops=recipe.float_ops, half_scopes=recipe.half_scopes)


def check(recipe: PublishedRecipe, network: nn.Module, model: onnx.ModelProto) -> dict[tuple[int, int], float]:
    """Return the largest difference between ONNX Runtime and PyTorch at each size of the recipe."""
    reference = recipe.adapt(network).eval()
    run = Runner(model)
    differences = {}
    for size in recipe.check_sizes:
        inputs = recipe.example_inputs(*size, seed=1)
        found = run(inputs)
        with torch.no_grad():
            wanted = reference(*inputs.values())
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        differences[size] = max(
            float(np.abs(a - b.numpy()).max() / max(1.0, float(b.abs().max())))
            for a, b in zip(found, wanted, strict=True)
        )
    return differences


class Runner:
    """A model in ONNX Runtime on the processor, for checks."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> list[npt.NDArray[np.float32]]:
        """Run; inputs by name."""
        found = self.session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return [np.asarray(value) for value in found]


def model_metadata(recipe: PublishedRecipe, terms: Terms, precision: Precision) -> dict[str, str]:
    """Return the ``farshore.`` metadata of a model; ``engine/models/README.md`` explains each key."""
    values = {
        "schema": "1",
        "name": recipe.name,
        "version": "1",
        "precision": precision,
        "value_range": "0,1",
        "size_multiple": str(recipe.size_multiple),
        "licence": terms.licence,
        "commercial_use": terms.commercial_use,
        "source": terms.source,
        **recipe.metadata,
    }
    return {f"farshore.{key}": value for key, value in values.items()}
