"""How much there is to do in one run of a model: operations and bytes, node by node, from its graph.

A convolution of c inputs, n outputs and a kernel of k pixels counts 2·c·n·k operations for each pixel that it makes;
everything else is counted by the bytes that it reads and writes, since it is memory that it waits for. That is the
roofline of Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model", CACM 52(4), 2009.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, prod, sqrt

from engine.onnx_graph import Graph, Node
from engine.planning.shape_rules import Shape
from engine.planning.shapes import Traced

BLOCK = 16
"""Channels that processors and tensor cores compute together; a convolution to fewer takes as long as one to all."""

FLOAT_BYTES = 4


class Kind(StrEnum):
    """What costs alike."""

    CONV = "convolution"
    UNEVEN = "convolution of uneven channels"
    DEPTHWISE = "depthwise convolution"
    MATMUL = "matrix product"
    ALONE = "pixel by pixel"
    MOVE = "concatenation and cutting"
    TURN = "transposition"
    SAMPLE = "sampling along motion"
    RESIZE = "resizing"
    POOL = "pooling"
    REDUCE = "reduction"
    EXP = "exponentials"


ARITHMETIC = frozenset((Kind.CONV, Kind.UNEVEN, Kind.DEPTHWISE, Kind.MATMUL))
"""Kinds that are counted by their operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One node's work.

    operations : additions and multiplications that the network is made of; 0 where bytes are counted
    computed : those that are carried out, with outputs in whole blocks
    bytes : read and written
    channels : geometric mean of a convolution's inputs and outputs
    is_int8 : computed on 8-bit numbers
    """

    kind: Kind
    operations: int = 0
    computed: int = 0
    bytes: int = 0
    channels: float = 0.0
    is_int8: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One run of a model.

    operations : all of its work that there is to do when it runs
    peak_bytes : of tensors alive at the worst moment
    weight_bytes : of its constants, as the file holds them
    """

    operations: tuple[Operation, ...]
    peak_bytes: int
    weight_bytes: int

    @property
    def total_operations(self) -> int:
        """Additions and multiplications."""
        return sum(operation.operations for operation in self.operations)

    @property
    def total_bytes(self) -> int:
        """Bytes read and written, were nothing kept in a cache."""
        return sum(operation.bytes for operation in self.operations)


