"""What a library says that it built, read: layers with the types of what goes into them, and convolutions by type.

A library that is asked for a detailed account writes one message while it builds::

    Layers:
    Name: …, LayerType: correlation, Inputs: [ { Name: …, Dimensions: [1,64,32,40], Datatype: Int8, … }], …

one line for each layer, then what is said of the whole engine. TensorRT 10 writes ``Format/Datatype`` where TensorRT
for RTX writes ``Datatype``, and tells a convolution's weights as ``Weights`` where that one lists ``Constants``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from engine.errors import BuildError

HEAD = "Layers:\n"
"""How the message begins."""

UNKNOWN = "unknown"
"""Datatype of a tensor whose type the library does not tell."""

Facts = Mapping[str, str]

_KEY = re.compile(r", (?=[A-Za-z][A-Za-z/0-9]*: ?)")
_NODE = re.compile(r"\[ONNX Layer: (.*?)\]([^\[\]\x1e\x1f]*)(?:[\x1e\x1f]|(?=\[ONNX Layer: )|$)")
_PRODUCT_OF_CONVOLUTION = "__gemm_from_conv1x1"
_WEIGHTS = re.compile(r'\{"Type": "(\w+)", "Count": (\d+)\}')
_WORDS = {
    **{"float": "Float", "fp32": "Float", "half": "Half", "fp16": "Half", "bf16": "BFloat16", "bfloat16": "BFloat16"},
    **{"int8": "Int8", "uint8": "UInt8", "int4": "Int4", "int32": "Int32", "int64": "Int64", "bool": "Bool"},
    **{"fp8": "FP8", "fp4": "FP4"},
}
"""Words of ``Format/Datatype`` → the datatype as TensorRT for RTX writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a layer.

    name : the library's
    dimensions : -1 where the size is open
    datatype : such as ``Int8``, ``Half``, ``Float``; `UNKNOWN` where it is not told
    facts : whatever else is said of it
    """

    name: str
    dimensions: tuple[int, ...]
    datatype: str
    facts: Facts

    @property
    def elements(self) -> int | None:
        """How many numbers it holds; None where a size is open."""
        return None if min(self.dimensions, default=1) < 0 else prod(self.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer that was built: of several nodes of the graph, or of a part of one.

    name : the library's
    kind : the library's word, such as ``correlation`` or ``kgen``
    inputs, constants, outputs : TensorRT for RTX counts weights among the constants
    nodes : names of the graph's nodes that went into it
    marks : what the library wrote behind their names
    facts : whatever else is said of it
    """

    name: str
    kind: str
    inputs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[str, ...]
    marks: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was said of an engine.

    layers : in the order in which they were told
    engine : lines about the whole engine, as they came
    """

    layers: tuple[Layer, ...]
    engine: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A layer that convolves, transposed or not.

    datatype : in which it multiplies
    multiply_accumulates : of one run; None where a size is open
    """

    layer: str
    datatype: str
    multiply_accumulates: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The convolutions of one datatype.

    count : of them
    multiply_accumulates : of one run, all together; None where a size of any convolution is open
    """

    datatype: str
    count: int
    multiply_accumulates: int | None


def read_account(message: str) -> Account:
    """Read the library's message.

    Raises
    ------
    BuildError
        A line among the layers is not of the form that is known: nothing is left out.
    """
    if not message.startswith(HEAD):
        raise BuildError(f"layers: the library's account begins {message[:40]!r}; wanted {HEAD.strip()!r}")
    lines = message.split("\n")[1:]  # not splitlines: names are held apart by control characters
    layers: list[Layer] = []
    rest: list[str] = []
    for line in lines:
        if not rest and line.startswith("Name: "):
            layers.append(_read_layer(line))
        elif "LayerType: " in line:
            raise _unknown(line)
        elif line.strip():
            rest.append(line.strip())
    return Account(layers=tuple(layers), engine=tuple(rest))


def convolutions(layers: Sequence[Layer]) -> tuple[Convolution, ...]:
    """Return the layers that convolve, in their order."""
    return tuple(_convolution(layer) for layer in layers if _turned(layer) is not None)


def shares(found: Sequence[Convolution]) -> tuple[Share, ...]:
    """Sum convolutions up by datatype, the most frequent first."""
    is_open = any(item.multiply_accumulates is None for item in found)
    made: list[Share] = []
    for datatype in dict.fromkeys(item.datatype for item in found):
        work = [item.multiply_accumulates or 0 for item in found if item.datatype == datatype]
        total = None if is_open else sum(work)
        made.append(Share(datatype=datatype, count=len(work), multiply_accumulates=total))
    return tuple(sorted(made, key=lambda share: (-share.count, share.datatype)))


def _turned(layer: Layer) -> bool | None:
    """Tell whether a convolution is transposed; None: the layer is none.

    A fusion's name begins with its operations, four letters each: ``__myl_CorrMulAdd_…``, ``__myl_DecoMul_…``. One of
    1×1 may become a product of matrices, which then says so.
    """
    kind = layer.kind.lower()
    match = re.match(r"__myl_([A-Za-z]+)_", layer.name) if kind == "runtime_fusion" else None
    operations = re.findall("[A-Z][a-z]*", match[1]) if match else []
    if kind == "gemm" or "Fc" in operations:
        return False if _PRODUCT_OF_CONVOLUTION in layer.marks else None
    if "Deco" in operations or "deconv" in kind:
        return True
    return False if "Corr" in operations or kind == "correlation" or "conv" in kind else None


def _convolution(layer: Layer) -> Convolution:
    is_turned = bool(_turned(layer))
    told = _WEIGHTS.fullmatch(layer.facts.get("Weights", ""))
    weights = _weights(layer)
    datatype, count = (weights.datatype, weights.elements) if weights is not None else (None, None)
    if told is not None:
        datatype, count = told[1], int(told[2])
    picture = _picture(layer, weights)
    if picture is not None and not any(tensor.datatype == datatype for tensor in layer.inputs):
        datatype = picture.datatype  # the weights are only kept in theirs
    across = picture if is_turned else next(iter(layer.outputs), None)
    work = None
    if count is not None and across is not None and len(across.dimensions) > 1 and across.elements is not None:
        work = count * (across.elements // max(1, across.dimensions[1]))  # all weights at every place of the picture
    return Convolution(layer=layer.name, datatype=datatype or UNKNOWN, multiply_accumulates=work)


def _weights(layer: Layer) -> Tensor | None:
    """Return the kernel: the largest constant of a picture's rank; of equal ones that with more outputs."""
    ranked = [tensor for tensor in layer.constants if len(tensor.dimensions) > 2]
    return max(ranked, key=lambda tensor: (tensor.elements or 0, tensor.dimensions[0]), default=None)


