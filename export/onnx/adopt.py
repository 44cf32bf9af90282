"""Take ONNX files as they are: published ones, into which is written what they are, and models that say it already."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from engine.errors import ModelError, UnsupportedModelError, WeightsError
from engine.file_hash import file_sha256
from engine.model import PREFIX, Model, builtin_models
from engine.places import models_folder
from export.checkpoints.catalogue import known_file
from export.checkpoints.published import model_stem
from export.checkpoints.weights import Terms, terms_of
from export.onnx.write import save_model


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
    model = _read(source)
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
    save_model(model, target, role=values["role"])
    return name


def install_model(source: Path, *, name: str | None = None) -> Model:
    """Put an ONNX file into the user's models folder, where every command finds it by name.

    Parameters
    ----------
    source : a model with metadata, which is copied, or one of `READY_MODELS`, which gets them
    name : to be found by; unless given, the name that the model has, with ``-fp16`` or ``-int8`` where it is such

    Raises
    ------
    WeightsError
        The file cannot be read, or is no ONNX file.
    UnsupportedModelError
        It says nothing of itself, and is none that we know.
    ModelError
        The name is not one, or that of a built-in model.
    """
    if not source.is_file():
        raise WeightsError(f"model {source}: no such file; check the path")
    says_what_it_is = any(entry.key.startswith(PREFIX) for entry in _read(source).metadata_props)
    models_folder().mkdir(parents=True, exist_ok=True)
    coming = models_folder() / f".coming-{os.getpid()}"
    try:
        if says_what_it_is:
            shutil.copyfile(source, coming)
        else:
            sha256 = file_sha256(source)
            adopt(source, coming, terms=terms_of(known_file(sha256), sha256))
        card = Model.load(coming).card
        target = models_folder() / f"{_installable(name or model_stem(card.name, card.precision))}.onnx"
        coming.replace(target)
    finally:
        coming.unlink(missing_ok=True)
    return Model.load(target)


def _installable(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise ModelError(
            f"model name {name!r}: wanted lower case letters, digits, dots and dashes; choose it with --name"
        )
    if name in builtin_models():
        raise ModelError(f"model {name}: one of this name is built in; choose another with --name")
    return name


def _read(source: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(source)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise WeightsError(f"model {source}: not a readable ONNX file; fetch it again") from error
    return model
