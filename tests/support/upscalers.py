"""ONNX upscalers as outsiders make them: without a word about themselves, with tensor names of their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from tests.support.onnx_files import METADATA, save_model
from tests.support.tiny_models import constant


def stack_upscaler(
    path: Path,
    *,
    scale: int = 2,
    channels: int = 3,
    layers: int = 4,
    multiple: int = 1,
    size: tuple[int, int] | None = None,
    metadata: Mapping[str, str] | None = None,
    over_everything: bool = False,
) -> Path:
    """Write random 3×3 convolutions and a pixel shuffle, added to the picture with its pixels repeated.

    Parameters
    ----------
    layers : 3×3 convolutions, the last one included; the network looks so many pixels far, times `multiple`
    multiple : pixels are folded into channels by this at the start, so that sizes must be multiples of it
    size : height and width that the file fixes
    metadata : without prefix, beside what every model says; None for none at all
    over_everything : takes a hundredth of the whole picture's mean off
    """
    random = np.random.default_rng(3)
    constants = [constant("scales", [1, 1, scale, scale])]
    nodes: list[NodeProto] = []
    last, width = "in_0", channels
    if multiple > 1:
        nodes.append(_node("SpaceToDepth", [last], "folded", blocksize=multiple))
        last, width = "folded", channels * multiple**2
    for layer in range(layers):
        made = 6 if layer < layers - 1 else channels * (scale * multiple) ** 2
        spread = 0.7 / np.sqrt(9 * width)
        constants.append(constant(f"weights{layer}", random.normal(0, spread, (made, width, 3, 3))))
        nodes.append(_node("Conv", [last, f"weights{layer}"], f"conv{layer}", pads=[1, 1, 1, 1]))
        last, width = f"conv{layer}", made
        if layer < layers - 1:
            nodes.append(_node("LeakyRelu", [last], f"relu{layer}", alpha=0.2))
            last = f"relu{layer}"
    nodes.append(_node("DepthToSpace", [last], "detail", blocksize=scale * multiple, mode="CRD"))
    repeat = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes.append(_node("Resize", ["in_0", "", "scales"], "larger", **repeat))
    nodes.append(_node("Add", ["detail", "larger"], "sum" if over_everything else "out_0"))
    if over_everything:
        constants.append(constant("hundredth", 0.01))
        nodes.append(_node("ReduceMean", ["in_0"], "mean", axes=[1, 2, 3], keepdims=1))
        nodes.append(_node("Mul", ["mean", "hundredth"], "little"))
        nodes.append(_node("Sub", ["sum", "little"], "out_0"))
    sides: Sequence[int | str] = size or ("h", "w")
    out: Sequence[int | str] = [side * scale for side in size] if size else ("H", "W")
    names = _named(nodes, metadata)
    return save_model(
        path,
        nodes,
        {names["in_0"]: (1, channels, *sides)},
        {names["out_0"]: (1, channels, *out)},
        metadata,
        initializers=constants,
    )


def own_metadata(**values: object) -> dict[str, str]:
    """Return complete metadata of an `rgb` enhancer."""
    return {**METADATA, "color_space": "rgb", **{key: str(value) for key, value in values.items()}}


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), [output], **attributes)


def _named(nodes: Sequence[NodeProto], metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Give the picture tensors the contract's names where the model has metadata."""
    names = {"in_0": "in_0", "out_0": "out_0"} if metadata is None else {"in_0": "frames", "out_0": "frame"}
    for node in nodes:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(tensor, tensor) for tensor in tensors]
    return names
