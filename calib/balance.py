"""Give joined tensors like ranges: what is small beside its neighbours in a concatenation is scaled up before it.

All tensors of a concatenation share one scale, so colour of 0.3 beside features of 6 would have a handful of steps
left. Such an input is multiplied by a power of two, and the weights of the convolutions that read it are divided by the
same: exact in floating point. This is the cross-layer equalisation of Nagel et al. (ICCV 2019, section 4.1) at the
places where these networks need it; as there, the factor is the geometric mean of what activations and weights could
each take, so that neither is starved. Inputs that 8-bit layers make are left alone: a multiplication would bring them
back to floating point.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import log2, sqrt

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

from calib.onnx_tools import Values, constants, consumers, drop_unread, float_values, set_nodes
from calib.ranges import BINS, Histogram

LEAST_GAIN = 1
"""Powers of two from which an input is scaled at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """A graph with scaled inputs.

    histograms : of its tensors
    sources : scaled tensor → the tensor that is scaled
    """

    model: onnx.ModelProto
    histograms: Mapping[str, Histogram]
    sources: Mapping[str, str]


def balance(
    model: onnx.ModelProto,
    histograms: Mapping[str, Histogram],
    channels: Mapping[str, int],
    from_integers: Collection[str],
) -> Balanced:
    """Scale the inputs of concatenations that only convolutions read.

    Parameters
    ----------
    model : prepared, float32; left as it is
    histograms : of its tensors; concatenations without one are left alone
    channels : of its tensors
    from_integers : tensors that 8-bit nodes make
    """
    made = onnx.ModelProto.FromString(model.SerializeToString())
    graph = made.graph
    read_by, weights = consumers(graph), constants(graph)
    found = dict(histograms)
    sources: dict[str, str] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "Concat" and _is_for_layers(node, read_by, weights, graph):
            known = all(name in histograms and name in channels for name in node.input)
            if known and node.output[0] in histograms:
                scalings = _scale(graph, node, read_by[node.output[0]], found, channels, from_integers)
                sources |= {scaling.output[0]: scaling.input[0] for scaling in scalings}
                nodes.extend(scalings)
        nodes.append(node)
    set_nodes(graph, nodes)
    drop_unread(graph)
    return Balanced(model=made, histograms=found, sources=sources)


def _is_for_layers(
    node: NodeProto,
    read_by: Mapping[str, list[NodeProto]],
    weights: Mapping[str, onnx.TensorProto],
    graph: GraphProto,
) -> bool:
    outputs = {value.name for value in graph.output}
    readers = read_by.get(node.output[0], [])
    return (
        bool(readers)
        and node.output[0] not in outputs
        and helper.get_node_attr_value(node, "axis") == 1
        and all(reader.op_type == "Conv" and reader.input[1] in weights for reader in readers)
    )


def _scale(
    graph: GraphProto,
    node: NodeProto,
    readers: list[NodeProto],
    histograms: dict[str, Histogram],
    channels: Mapping[str, int],
    from_integers: Collection[str],
) -> list[NodeProto]:
    """Scale inputs of one concatenation and the weights behind it; return the multiplications."""
    weights = constants(graph)
    arrays = {reader.name: float_values(weights[reader.input[1]]).copy() for reader in readers}
    starts = np.cumsum([0, *(channels[name] for name in node.input)])
    if any(array.shape[1] != starts[-1] for array in arrays.values()):
        return []  # grouped convolutions see other channels
    reach = [_largest(histograms[name]) for name in node.input]
    parts = [slice(int(start), int(end)) for start, end in zip(starts, starts[1:], strict=False)]
    share = [max(_share(array, part) for array in arrays.values()) for part in parts]
    made: list[NodeProto] = []
    before = list(node.input)
    joined: list[Histogram] = []
    for index, (name, part) in enumerate(zip(before, parts, strict=True)):
        power = _power(max(reach) / max(reach[index], 1e-12), share[index])
        if power >= LEAST_GAIN and name not in from_integers:
            for array in arrays.values():
                array[:, part] /= np.float32(2.0**power)
            scaled = f"{name}/times{2**power}"
            if scaled not in histograms:  # else another concatenation reads it scaled, too
                factor = f"{scaled}/factor"
                graph.initializer.append(numpy_helper.from_array(np.asarray(2.0**power, np.float32), factor))
                made.append(helper.make_node("Mul", [name, factor], [scaled], name=scaled))
                histograms[scaled] = _times(histograms[name], power)
            node.input[index] = scaled
        joined.append(histograms[node.input[index]])
    if list(node.input) != before:
        histograms[node.output[0]] = _sum(joined)
        for reader in readers:
            name = f"{reader.name}/weight_balanced"
            graph.initializer.append(numpy_helper.from_array(arrays[reader.name], name))
            reader.input[1] = name
    return made


def _largest(histogram: Histogram) -> float:
    return max(-histogram.low, histogram.high, 0.0)


def _share(weight: Values, part: slice) -> float:
    """Return the largest weight of a part beside the largest of all, over the output channel that needs most."""
    axes = tuple(range(1, weight.ndim))
    whole = np.abs(weight).max(axis=axes)
    own = np.abs(weight[:, part]).max(axis=axes)
    return float(np.median(own / np.maximum(whole, 1e-12)))


def _power(gain: float, share: float) -> int:
    """Return the power of two nearest to the geometric mean of what activations and weights could take."""
    if share <= 0:
        return 0
    return min(max(0, round(log2(max(sqrt(gain * share), 1e-6)))), int(log2(max(gain, 1.0))))


def _times(histogram: Histogram, power: int) -> Histogram:
    factor = 2.0**power
    return Histogram(
        reach=histogram.reach * factor,
        counts=histogram.counts.copy(),
        low=histogram.low * factor,
        high=histogram.high * factor,
    )


def _sum(histograms: list[Histogram]) -> Histogram:
    """Return the histogram of tensors together."""
    made = Histogram(counts=np.zeros(BINS))
    for histogram in histograms:
        other = _times(histogram, 0)
        while made.reach < other.reach:
            made.double()
        while other.reach < made.reach:
            other.double()
        made.counts += other.counts
        made.low, made.high = min(made.low, other.low), max(made.high, other.high)
    return made
