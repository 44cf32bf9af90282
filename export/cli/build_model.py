"""The model file that an engine is built of: found, or made where it can be."""

import os
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError
from engine.extras import needs
from engine.model import Model, builtin_models, find_model, installed_models
from engine.places import checkpoints_folder, models_folder
from export.checkpoints.published import PUBLISHED, model_stem
from export.checkpoints.store import Store
from export.cli.progress import Steps

Precision = Literal["fp32", "fp16"]

_HALVED = "; halved from the file with sha256 "


def model_to_build(name: str, precision: Precision | None, role: str | None, on_step: Steps) -> Model:
    """Return the model of a name and precision.

    A built-in model's half is made at once, a published network is exported where its weights are here.

    Parameters
    ----------
    name : of a built-in, installed or published model, or the path of an ONNX file
    precision : None: whatever the file of that name is, fp32 where one must be made
    role : what to use a file as that does not say so itself
    on_step : told what is being made

    Raises
    ------
    ConfigError
        A file is not of the precision asked for.
    ModelError
        There is no such model, or its weights are not here.
    MissingExtraError
        Making it takes a package that is not installed.
    """
    stem = model_stem(name, precision or "fp32")
    if name in builtin_models() and precision == "fp16":
        return _half_of_builtin(name, on_step)
    if stem in installed_models() or stem in builtin_models():
        return find_model(stem, role)
    if name in PUBLISHED:
        with needs("export"):
            from export.onnx.published import export_model  # late: brings torch
        made = export_model(name, Store(checkpoints_folder()), precision=precision or "fp32", on_step=on_step)
        return Model.load(made[0].path, role=role)
    model = find_model(name, role)
    if precision not in (None, model.card.precision):
        raise ConfigError(
            f"--precision {precision}: {model.path} is {model.card.precision}; precision is in the file: name one that "
            f"is {precision}"
        )
    return model


def _half_of_builtin(name: str, on_step: Steps) -> Model:
    """Return the half of a built-in model from the models folder, made anew where the built-in one has changed."""
    source = Model.load(builtin_models()[name])
    target = models_folder() / f"{model_stem(name, 'fp16')}.onnx"
    if target.exists():
        installed = Model.load(target)
        if _HALVED not in installed.card.source or installed.card.source.endswith(source.sha256):
            return installed
    on_step("halve")
    _write_half(source, target)
    return Model.load(target)


def _write_half(source: Model, target: Path) -> None:
    with needs("export"):
        import onnx  # late: of the export extra

        from export.onnx.half import halve
    whole = onnx.load_model_from_string(source.data)
    half = halve(whole)
    properties = {item.key: item.value for item in whole.metadata_props}
    properties |= {
        "farshore.precision": "fp16",
        "farshore.source": f"{source.card.source}{_HALVED}{source.sha256}",
    }
    onnx.helper.set_model_props(half, properties)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    onnx.save(half, str(unfinished))
    unfinished.replace(target)
