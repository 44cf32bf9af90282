"""Tiny ONNX files that tests make."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

Shape = Sequence[int | str]

METADATA = {
    "schema": "1",
    "name": "tiny",
    "version": "1",
    "role": "enhance",
    "precision": "fp32",
    "color_space": "gray",
    "licence": "CC0-1.0",
    "commercial_use": "yes",
    "source": "made by a test",
}
"""Metadata of a model that is complete."""


def save_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    metadata: Mapping[str, str] | None,
    *,
    initializers: Sequence[onnx.TensorProto] = (),
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """Write an ONNX file; `metadata` keys get their prefix here, None writes none at all."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in outputs.items()],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    if metadata is not None:
        helper.set_model_props(model, {f"farshore.{key}": value for key, value in metadata.items()})
    onnx.save(model, path)
    return path


def save_halver(path: Path, metadata: Mapping[str, str] | None = METADATA, *, dtype: int = TensorProto.FLOAT) -> Path:
    """Write a grey enhancer that halves brightness: luma_out = luma / 2."""
    half = helper.make_tensor("half", dtype, [], [0.5])
    node = helper.make_node("Mul", ["luma", "half"], ["luma_out"])
    shape: Shape = (1, 1, "H", "W")
    return save_model(path, [node], {"luma": shape}, {"luma_out": shape}, metadata, initializers=[half], dtype=dtype)
