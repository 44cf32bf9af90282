"""Take ONNX files that others published as they are, and write into them what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from engine.errors import UnsupportedModelError, WeightsError
from export.checkpoints.weights import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyModel:
    """An ONNX file that needs no network of ours.

    outputs : by whose names it is known
    metadata : without the prefix
    """

    outputs: frozenset[str]
    metadata: Mapping[str, str]


READY_MODELS = {
    "yunet": ReadyModel(
        outputs=frozenset(f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)),
        metadata={"role": "detect", "color_space": "rgb", "value_range": "0,255", "size_multiple": "32"},
    ),
}
"""Files known by their outputs. YuNet takes its planes in the order blue, green, red, as OpenCV gives them."""


def adopt(source: Path, target: Path, *, terms: Terms) -> str:
    """Copy an ONNX file, its graph untouched, with metadata; return its name.

    Raises
    ------
    WeightsError
        The file is no ONNX file.
    UnsupportedModelError
        It is none that we know.
    """
    try:
        model = onnx.load(source)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise WeightsError(f"model {source}: not a readable ONNX file; fetch it again") from error
    outputs = frozenset(value.name for value in model.graph.output)
    name = next((name for name, ready in READY_MODELS.items() if ready.outputs == outputs), None)
    if name is None:
        raise UnsupportedModelError(
            f"model {source}: gives {', '.join(sorted(outputs))}, which no model we know does; it can still be used by "
            "naming its role"
        )
    values = {
        "schema": "1",
        "name": name,
        "version": "1",
        "precision": "fp32",
        "licence": terms.licence,
        "commercial_use": terms.commercial_use,
        "source": terms.source,
        **READY_MODELS[name].metadata,
    }
    onnx.helper.set_model_props(model, {f"farshore.{key}": value for key, value in values.items()})
    unfinished = target.with_name(target.name + ".tmp")
    onnx.save(model, str(unfinished))
    unfinished.replace(target)
    return name
