from pathlib import Path

import pytest

from engine.errors import UnsupportedModelError, WeightsError
from engine.model import Model, builtin_models
from engine.model_header import read_card
from tests.support.onnx_files import METADATA, save_halver


@pytest.mark.parametrize("name", builtin_models())
def test_a_card_is_that_of_the_loaded_model(name: str) -> None:
    assert read_card(builtin_models()[name]) == Model.load(builtin_models()[name]).card


def test_long_and_foreign_values_are_read(tmp_path: Path) -> None:
    licence = "Übersetzung × " * 200
    assert read_card(save_halver(tmp_path / "m.onnx", {**METADATA, "licence": licence})).licence == licence


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 150, -1])
def test_a_file_that_was_cut_off_is_damaged_or_says_nothing(tmp_path: Path, cut: int) -> None:
    path = save_halver(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises((WeightsError, UnsupportedModelError)) as caught:
        read_card(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100, b"PK\x03\x04rest of an archive"])
def test_what_is_no_model_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable ONNX file"):
        read_card(tmp_path / "m.onnx")


def test_a_missing_file_and_one_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_card(tmp_path / "gone.onnx")
    with pytest.raises(UnsupportedModelError, match="says nothing of itself"):
        read_card(save_halver(tmp_path / "plain.onnx", None))
    with pytest.raises(UnsupportedModelError, match=r"farshore\.precision"):
        read_card(save_halver(tmp_path / "wrong.onnx", {**METADATA, "precision": "fp7"}))
