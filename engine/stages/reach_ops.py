"""What each operation of a graph does to the pixels that its result depends on; `reach.py` follows the whole graph."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from engine.onnx_graph import Constant, Node


@dataclass(frozen=True, slots=True)
class Field:
    """What a tensor's pixels depend on.

    step : pixels of the picture from one pixel of the tensor to the next
    low, high : first and last pixel of the picture that one depends on, counted from where its centre lies
    channels : of the tensor
    fold : 1 folding, -1 unfolding of pixels into channels is under way (reshape, transpose, reshape), 0 not
    """

    step: Fraction
    low: Fraction
    high: Fraction
    channels: int
    fold: int = 0

    def widened(self, low: Fraction | int, high: Fraction | int, *, step: Fraction | int = 1) -> "Field":
        """Return the field of an operation that looks from `low` to `high`, in this tensor's pixels."""
        return replace(
            self, step=self.step * step, low=self.low + self.step * low, high=self.high + self.step * high, fold=0
        )


class Unknown(Exception):  # noqa: N818 - a finding, not an error; `reach_of` catches it
    """The graph cannot be followed through this node."""


# fmt: off
ALONE = frozenset((
    "Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Clip", "Cos", "DequantizeLinear", "Div", "Dropout", "Elu",
    "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less",
    "Log", "Max", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "PRelu", "Pow", "QuantizeLinear", "Reciprocal", "Relu",
    "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh",
    "ThresholdedRelu", "Where",
))
# fmt: on
"""Operations on each pixel alone."""

_FOLDING: Mapping[tuple[int, ...], int] = {(0, 1, 3, 5, 2, 4): 1, (0, 1, 4, 2, 5, 3): -1, (0, 3, 4, 1, 5, 2): -1}
"""Transpositions between two reshapes that fold pixels into channels (1) or unfold them (-1)."""


def merged(pictures: list[Field]) -> Field:
    """Return the field of what is made of several pictures pixel by pixel."""
    first = pictures[0]
    if any(field.fold or field.step != first.step for field in pictures):
        raise Unknown
    return Field(
        first.step,
        min(field.low for field in pictures),
        max(field.high for field in pictures),
        max(field.channels for field in pictures),
    )