_FREE = frozenset(("Dropout", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze"))
_ACTIVATIONS = frozenset(("Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh"))
_QUANTIZING = frozenset(("DequantizeLinear", "QuantizeLinear"))
_BLOCKWISE = frozenset(("Add", "AveragePool", "Clip", "MaxPool", "Mul", "Relu", "Sigmoid", "Sum", "Tanh"))
"""Operations that leave a picture in the blocks of channels in which convolutions want it."""

# fmt: off
_KIND_NAMES: Mapping[Kind, tuple[str, ...]] = {
    Kind.MOVE: ("Concat", "Expand", "Gather", "GatherElements", "Pad", "ScatterND", "Slice", "Split", "Tile"),
    Kind.TURN: ("DepthToSpace", "SpaceToDepth", "Transpose"),
    Kind.RESIZE: ("Resize", "Upsample"),
    Kind.POOL: ("AveragePool", "MaxPool", "LpPool"),
    Kind.SAMPLE: ("GridSample",),
    Kind.EXP: (
        "Cos", "Elu", "Erf", "Exp", "Gelu", "Log", "LogSoftmax", "Mish", "Pow", "Selu", "Sigmoid", "Sin", "Softmax",
        "Softplus", "Tanh",
    ),
    Kind.REDUCE: (
        "ArgMax", "ArgMin", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "InstanceNormalization",
        "LayerNormalization",
    ),
}
# fmt: on
_KINDS = {name: kind for kind, names in _KIND_NAMES.items() for name in names}


def workload(graph: Graph, traced: Traced, outputs: frozenset[str], weight_bytes: int) -> Workload:
    """Count what there is to do.

    Parameters
    ----------
    graph, traced : of the model, for the sizes at which it is to run
    outputs : names of the model's outputs
    weight_bytes : of its file
    """
    counter = _Counter(graph, traced)
    found = [operation for node in graph.nodes if not counter.is_known(node) for operation in counter.count(node)]
    return Workload(
        operations=tuple(found), peak_bytes=_peak(graph, traced, counter, outputs), weight_bytes=weight_bytes
    )


class _Counter:
    """Knows who makes and who reads each tensor of a graph."""

    def __init__(self, graph: Graph, traced: Traced) -> None:
        self._traced = traced
        self._makers = {name: node for node in graph.nodes for name in node.outputs}
        self._readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)
        self._blocked: set[str] = set()

    def is_known(self, node: Node) -> bool:
        """Whether a node's results follow from sizes alone: worked out when the model is loaded, or cheap."""
        return all(name in self._traced.known for name in node.outputs)

    def shape(self, name: str) -> Shape:
        """Return a tensor's shape."""
        return self._traced.shapes.get(name, ())

    def size(self, name: str) -> int:
        """Return a tensor's bytes; one byte a number where it is made to be quantized, or was."""
        readers, maker = self._readers.get(name, []), self._makers.get(name)
        is_small = (readers and all(node.kind == "QuantizeLinear" for node in readers)) or (
            maker is not None and maker.kind in _QUANTIZING and maker.inputs[0] not in self._traced.known
        )
        return prod(self.shape(name)) * (1 if is_small else FLOAT_BYTES)

    def count(self, node: Node) -> list[Operation]:
        """Return a node's work, and that of bringing its picture into blocks of channels or back."""
        if node.kind in _FREE or self._is_fused(node):
            self._pass_on(node)
            return []
        if node.kind == "Conv":
            return self._convolution(node)
        if node.kind in ("ConvTranspose", "Gemm", "MatMul", "Einsum"):
            return [self._product(node)]
        self._pass_on(node)
        return [self._moved(node), *self._back_from_blocks(node)]

    def _is_fused(self, node: Node) -> bool:
        """Whether a node is done on the way of the one before it."""
        maker = self._makers.get(node.inputs[0]) if node.inputs else None
        if node.kind == "QuantizeLinear":
            return maker is not None and maker.kind not in _QUANTIZING
        if node.kind == "DequantizeLinear":
            return all(reader.kind != "GridSample" for name in node.outputs for reader in self._readers.get(name, []))
        is_alone = len(self._readers.get(node.inputs[0], [])) == 1 if node.inputs else False
        return node.kind in _ACTIVATIONS and is_alone and maker is not None and maker.kind in ("Conv", "Gemm", "MatMul")

    def _pass_on(self, node: Node) -> None:
        """Note whether a node leaves blocks of channels as they are."""
        if node.kind in _BLOCKWISE | _QUANTIZING and any(name in self._blocked for name in node.inputs):
            self._blocked.update(node.outputs)

    def _is_int8(self, node: Node) -> bool:
        makers = [self._makers.get(name) for name in node.inputs[:2]]
        return all(maker is not None and maker.kind == "DequantizeLinear" for maker in makers)

    def _convolution(self, node: Node) -> list[Operation]:
        made, weights = self.shape(node.outputs[0]), self.shape(node.inputs[1])
        group = node.attributes.get("group", 1)
        channels = weights[1] * (group if isinstance(group, int) else 1)
        whole = ceil(made[1] / BLOCK) * BLOCK
        operations = 2 * prod(made) * prod(weights[1:])
        is_int8 = self._is_int8(node)
        if weights[1] == 1 and channels > 1:
            kind, computed = Kind.DEPTHWISE, operations
        else:
            is_uneven = channels > BLOCK and channels % BLOCK != 0 and not is_int8
            kind, computed = Kind.UNEVEN if is_uneven else Kind.CONV, operations * whole // made[1]
        work = Operation(
            kind=kind,
            operations=operations,
            computed=computed,
            bytes=self.size(node.inputs[0]) + self.size(node.outputs[0]),
            channels=sqrt(channels * made[1]),
            is_int8=is_int8,
        )
        if kind is Kind.UNEVEN:
            return [work, *self._back_from_blocks(node)]
        self._blocked.update(node.outputs)
        if channels < BLOCK or node.inputs[0] in self._blocked:
            return [work]
        self._blocked.add(node.inputs[0])
        return [work, Operation(kind=Kind.TURN, bytes=2 * self.size(node.inputs[0]))]

    def _back_from_blocks(self, node: Node) -> list[Operation]:
        """Return the work of undoing blocks of channels for a node that cannot read them; once for each tensor."""
        if node.kind in _BLOCKWISE | _QUANTIZING:
            return []
        blocked = {name for name in node.inputs if name in self._blocked and name in self._makers}
        self._blocked -= blocked
        return [Operation(kind=Kind.TURN, bytes=2 * self.size(name)) for name in blocked]

    def _product(self, node: Node) -> Operation:
        made, first, second = (self.shape(name) for name in (node.outputs[0], *node.inputs[:2]))
        if node.kind == "ConvTranspose":
            operations = 2 * prod(first) * prod(second[1:])
        elif node.kind == "Einsum":
            given, _, kept = str(node.attributes["equation"]).replace(" ", "").partition("->")
            terms = zip(given.split(","), (first, second), strict=True)
            letters = {letter: size for term, shape in terms for letter, size in zip(term, shape, strict=True)}
            operations = 2 * prod(made) * prod(size for letter, size in letters.items() if letter not in kept)
        else:
            operations = 2 * prod(made) * first[-1]
        moved = sum(self.size(name) for name in (node.outputs[0], *node.inputs[:2]))
        return Operation(kind=Kind.MATMUL, operations=operations, computed=operations, bytes=moved, channels=first[-1])

    def _moved(self, node: Node) -> Operation:
        is_reducing = node.kind.startswith("Reduce")
        kind = Kind.REDUCE if is_reducing else _KINDS.get(node.kind, Kind.ALONE)
        written = sum(self.size(name) for name in node.outputs)
        read = sum(self.size(name) for name in node.inputs if name not in self._traced.known)
        if node.kind in ("Slice", "Gather"):
            read = min(read, written)
        if kind is Kind.SAMPLE:
            read = 0  # four places for each number made, wherever they lie
        return Operation(kind=kind, bytes=read + written)


def _peak(graph: Graph, traced: Traced, counter: _Counter, outputs: frozenset[str]) -> int:
    """Return the most that is alive at once, where each tensor lives until the last node that reads it."""
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    last.update(dict.fromkeys(outputs, len(graph.nodes)))
    alive, most = Counter[str](), 0
    for number, node in enumerate(graph.nodes):
        free = node.kind in _FREE
        for name in (*node.inputs, *node.outputs):
            if name and name not in traced.known and not (free and name in node.outputs):
                alive[name] = counter.size(name)
        most = max(most, alive.total())
        for name in list(alive):
            if last.get(name, number) <= number:
                del alive[name]
    return most
