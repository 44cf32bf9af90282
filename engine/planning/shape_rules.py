"""What shape each operation gives its results, from the shapes and known numbers of what it takes."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, prod

import numpy as np

from engine.onnx_graph import Node
from engine.planning.values import Value, attribute, axes_of, slices
from engine.stages.reach_ops import ALONE

Shape = tuple[int, ...]

Inputs = Sequence[Shape]

Values = Sequence[Value | None]

Rule = Callable[[Node, Inputs, Values], Sequence[Sequence[int]]]


def _known(values: Values, place: int) -> Value:
    value = values[place] if place < len(values) else None
    if value is None:
        raise ValueError("not known")
    return value


def _ints(node: Node, name: str, otherwise: Shape) -> Shape:
    value = node.attributes.get(name)
    return value if isinstance(value, tuple) and value else otherwise


def _alone(node: Node, shapes: Inputs, values: Values) -> Sequence[Shape]:
    return [np.broadcast_shapes(*shapes)]


def _same(node: Node, shapes: Inputs, values: Values) -> Sequence[Shape]:
    return [shapes[0]] * len(node.outputs)


def _slid(node: Node, shape: Shape, kernel: Shape) -> list[int]:
    rank = len(kernel)
    strides, dilations = _ints(node, "strides", (1,) * rank), _ints(node, "dilations", (1,) * rank)
    pads, mode = _ints(node, "pads", (0,) * 2 * rank), node.attributes.get("auto_pad", "NOTSET")
    rounded = ceil if attribute(node, "ceil_mode", 0) else floor
    sizes: list[int] = []
    for axis, size in enumerate(shape[2:]):
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            sizes.append(-(-size // strides[axis]))
            continue
        room = size + pads[axis] + pads[axis + rank] - dilations[axis] * (kernel[axis] - 1) - 1
        sizes.append(rounded(room / strides[axis]) + 1)
    return sizes


def _convolved(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    return [[shapes[0][0], shapes[1][0], *_slid(node, shapes[0], shapes[1][2:])]]


def _pooled(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    made = [*shapes[0][:2], *_slid(node, shapes[0], _ints(node, "kernel_shape", (1, 1)))]
    return [made] * len(node.outputs)


def _pooled_whole(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    return [[*shapes[0][:2], *(1 for _ in shapes[0][2:])]]


def _spread(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    kernel, rank = shapes[1][2:], len(shapes[1]) - 2
    strides, dilations = _ints(node, "strides", (1,) * rank), _ints(node, "dilations", (1,) * rank)
    pads, more = _ints(node, "pads", (0,) * 2 * rank), _ints(node, "output_padding", (0,) * rank)
    sizes = [
        strides[axis] * (size - 1)
        + more[axis]
        + (kernel[axis] - 1) * dilations[axis]
        + 1
        - pads[axis]
        - pads[axis + rank]
        for axis, size in enumerate(shapes[0][2:])
    ]
    return [[shapes[0][0], shapes[1][1] * attribute(node, "group", 1), *sizes]]


def _joined(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axis = attribute(node, "axis", 0) % len(shapes[0])
    made = list(shapes[0])
    made[axis] = sum(shape[axis] for shape in shapes)
    return [made]


def _split(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axis, count = attribute(node, "axis", 0) % len(shapes[0]), len(node.outputs)
    if len(values) > 1 and values[1] is not None:
        parts = [int(part) for part in values[1].ravel()]
    else:
        parts = list(_ints(node, "split", (-(-shapes[0][axis] // count),) * count))
    return [[*shapes[0][:axis], part, *shapes[0][axis + 1 :]] for part in parts]


def _cut(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    numbers = [_known(values, place) for place in range(1, len(node.inputs)) if node.inputs[place]]
    cuts = slices(node, len(shapes[0]), numbers)
    return [[len(range(*cut.indices(size))) for cut, size in zip(cuts, shapes[0], strict=True)]]


def _reshaped(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    wanted = [int(size) for size in _known(values, 1).ravel()]
    sizes = [shapes[0][axis] if size == 0 else size for axis, size in enumerate(wanted)]
    if -1 in sizes:
        sizes[sizes.index(-1)] = prod(shapes[0]) // -prod(sizes)
    return [sizes]


def _flattened(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axis = attribute(node, "axis", 1)
    return [[prod(shapes[0][:axis]), prod(shapes[0][axis:])]]


def _transposed(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    order = _ints(node, "perm", tuple(reversed(range(len(shapes[0])))))
    return [[shapes[0][axis] for axis in order]]


def _squeezed(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axes = axes_of(node, values)
    gone = {axis for axis, size in enumerate(shapes[0]) if size == 1} if axes is None else set[int]()
    gone.update(axis % len(shapes[0]) for axis in axes or ())
    return [[size for axis, size in enumerate(shapes[0]) if axis not in gone]]


def _unsqueezed(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axes = axes_of(node, values) or (0,)
    rank = len(shapes[0]) + len(axes)
    new, old = {axis % rank for axis in axes}, iter(shapes[0])
    return [[1 if axis in new else next(old) for axis in range(rank)]]


def _expanded(node: Node, shapes: Inputs, values: Values) -> Sequence[Shape]:
    return [np.broadcast_shapes(shapes[0], tuple(int(size) for size in _known(values, 1).ravel()))]


def _tiled(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    return [[size * int(times) for size, times in zip(shapes[0], _known(values, 1).ravel(), strict=True)]]


def _gathered(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    axis = attribute(node, "axis", 0) % len(shapes[0])
    return [[*shapes[0][:axis], *shapes[1], *shapes[0][axis + 1 :]]]


def _picked(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    return [shapes[1]]


def _resized(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    if len(values) > 3 and node.inputs[3]:
        sizes = _known(values, 3).ravel()
        axes = _ints(node, "axes", tuple(range(len(shapes[0]))))
        made = list(shapes[0])
        for axis, size in zip(axes, sizes, strict=True):
            made[axis] = int(size)
        return [made]
    scales = _known(values, 2 if len(values) > 2 else 1).ravel()
    return [[floor(size * float(scale) + 1e-6) for size, scale in zip(shapes[0], scales, strict=True)]]


def _padded(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    rank = len(shapes[0])
    pads = [int(pad) for pad in _known(values, 1).ravel()] if len(values) > 1 else [*_ints(node, "pads", ())]
    return [[size + pads[axis] + pads[axis + rank] for axis, size in enumerate(shapes[0])]]


def _to_space(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    block, (batch, channels, height, width) = attribute(node, "blocksize", 1), shapes[0]
    return [[batch, channels // block**2, height * block, width * block]]


def _to_depth(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    block, (batch, channels, height, width) = attribute(node, "blocksize", 1), shapes[0]
    return [[batch, channels * block**2, height // block, width // block]]


def _multiplied(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    first, second = shapes[0], shapes[1]
    if len(first) < 2 or len(second) < 2:
        raise ValueError("vectors")
    return [[*np.broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1]]]


def _gemm(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    first = shapes[0][::-1] if attribute(node, "transA", 0) else shapes[0]
    second = shapes[1][::-1] if attribute(node, "transB", 0) else shapes[1]
    return [[first[0], second[1]]]


def _einsum(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    given, _, made = str(node.attributes["equation"]).replace(" ", "").partition("->")
    sizes = {
        letter: size
        for term, shape in zip(given.split(","), shapes, strict=True)
        for letter, size in zip(term, shape, strict=True)
    }
    return [[sizes[letter] for letter in made]]


def _reduced(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    found = node.attributes.get("axis")
    axes = (found,) if isinstance(found, int) else axes_of(node, values)
    gone = {axis % len(shapes[0]) for axis in axes} if axes else set(range(len(shapes[0])))
    keeps = attribute(node, "keepdims", 1)
    return [[1 if axis in gone else size for axis, size in enumerate(shapes[0]) if keeps or axis not in gone]]


def _sampled(node: Node, shapes: Inputs, values: Values) -> Sequence[Sequence[int]]:
    return [[*shapes[0][:2], *shapes[1][1:-1]]]


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ALONE, _alone),
    **dict.fromkeys(("And", "Or", "Not", "Xor", "GreaterOrEqual", "LessOrEqual", "IsNaN", "Pow"), _alone),
    **dict.fromkeys(("BatchNormalization", "DequantizeLinear", "Dropout", "QuantizeLinear", "PRelu"), _same),
    **dict.fromkeys(("CumSum", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN"), _same),
    **dict.fromkeys(("LogSoftmax", "LpNormalization", "ScatterElements", "ScatterND", "Softmax", "Trilu"), _same),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"), _reduced),
    **dict.fromkeys(("ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin"), _reduced),
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pooled),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _pooled_whole),
    "Concat": _joined,
    "Conv": _convolved,
    "ConvTranspose": _spread,
    "DepthToSpace": _to_space,
    "Einsum": _einsum,
    "Expand": _expanded,
    "Flatten": _flattened,
    "Gather": _gathered,
    "GatherElements": _picked,
    "Gemm": _gemm,
    "GridSample": _sampled,
    "MatMul": _multiplied,
    "Pad": _padded,
    "Reshape": _reshaped,
    "Resize": _resized,
    "Slice": _cut,
    "SpaceToDepth": _to_depth,
    "Split": _split,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
    "Upsample": _resized,
}