def _convolved(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    weights = constants.get(node.inputs[1])
    if weights is None or len(weights.shape) != 4:
        raise Unknown
    field = _unfolded(pictures[0], weights.shape[1] * _integer(node, "group", 1))
    return replace(_slid(node, field, weights.shape[2:]), channels=weights.shape[0])


def _pooled(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    return _slid(node, _settled(pictures[0]), _integers(node, "kernel_shape", (1, 1)))


def _slid(node: Node, field: Field, kernel: tuple[int, ...]) -> Field:
    """Return the field behind a window that slides: output o looks at o·stride − pad + k·dilation of the input."""
    strides, dilations = _integers(node, "strides", (1, 1)), _integers(node, "dilations", (1, 1))
    if strides[0] != strides[1]:
        raise Unknown
    lows, highs = list[Fraction](), list[Fraction]()
    for axis, size in enumerate(kernel):
        length = (size - 1) * dilations[axis]
        before = _padding(node, length, axis)
        lows.append(-before - Fraction(strides[0] - 1, 2))
        highs.append(lows[-1] + length)
    return field.widened(min(lows), max(highs), step=strides[0])


def _padding(node: Node, length: int, axis: int) -> int:
    mode = node.attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        return _integers(node, "pads", (0, 0, 0, 0))[axis] if mode == "NOTSET" else 0
    return length // 2 if mode == "SAME_UPPER" else length - length // 2


def _spread(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    """Return the field behind a transposed convolution: output o looks at (o + pad − k·dilation) ÷ stride."""
    weights = constants.get(node.inputs[1])
    strides, dilations = _integers(node, "strides", (1, 1)), _integers(node, "dilations", (1, 1))
    if weights is None or len(weights.shape) != 4 or strides[0] != strides[1] or "output_shape" in node.attributes:
        raise Unknown
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise Unknown
    field, stride = _unfolded(pictures[0], weights.shape[0]), strides[0]
    pads = _integers(node, "pads", (0, 0, 0, 0))
    ends = [
        Fraction(2 * pads[axis] - 1 - 2 * length, 2 * stride) + Fraction(1, 2)
        for axis, size in enumerate(weights.shape[2:])
        for length in (0, (size - 1) * dilations[axis])
    ]
    made = field.widened(min(ends), max(ends), step=Fraction(1, stride))
    return replace(made, channels=weights.shape[1] * _integer(node, "group", 1))


def _resized(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    scales = constants.get([*node.inputs][min(2, len(node.inputs) - 1)])
    where = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if scales is None or scales.values is None or len(scales.values) != 4 or where == "align_corners":
        raise Unknown
    scale = Fraction(scales.values[2]).limit_denominator(64)
    if scales.values[3] != scales.values[2] or where == "tf_crop_and_resize":
        raise Unknown
    taps = {"nearest": Fraction(1, 2), "linear": Fraction(1), "cubic": Fraction(2)}[
        str(node.attributes.get("mode", "nearest"))
    ]
    if _integer(node, "antialias", 0) and scale < 1:
        taps /= scale
    if where == "asymmetric" and (taps > Fraction(1, 2) or node.attributes.get("nearest_mode") != "floor"):
        taps += abs(1 - 1 / scale) / 2  # output o looks at o ÷ scale, not at where its centre lies
    return _settled(pictures[0]).widened(-taps, taps, step=1 / scale)


def _to_space(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    return _unfold(_settled(pictures[0]), _integer(node, "blocksize", 1))


def _to_depth(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    return _fold(_settled(pictures[0]), _integer(node, "blocksize", 1))


def _fold(field: Field, block: int) -> Field:
    side = Fraction(block - 1, 2)
    return replace(field.widened(-side, side, step=block), channels=field.channels * block**2)


def _unfold(field: Field, block: int) -> Field:
    side = Fraction(block - 1, 2 * block)
    return replace(field.widened(-side, side, step=Fraction(1, block)), channels=field.channels // block**2)


def _reshaped(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    """Pass a reshape on; only between two of them, around a transposition, does it mean anything here."""
    return pictures[0]


def _transposed(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    fold = _FOLDING.get(_integers(node, "perm", ()))
    if fold is None or pictures[0].fold:
        raise Unknown
    return replace(pictures[0], fold=fold)


def _unfolded(field: Field, channels: int) -> Field:
    """Return the field once a folding by reshape and transpose is over; the channels behind it tell by how much."""
    if not field.fold:
        return _settled(field)
    ratio = Fraction(channels, field.channels) if field.fold > 0 else Fraction(field.channels, channels)
    block = math.isqrt(ratio.numerator)
    if ratio.denominator != 1 or block**2 != ratio.numerator:
        raise Unknown
    return _fold(field, block) if field.fold > 0 else _unfold(field, block)


def _settled(field: Field) -> Field:
    if field.fold:
        raise Unknown
    return field


def _joined(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    if _integer(node, "axis", 1) not in (1, -3):
        raise Unknown
    return replace(merged(pictures), channels=sum(field.channels for field in pictures))


def _padded(node: Node, pictures: list[Field], constants: dict[str, Constant]) -> Field:
    """Return the field behind a padding: pixel o is pixel o − pad, or within the picture beside it a reflected one."""
    pads = constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if pads is None or pads.values is None or len(pads.values) != 8 or any(pads.values[axis] for axis in (0, 1, 4, 5)):
        raise Unknown
    if min(pads.values) < 0:
        raise Unknown
    return _settled(pictures[0]).widened(-int(max(pads.values[2:4])), -int(min(pads.values[2:4])))


FOLLOWED: Mapping[str, Callable[[Node, list[Field], dict[str, Constant]], Field]] = {
    "AveragePool": _pooled,
    "Concat": _joined,
    "Conv": _convolved,
    "ConvTranspose": _spread,
    "DepthToSpace": _to_space,
    "MaxPool": _pooled,
    "Pad": _padded,
    "Reshape": _reshaped,
    "Resize": _resized,
    "SpaceToDepth": _to_depth,
    "Squeeze": _reshaped,
    "Transpose": _transposed,
    "Unsqueeze": _reshaped,
    "Upsample": _resized,
}


def _integer(node: Node, name: str, otherwise: int) -> int:
    value = node.attributes.get(name, otherwise)
    return value if isinstance(value, int) else otherwise


def _integers(node: Node, name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    value = node.attributes.get(name, otherwise)
    return value if isinstance(value, tuple) else otherwise
