"""Bias correction: rounding weights shifts what a layer gives in the mean; the bias takes the shift back.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019), section 4.2,
measured on recorded pictures (the paper's appendix D) rather than derived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from calib.collect import channel_means
from calib.onnx_tools import Values, constants, float_values

ROUNDS = 2
"""A layer's shift holds that of the layers before it; the second round sees those corrected."""


def corrected_biases(
    model: onnx.ModelProto,
    layers: Sequence[str],
    quantize: Callable[[Mapping[str, Values]], onnx.ModelProto],
    pictures: Sequence[Path],
    *,
    threads: int,
) -> dict[str, Values]:
    """Return the biases with which each layer's channels have the float32 model's means.

    Parameters
    ----------
    model : prepared, float32
    layers : that run in 8 bits
    quantize : makes the quantized model with given biases
    """
    nodes = {node.name: node for node in model.graph.node if node.name in set(layers)}
    weights = constants(model.graph)
    biases = {name: _bias(node, weights) for name, node in nodes.items()}
    made = {name: node.output[0] for name, node in nodes.items()}
    wanted = channel_means(model, list(made.values()), pictures, threads=threads)
    for _ in range(ROUNDS):
        found = channel_means(quantize(biases), list(made.values()), pictures, threads=threads)
        biases = {name: biases[name] + wanted[made[name]] - found[made[name]] for name in nodes}
    return biases


def _bias(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> Values:
    if len(node.input) > 2 and node.input[2]:
        return float_values(weights[node.input[2]])
    return np.zeros(weights[node.input[1]].dims[0], np.float32)
