"""Half-precision files of finished models."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from engine.errors import BuildError
from engine.model import Model, builtin_models
from export.half_models import main, write_half


def test_a_half_file_is_small_says_what_it_is_and_hardly_loses(tmp_path: Path):
    source = builtin_models()["film-interpolate"]
    made = write_half(source, tmp_path)
    card = Model.load(made.path).card
    assert made.path.name == "film-interpolate-fp16.onnx"
    assert card.precision == "fp16"
    assert card.name == Model.load(source).card.name
    assert made.bytes < 0.6 * source.stat().st_size
    assert 60 < made.psnr_db < 120
    weights = [tensor for tensor in onnx.load(made.path).graph.initializer if len(tensor.dims) == 4]
    assert sum(tensor.data_type == TensorProto.FLOAT16 for tensor in weights) > 0.8 * len(weights)


def test_a_model_that_half_precision_breaks_is_not_written(tmp_path: Path):
    model = onnx.load(builtin_models()["film-restore"])
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(3000), tensor.name))
    onnx.save(model, tmp_path / "wild.onnx")
    with pytest.raises(BuildError, match="in half precision"):
        write_half(tmp_path / "wild.onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["wild.onnx"]


def test_only_float32_models_are_taken(tmp_path: Path):
    with pytest.raises(BuildError, match="precision is int8; wanted fp32"):
        write_half(builtin_models()["film-restore-int8"], tmp_path)


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(builtin_models()["film-restore"]), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("film-restore-fp16.onnx: 0.")