def _picture(layer: Layer, weights: Tensor | None) -> Tensor | None:
    """Return the input that is convolved: what is joined or multiplied by stands among the inputs too."""
    rank = None if weights is None else len(weights.dimensions)
    pictures = [tensor for tensor in layer.inputs if rank is None or len(tensor.dimensions) == rank]
    alike = [tensor for tensor in pictures if weights is not None and tensor.datatype == weights.datatype]
    by_size = sorted(alike or pictures, key=lambda tensor: -(tensor.elements or 1 << 62))
    return next(iter(by_size), None)


def _read_layer(line: str) -> Layer:
    facts = _fields(line)
    wanted = ("Name", "LayerType", "Inputs", "Outputs", "Metadata")
    if missing := [key for key in wanted if key not in facts]:
        raise _unknown(line, f"no {', '.join(missing)}")
    metadata = facts["Metadata"]
    nodes = _NODE.findall(metadata)
    if _NODE.sub("", metadata):
        raise _unknown(line, f"metadata {metadata[:60]!r}")
    read = {*wanted, "Constants"}
    return Layer(
        name=facts["Name"],
        kind=facts["LayerType"],
        inputs=_tensors(facts["Inputs"], line),
        constants=_tensors(facts.get("Constants", "[]"), line),
        outputs=_tensors(facts["Outputs"], line),
        nodes=tuple(name for name, _ in nodes),
        marks=tuple(dict.fromkeys(mark for _, mark in nodes if mark)),
        facts={key: value for key, value in facts.items() if key not in read},
    )


def _tensors(text: str, line: str) -> tuple[Tensor, ...]:
    if text == "[]":
        return ()
    match = re.fullmatch(r"\[ ?\{ (.*?) ?\}\]", text)
    if match is None:
        raise _unknown(line, f"tensors {text[:60]!r}")
    return tuple(_read_tensor(part, line) for part in re.split(r" ?\}, \{ ", match[1]))


def _read_tensor(text: str, line: str) -> Tensor:
    facts = _fields(text)
    sizes = re.fullmatch(r"\[(-?\d+(?:,-?\d+)*)?\]", facts.get("Dimensions", ""))
    if sizes is None or "Name" not in facts:
        raise _unknown(line, f"tensor {text[:60]!r}")
    return Tensor(
        name=facts["Name"],
        dimensions=tuple(int(size) for size in (sizes[1] or "").split(",") if size),
        datatype=facts["Datatype"] if "Datatype" in facts else _datatype(facts.get("Format/Datatype", "")),
        facts={key: value for key, value in facts.items() if key not in ("Name", "Dimensions", "Datatype")},
    )


def _datatype(text: str) -> str:
    """Return the type in words such as ``Thirty-two wide channel vectorized row major Int8 format``."""
    found = {_WORDS[word] for word in re.findall(r"\w+", text.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else UNKNOWN


def _fields(text: str) -> dict[str, str]:
    """Split ``Key: value, Key: value`` where no bracket is open; metadata come last and are not split."""
    body, mark, metadata = text.partition(", Metadata: ")
    found: dict[str, str] = {}
    start = 0
    for end in [*(match.start() for match in _KEY.finditer(body)), len(body)]:
        part = body[start:end]
        if end < len(body) and not _is_closed(part):
            continue
        key, colon, value = part.partition(":")
        if not colon or not _is_closed(part) or key in found:
            raise _unknown(text, f"{part[:60]!r}")
        found[key] = value.strip()
        start = end + 2
    return found | ({"Metadata": metadata} if mark else {})


def _is_closed(text: str) -> bool:
    return text.count("[") == text.count("]") and text.count("{") == text.count("}")


def _unknown(line: str, what: str = "") -> BuildError:
    reason = f" ({what})" if what else ""
    return BuildError(
        f"layers: {line[:120]!r}: not of a form that is known{reason}; leave --layers out, and report the line"
    )
