"""The shape of every tensor of a graph for inputs of given shapes, found without running anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from engine.errors import UnsupportedModelError
from engine.onnx_graph import Graph, Node
from engine.planning.shape_rules import RULES, Shape
from engine.planning.values import Value, attribute, evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What is known of a graph's tensors.

    shapes : tensor → shape; "" is an input that is left out
    known : tensors whose numbers follow from sizes and weights alone (as 8-bit weights made into numbers), so that no
        work is left to do when the model runs
    """

    shapes: Mapping[str, Shape]
    known: frozenset[str]


class _Tracer:
    """Follows the nodes of one graph."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Shape]) -> None:
        self.shapes: dict[str, Shape] = {name: constant.shape for name, constant in graph.constants.items()}
        self.shapes.update(inputs)
        self.values: dict[str, Value] = {
            name: np.asarray(constant.values).reshape(constant.shape)
            for name, constant in graph.constants.items()
            if constant.values is not None and len(constant.values) == prod(constant.shape)
        }
        self.known = set(graph.constants)

    def follow(self, node: Node) -> None:
        """Enter the shapes, and where they are known the numbers, of a node's outputs."""
        self._find(node)
        given = [name for name in node.inputs if name]
        if node.outputs[0] in self.values or (given and self.known.issuperset(given)):
            self.known.update(node.outputs)

    def _find(self, node: Node) -> None:
        if node.kind in ("Shape", "Size"):
            shape = self.shapes[node.inputs[0]]
            end = attribute(node, "end", len(shape))
            cut = shape[attribute(node, "start", 0) : end]
            self._enter(node, np.asarray(cut if node.kind == "Shape" else prod(shape), np.int64))
            return
        inputs = [self.values.get(name) for name in node.inputs]
        made = evaluate(node, inputs)
        if made is not None:
            self._enter(node, made)
            return
        rule = RULES.get(node.kind)
        if rule is None:
            raise UnsupportedModelError(f"operation {node.kind}")
        shapes = rule(node, [self.shapes.get(name, ()) for name in node.inputs], inputs)
        for name, shape in zip(node.outputs, shapes, strict=False):
            self.shapes[name] = tuple(int(size) for size in shape)

    def _enter(self, node: Node, value: Value) -> None:
        self.values[node.outputs[0]] = value
        self.shapes[node.outputs[0]] = value.shape


def trace(graph: Graph, inputs: Mapping[str, Shape]) -> Traced:
    """Find the shape of every tensor.

    Parameters
    ----------
    graph : of the model
    inputs : input → shape, without unknown sizes

    Raises
    ------
    UnsupportedModelError
        An operation is not known here, or a size depends on the picture's content.
    """
    tracer = _Tracer(graph, inputs)
    for node in graph.nodes:
        try:
            tracer.follow(node)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{error}: its sizes cannot be told without running the model") from error
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise UnsupportedModelError(
                f"operation {node.kind} making {node.outputs[0]!r}: its sizes cannot be told without running the model"
            ) from error
    return Traced(shapes=tracer.shapes, known=frozenset(tracer.known))
