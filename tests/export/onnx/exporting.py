"""Small networks exported, for tests of what happens to the graph afterwards."""

import io
import warnings

import onnx
import torch
from torch import nn


def exported(network: nn.Module, *inputs: torch.Tensor) -> onnx.ModelProto:
    """Export a network of one picture `x` (1, 3, height, width), or of the inputs given, to one output `y`."""
    inputs = inputs or (torch.rand(1, 3, 8, 8),)
    names = ["x", "z"][: len(inputs)]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            inputs,
            buffer,
            input_names=names,
            output_names=["y"],
            dynamic_axes={name: {2: "height", 3: "width"} for name in names},
            opset_version=18,
            dynamo=False,
        )
    return onnx.load_model_from_string(buffer.getvalue())
