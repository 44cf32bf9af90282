"""The small networks by which a processor's speed is measured, and how long each takes.

Each holds one kind of operation at sizes that film has. Times are of the thread's own processor time, so that other
programs on the machine do not count; the median of a few runs is taken.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np

from engine.errors import MissingExtraError
from engine.onnx_write import Array, NodeText, write_onnx
from engine.planning.operations import Kind

RUNS = 7
SECONDS = 0.6
"""A probe is repeated up to so many times, and no longer than this."""

HEIGHT, WIDTH = 180, 320
"""Of the pictures inside networks: a quarter of 1280×720, more than a core's own cache holds."""

_CHAIN = 4
CHANNELS = (16, 32, 48, 64, 96)
UNEVEN = ((31, 32), (95, 32), (159, 64))
DEPTH = (16, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A network of one kind of operation.

    units : operations, or bytes read and written, of one run
    channels : as of `Operation`
    """

    kind: Kind
    data: bytes
    inputs: Mapping[str, tuple[int, ...]]
    units: float
    channels: float = 0.0
    is_int8: bool = False


def import_runtime() -> ModuleType:
    """Return the module onnxruntime."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error
    return onnxruntime


def seconds_of(probe: Probe, *, runs: int = RUNS) -> float:
    """Return the seconds of processor time that one run takes on one thread."""
    ort = import_runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = ort.InferenceSession(probe.data, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = {name: rng.random(shape, np.float32) for name, shape in probe.inputs.items()}
    session.run(None, feeds)
    times: list[float] = []
    while len(times) < runs and sum(times) < SECONDS:
        start = time.thread_time()
        session.run(None, feeds)
        times.append(time.thread_time() - start)
    return median(times)


def convolution(given: int, made: int, *, is_int8: bool = False, kind: Kind = Kind.CONV) -> Probe:
    """Return a chain of 3×3 convolutions, each followed by ReLU; uneven ones stand alone."""
    rng = np.random.default_rng(2)
    chain = 1 if given != made else 2 * _CHAIN if is_int8 else _CHAIN
    group = given if kind is Kind.DEPTHWISE else 1
    nodes: list[NodeText] = []
    constants: dict[str, Array] = {
        "scale": np.array(0.02, np.float32),
        "zero": np.array(0, np.uint8),
        "zero_weight": np.array(0, np.int8),
    }
    last = "x"
    for number in range(chain):
        weights = rng.normal(0, (9 * given) ** -0.5, (made, given // group, 3, 3)).astype(np.float32)
        names = (last, f"w{number}")
        if is_int8:
            constants[f"q{number}"] = np.clip(weights * 300, -127, 127).astype(np.int8)
            nodes += _quantized(last, number)
            names = (f"{last}_d", f"w{number}")
        else:
            constants[f"w{number}"] = weights
        nodes.append(_conv(names, f"c{number}", group))
        last = f"y{number}"
        nodes.append(NodeText(kind="Relu", inputs=[f"c{number}"], outputs=[last]))
    inputs = {"x": (1, given, HEIGHT, WIDTH)}
    return Probe(
        kind=kind,
        data=write_onnx(nodes, inputs, {last: 4}, constants),
        inputs=inputs,
        units=2.0 * 9 * (given // group) * made * HEIGHT * WIDTH * chain,
        channels=(given * made) ** 0.5,
        is_int8=is_int8,
    )


def _conv(inputs: Sequence[str], output: str, group: int) -> NodeText:
    return NodeText(kind="Conv", inputs=inputs, outputs=[output], attributes={"pads": (1, 1, 1, 1), "group": group})


def _quantized(name: str, number: int) -> list[NodeText]:
    """Return nodes that turn a tensor into 8 bits and back, and bring weights from 8 bits: ONNX Runtime fuses them."""
    return [
        NodeText(kind="QuantizeLinear", inputs=[name, "scale", "zero"], outputs=[f"{name}_q"]),
        NodeText(kind="DequantizeLinear", inputs=[f"{name}_q", "scale", "zero"], outputs=[f"{name}_d"]),
        NodeText(kind="DequantizeLinear", inputs=[f"q{number}", "scale", "zero_weight"], outputs=[f"w{number}"]),
    ]


def matrix_product() -> Probe:
    """Return the product of two matrices."""
    rows, inner, columns = 1024, 64, 1024
    nodes = [NodeText(kind="MatMul", inputs=["x", "z"], outputs=["y"])]
    inputs = {"x": (rows, inner), "z": (inner, columns)}
    units = 2.0 * rows * inner * columns
    return Probe(kind=Kind.MATMUL, data=write_onnx(nodes, inputs, {"y": 2}, {}), inputs=inputs, units=units)


def byte_probes() -> list[Probe]:
    """Return one probe for each kind that is counted by bytes, on 32 channels of a picture."""
    shape = (1, 32, HEIGHT, WIDTH)
    size = 4.0 * 32 * HEIGHT * WIDTH
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    pool: dict[str, tuple[int, ...]] = {"kernel_shape": (2, 2), "strides": (2, 2)}
    made = [
        _single(Kind.ALONE, "Mul", {"x": shape, "z": shape}, 3 * size),
        _single(Kind.MOVE, "Concat", {"x": shape, "z": shape}, 4 * size, axis=1),
        _single(Kind.TURN, "DepthToSpace", {"x": shape}, 2 * size, blocksize=2),
        _single(Kind.POOL, "AveragePool", {"x": shape}, 1.25 * size, **pool),
        _single(Kind.REDUCE, "ReduceMean", {"x": shape}, size, axes=(1,)),
        _single(Kind.EXP, "Softmax", {"x": shape}, 2 * size, axis=1),
        _single(Kind.SAMPLE, "GridSample", {"x": shape, "z": (1, HEIGHT, WIDTH, 2)}, size),
    ]
    nodes = [NodeText(kind="Resize", inputs=["x", "", "scales"], outputs=["y"], attributes={"mode": "linear"})]
    small = {"x": (1, 32, HEIGHT // 2, WIDTH // 2)}
    data = write_onnx(nodes, small, {"y": 4}, dict[str, Array](scales))
    made.append(Probe(kind=Kind.RESIZE, data=data, inputs=small, units=1.25 * size))
    return made


def _single(
    kind: Kind, name: str, inputs: Mapping[str, tuple[int, ...]], units: float, **attributes: int | tuple[int, ...]
) -> Probe:
    node = NodeText(kind=name, inputs=list(inputs), outputs=["y"], attributes=dict(attributes))
    return Probe(kind=kind, data=write_onnx([node], inputs, {"y": 4}, {}), inputs=inputs, units=units)
