from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality.contender import contenders
from engine.errors import ConfigError
from engine.model import Model, builtin_models
from tests.support.tiny_models import mean_enhancer, pan_interpolator


def as_int8(model: Model, *, name: str = "tiny", sha256: str = "f" * 64) -> Model:
    return replace(model, card=replace(model.card, precision="int8", name=name), sha256=sha256)


def test_built_in_models_are_measured_unless_others_are_given(tmp_path: Path) -> None:
    found = contenders("restore", [])
    assert found[0].label == "film-restore"
    assert found[0].model.sha256 == Model.load(builtin_models()["film-restore"]).sha256
    assert [contender.model.card.role for contender in found] == ["enhance"] * len(found)
    given = [mean_enhancer(tmp_path), pan_interpolator(tmp_path, motion=(1, 0))]
    assert [contender.model for contender in contenders("restore", given)] == given[:1]
    assert [contender.model for contender in contenders("interpolate", given)] == given[1:]
    assert contenders("colorize", given) == []


def test_int8_stands_behind_float_and_says_so(tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path)
    found = contenders("restore", [as_int8(model), model])
    assert [contender.label for contender in found] == ["tiny", "tiny-int8"]
    assert [contender.model.card.precision for contender in found] == ["fp32", "int8"]
    assert contenders("restore", [as_int8(model, name="tiny-int8")])[0].label == "tiny-int8"


def test_models_of_one_name_are_told_apart_by_their_hash(tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path)
    labels = [found.label for found in contenders("restore", [model, replace(model, sha256="0" * 64)])]
    assert labels == [f"tiny {model.sha256[:8]}", "tiny 00000000"]


def test_an_enlarging_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="enlarges by 2"):
        contenders("restore", [mean_enhancer(tmp_path, scale=2)])
