"""What a GPU can do at best, measured in the same run as what it does: bandwidth and arithmetic."""

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from engine.backends.base import Backend, Profile
from engine.device.base import Device, DeviceArray, Stream
from engine.errors import FarshoreError
from engine.model import Model, ModelCard, TensorSpec
from engine.onnx_write import Array, NodeText, write_onnx

Precision = Literal["fp32", "fp16", "int8"]
"""Whose arithmetic is measured."""

COPY_BYTES = 256 << 20
"""Of the buffer that is copied: several times what caches hold."""

SIDE = 4096
"""Of the square matrices that are multiplied."""

PRODUCTS: Mapping[Precision, int] = {"fp32": 4, "fp16": 32, "int8": 32}
"""How many products one run holds. In half precision and in 8 bits so many that what is done around them takes a
hundredth of it."""

RUNS = 10

_STEP, _ZERO = "step", "zero"
_ONNX_FLOAT, _ONNX_FLOAT16 = 1, 10  # TensorProto.DataType in onnx.proto3


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What the device can do.

    bytes_per_second : read and written by a copy within its memory; None: it failed
    operations_per_second : of matrix products by precision, in whatever way the backend computes these (float32 in TF32
        where it does; 8 bits only as far as it computes Q/DQ around a product on integers)
    refused : ``copy`` or a precision → why it could not be measured
    """

    bytes_per_second: float | None
    operations_per_second: Mapping[str, float]
    refused: Mapping[str, str]

    def best_seconds(self, precision: str, operations: float, bytes_moved: float) -> float | None:
        """Return the time that operations, or bytes, take at best, whichever is longer; None: not measured."""
        rate = self.operations_per_second.get(precision)
        if rate is None or self.bytes_per_second is None:
            return None
        return max(operations / rate, bytes_moved / self.bytes_per_second)

    def why_not(self, precision: str) -> str | None:
        """Return why `best_seconds` knows nothing of a precision; None where it does."""
        for what in ("copy", precision):
            if what in self.refused:
                return f"{what}: {self.refused[what]}"
        if precision not in self.operations_per_second:
            return f"products are measured in {' and '.join(get_args(Precision))}; the model is {precision}"
        return None


def measure_roof(
    device: Device,
    backend: Backend,
    *,
    copy_bytes: int = COPY_BYTES,
    side: int = SIDE,
    products: Mapping[Precision, int] = PRODUCTS,
) -> Roof:
    """Copy and multiply; what fails is told in the result."""
    bytes_per_second: float | None = None
    rates: dict[str, float] = {}
    refused: dict[str, str] = {}
    try:
        bytes_per_second = copy_rate(device, copy_bytes)
    except FarshoreError as error:
        refused["copy"] = str(error)
    for precision in get_args(Precision):
        number = products[precision]
        try:
            seconds = _multiplying(device, backend, product_model(side, number, precision), side)
        except FarshoreError as error:
            refused[precision] = str(error)
        else:
            rates[precision] = 2.0 * side**3 * number / seconds
    return Roof(bytes_per_second=bytes_per_second, operations_per_second=rates, refused=refused)


def copy_rate(device: Device, copy_bytes: int = COPY_BYTES) -> float:
    """Return the bytes that a copy within the device's memory reads and writes in a second."""
    stream = device.stream()
    source, out = (device.empty((copy_bytes,), np.uint8) for _ in range(2))
    return 2 * copy_bytes / median_seconds(device, stream, lambda: device.copy(source, out, stream))


def median_seconds(device: Device, stream: Stream, work: Callable[[], None], runs: int = RUNS) -> float:
    """Return the median time of `work` by the device's own clock, after two runs that are not counted."""
    work()
    work()
    marks = [device.event(timed=True) for _ in range(runs + 1)]
    stream.record(marks[0])
    for mark in marks[1:]:
        work()
        stream.record(mark)
    stream.synchronize()
    return statistics.median(later.seconds_since(earlier) for earlier, later in zip(marks, marks[1:], strict=False))


def filled(device: Device, stream: Stream, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> DeviceArray:
    """Return device memory with these values."""
    array = device.empty(values.shape, values.dtype)
    device.upload(np.ascontiguousarray(values), array, stream)
    stream.synchronize()
    return array


def product_model(side: int, products: int, precision: Precision = "fp32") -> Model:
    """Return a model that multiplies square matrices, one product after the other.

    Its inputs and its output are float32; in half precision it casts to and from it, in 8 bits there is Q/DQ before
    every product, as TensorRT wants it.
    """
    nodes: list[NodeText] = []
    constants: dict[str, Array] = {}
    last, factor = "x", "z"
    if precision == "fp16":
        last, factor = "x_half", "z_half"
        nodes += [_cast("x", last, _ONNX_FLOAT16), _cast("z", factor, _ONNX_FLOAT16)]
    if precision == "int8":
        factor = "z_rounded"
        nodes += _rounded("z", factor)
        constants = {_STEP: np.array(1 / 127, np.float32), _ZERO: np.array(0, np.int8)}
    for number in range(products):
        if precision == "int8":
            nodes += _rounded(last, f"{last}_rounded")
            last = f"{last}_rounded"
        nodes.append(NodeText(kind="MatMul", inputs=[last, factor], outputs=[f"y{number}"]))
        last = f"y{number}"
    if precision == "fp16":
        nodes.append(_cast(last, "y", _ONNX_FLOAT))
        last = "y"
    shapes: dict[str, Sequence[int]] = {"x": (side, side), "z": (side, side)}
    data = write_onnx(nodes, shapes, {last: 2}, constants)
    square = TensorSpec(shape=(side, side), dtype="tensor(float)")
    name = f"matrix-products-{precision}"
    card = ModelCard(name=name, version="1", role="probe", precision=precision, color_space="gray")
    return Model(
        path=Path(f"{name}.onnx"),
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
        card=card,
        inputs={"x": square, "z": square},
        outputs={last: TensorSpec(shape=(None, None), dtype="tensor(float)")},
    )


def _cast(source: str, out: str, to: int) -> NodeText:
    return NodeText(kind="Cast", inputs=[source], outputs=[out], attributes={"to": to})


def _rounded(source: str, out: str) -> list[NodeText]:
    return [
        NodeText(kind="QuantizeLinear", inputs=[source, _STEP, _ZERO], outputs=[f"{out}_codes"]),
        NodeText(kind="DequantizeLinear", inputs=[f"{out}_codes", _STEP, _ZERO], outputs=[out]),
    ]


def _multiplying(device: Device, backend: Backend, model: Model, side: int) -> float:
    stream = device.stream()
    shapes = {"x": (side, side), "z": (side, side)}
    session = backend.open(model, Profile(shapes), 1)
    try:
        inputs = {name: filled(device, stream, np.zeros(shape, np.float32)) for name, shape in shapes.items()}
        outputs = {name: device.empty(shape, np.float32) for name, shape in session.output_shapes.items()}
        return median_seconds(device, stream, lambda: session.enqueue(inputs, outputs, stream))
    finally:
        session.close()
