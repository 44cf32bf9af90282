"""`farshore models`: list, show, verify."""

import json
from collections.abc import Callable
from pathlib import Path

from engine.model import builtin_models
from tests.engine.cli.conftest import Outcome

Command = Callable[..., Outcome]


def test_the_list_has_every_built_in_model_with_its_licence(farshore: Command) -> None:
    outcome = farshore("models")
    assert outcome.code == 0
    for name in builtin_models():
        assert f" {name} " in outcome.out
    assert outcome.out == farshore("models", "list").out


def test_the_list_for_machines(farshore: Command) -> None:
    models = json.loads(farshore("models", "list", "--json").out)
    assert [model["name"] for model in models] == list(builtin_models())
    assert all(len(model["sha256"]) == 64 and model["licence"] for model in models)


def test_show_tells_everything_of_a_name_or_a_file(farshore: Command, tmp_path: Path) -> None:
    by_name = farshore("models", "show", "film-restore")
    assert by_name.code == 0
    assert "role                        enhance" in by_name.out
    assert "input luma                  1×5×?×? tensor(float)" in by_name.out
    copy = tmp_path / "copied.onnx"
    copy.write_bytes(builtin_models()["film-restore"].read_bytes())
    assert json.loads(farshore("models", "show", copy, "--json").out)["name"] == "film-restore"


def test_verify(farshore: Command, tmp_path: Path) -> None:
    outcome = farshore("models", "verify")
    assert outcome.code == 0
    assert outcome.out.count(": whole, sha256 ") == len(builtin_models())
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(builtin_models()["film-restore"].read_bytes()[:5000])
    outcome = farshore("models", "verify", "film-restore", torn)
    assert outcome.code == 1
    assert "torn.onnx: not a readable ONNX file" in outcome.out
