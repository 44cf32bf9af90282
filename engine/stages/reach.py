"""How far around a pixel a network looks, and what memory it takes for each pixel: found by following its graph.

For each tensor the interval of input pixels that one of its pixels depends on is kept, as in Araujo, Norris and Sim,
"Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, but measured from where the pixel's own
centre lies in the picture: padding, strides, pooling, enlarging and folding into channels then all move two numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.onnx_graph import Constant, Graph, Node
from engine.stages.reach_ops import ALONE, FOLLOWED, Field, Unknown, merged

BYTES = 4
"""Of a number; ONNX Runtime computes half models in float32 on the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a network needs around and for each pixel of the picture that goes in.

    halo : pixels around a pixel that it depends on
    grid : a picture shifted by multiples of this comes out shifted; by less it may not
    bytes_per_pixel : of all tensors that are alive at the worst moment, for each pixel of the picture that goes in
    """

    halo: int
    grid: int
    bytes_per_pixel: int


def reach_of(graph: Graph, pictures: Mapping[str, tuple[int, int]], outputs: Sequence[str]) -> Reach | None:
    """Follow a graph from its pictures to its outputs.

    Parameters
    ----------
    graph : of the model
    pictures : input → (channels, pixels of the film from one of its own pixels to the next)
    outputs : tensors at which to end

    Returns
    -------
    None where the graph holds an operation over the whole picture, or one that is not known here
    """
    fields: dict[str, Field | None] = {
        name: Field(Fraction(step), Fraction(0), Fraction(0), channels) for name, (channels, step) in pictures.items()
    }
    constants = dict(graph.constants)
    sizes: set[str] = set()
    try:
        for node in graph.nodes:
            _follow(node, fields, constants, sizes)
    except Unknown:
        return None
    ends = [field for name in outputs if (field := fields.get(name)) is not None]
    if len(ends) < len(outputs) or any(field.fold for field in ends):
        return None
    known = {name: field for name, field in fields.items() if field is not None}
    steps = [field.step for field in known.values()]
    grid = math.lcm(*(step.numerator for step in steps))
    return Reach(
        halo=max(_halo(field) for field in ends),
        grid=grid,
        bytes_per_pixel=_bytes_per_pixel(graph, known, outputs),
    )


def _halo(field: Field) -> int:
    """Return how many pixels beside its own an output pixel sees; its centre may lie beside the film pixel's."""
    return math.floor(max(-field.low, field.high) + max((1 - field.step) / 2, Fraction(0)))


def _follow(node: Node, fields: dict[str, Field | None], constants: dict[str, Constant], sizes: set[str]) -> None:
    """Enter the fields of a node's outputs; None for a tensor that is no picture.

    `sizes` are the tensors that depend on a picture's size: places in the picture are made of these, and a tile's
    places are not the whole picture's.
    """
    pictures = [field for name in node.inputs if (field := fields.get(name)) is not None]
    is_size = not sizes.isdisjoint(node.inputs)
    if not pictures or node.kind in ("Shape", "Size"):
        if is_size or pictures:
            sizes.update(node.outputs)
        if node.kind in ("Cast", "DequantizeLinear", "Identity") and node.inputs[0] in constants:
            constants[node.outputs[0]] = constants[node.inputs[0]]
        fields.update(dict.fromkeys(node.outputs))
        return
    if is_size and node.kind not in ("Reshape", "Resize"):
        raise Unknown
    if node.kind in ALONE:
        made = merged(pictures)
    elif node.kind in FOLLOWED:
        made = FOLLOWED[node.kind](node, pictures, constants)
    else:
        raise Unknown
    fields[node.outputs[0]] = made
    fields.update(dict.fromkeys(node.outputs[1:]))


def _bytes_per_pixel(graph: Graph, fields: Mapping[str, Field], outputs: Sequence[str]) -> int:
    """Return the most that is alive at once, where each tensor lives until the last node that reads it."""
    sizes = {name: math.ceil(BYTES * field.channels / field.step**2) for name, field in fields.items()}
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    last.update(dict.fromkeys(outputs, len(graph.nodes)))
    made = {name for node in graph.nodes for name in node.outputs}
    alive = most = sum(size for name, size in sizes.items() if name not in made)
    for number, node in enumerate(graph.nodes):
        alive += sum(sizes.get(name, 0) for name in node.outputs)
        most = max(most, alive)
        alive -= sum(sizes.get(name, 0) for name in {*node.inputs, *node.outputs} if last.get(name, number) == number)
    return most
