"""What a quantized model says of itself: the loss that was measured, and how it was calibrated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from calib.graph import Form
from engine.model import PREFIX, Model

PRECISIONS: Mapping[Form, str] = {"cpu": "int8", "tensorrt": "int8", "fp8": "fp8"}


def save_model(graph: onnx.ModelProto, source: Model, path: Path, form: Form, calibration: Mapping[str, Any]) -> Model:
    """Write a quantized model under its name once the runtime can read it; return it as read.

    Parameters
    ----------
    graph : with Q/DQ
    source : the float32 model whose card it inherits
    calibration : facts of `farshore.calibration`, see `engine/models/README.md`
    """
    made = onnx.ModelProto.FromString(graph.SerializeToString())
    card = {item.key: item.value for item in onnx.load_model_from_string(source.data).metadata_props}
    card = {key: value for key, value in card.items() if key.startswith(PREFIX)} or _assumed(source)
    card[f"{PREFIX}precision"] = PRECISIONS[form]
    card[f"{PREFIX}calibration"] = json.dumps(calibration, sort_keys=True)
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, card)
    made.producer_name, made.producer_version = "farshore", ""
    onnx.checker.check_model(made, full_check=True)
    unfinished = path.with_name(path.name + ".tmp")
    try:
        onnx.save(made, str(unfinished))
        Model.load(unfinished, role=source.card.role)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Model.load(path, role=source.card.role)


def _assumed(source: Model) -> dict[str, str]:
    """Return the card of a model without metadata, as it was assumed to be."""
    card = source.card
    values = {
        "schema": "1",
        "name": card.name.lower().replace("_", "-"),
        "version": card.version,
        "role": card.role,
        "color_space": card.color_space,
        "value_range": f"{card.value_range[0]:g},{card.value_range[1]:g}",
        "scale": str(card.scale),
        "size_multiple": str(card.size_multiple),
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "source": card.source,
    }
    return {f"{PREFIX}{key}": value for key, value in values.items()}
