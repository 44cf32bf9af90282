"""`farshore models`: list, show, verify."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.cli import shelf
from engine.cli.models import brief
from engine.cli.shelf import Check, Offer
from engine.model import builtin_models
from engine.places import models_folder
from tests.engine.cli.conftest import Outcome
from tests.support.onnx_files import METADATA, save_halver

Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(shelf, "_shelves", {})


def install(name: str, card_name: str = "tiny") -> Path:
    models_folder().mkdir(parents=True, exist_ok=True)
    return save_halver(models_folder() / f"{name}.onnx", {**METADATA, "name": card_name})


def listed(farshore: Command) -> dict[str, dict[str, object]]:
    return {model["name"]: model for model in json.loads(farshore("models", "list", "--json").out)}


class Offering:
    """A shelf with one model."""

    def offers(self) -> Sequence[Offer]:
        return [
            Offer(
                name="tiny",
                role="enhance",
                state="not fetched",
                licence="MIT (all of it)",
                commercial_use="yes",
                size_bytes=2_500_000,
                facts={"home": ["https://a.example", "https://b.example"], "files": [{"name": "x", "sha256": "00"}]},
            )
        ]

    def check(self, name: str | None) -> Sequence[Check]:
        return [Check(name="tiny.pth", sha256=None, reason="damaged")] if name in (None, "tiny") else []


def test_the_list_has_every_built_in_model_with_its_licence(farshore: Command) -> None:
    outcome = farshore("models")
    assert outcome.code == 0
    for name in builtin_models():
        assert f" {name} " in outcome.out
    assert outcome.out == farshore("models", "list").out


def test_the_list_for_machines(farshore: Command) -> None:
    models = json.loads(farshore("models", "list", "--json").out)
    assert [model["name"] for model in models] == list(builtin_models())
    assert all(model["licence"] and model["state"] == "built in" and model["size_bytes"] > 1e5 for model in models)


def test_installed_models_are_listed_by_the_name_that_finds_them(farshore: Command) -> None:
    install("tiny-fp16")
    assert listed(farshore)["tiny-fp16"]["state"] == "installed"
    assert "tiny-fp16" in farshore("models", "show", "tiny-fp16").out.splitlines()[0]
    assert "tiny-fp16: whole" in farshore("models", "verify").out


def test_a_damaged_model_does_not_hide_the_others(farshore: Command) -> None:
    path = install("tiny")
    path.write_bytes(path.read_bytes()[:-20])
    outcome = farshore("models", "list")
    assert outcome.code == 0
    assert " film-restore " in outcome.out
    assert "damaged" in next(line for line in outcome.out.splitlines() if " tiny " in line)
    assert "warning: model " in outcome.err
    assert farshore("models", "verify").code == 1


def test_a_file_that_says_nothing_of_itself_is_listed_as_unknown(farshore: Command) -> None:
    save_halver(install("tiny"), None)
    outcome = farshore("models", "list")
    assert "unknown" in next(line for line in outcome.out.splitlines() if " tiny " in line)
    assert "it can be used by naming its role" in outcome.err


def test_what_a_room_can_bring_is_listed_shown_and_checked(farshore: Command) -> None:
    shelf.add_shelf("offering", Offering())
    row = next(line for line in farshore("models").out.splitlines() if " tiny " in line)
    assert row.split() == ["tiny", "not", "fetched", "enhance", "2.5", "MB", "MIT", "yes"]
    shown = farshore("models", "show", "tiny").out.splitlines()
    assert "licence                     MIT (all of it)" in shown
    assert [line for line in shown if line.startswith("home ")][1].endswith("https://b.example")
    assert "files sha256                00" in shown
    assert farshore("models", "verify", "tiny") == Outcome(1, "tiny.pth: damaged\n", "")


def test_what_is_installed_is_listed_once_and_knows_where_it_comes_from(farshore: Command) -> None:
    shelf.add_shelf("offering", Offering())
    install("tiny-fp16")
    models = listed(farshore)
    assert "tiny" not in models
    assert (models["tiny-fp16"]["state"], models["tiny-fp16"]["licence"]) == ("exported", "CC0-1.0")
    assert models["tiny-fp16"]["home"] == ["https://a.example", "https://b.example"]
    assert farshore("models", "verify", "tiny-fp16").code == 0


def test_show_tells_everything_of_a_name_or_a_file(farshore: Command, tmp_path: Path) -> None:
    by_name = farshore("models", "show", "film-restore")
    assert by_name.code == 0
    assert "role                        enhance" in by_name.out
    assert "value_range                 0.0, 1.0" in by_name.out
    assert "input luma                  1×5×?×? tensor(float)" in by_name.out
    copy = tmp_path / "copied.onnx"
    copy.write_bytes(builtin_models()["film-restore"].read_bytes())
    facts = json.loads(farshore("models", "show", copy, "--json").out)
    assert (facts["name"], facts["state"]) == ("film-restore", "file")


def test_show_of_what_is_not_there_is_one_line(farshore: Command) -> None:
    outcome = farshore("models", "show", "film-restroe")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1


def test_verify(farshore: Command, tmp_path: Path) -> None:
    outcome = farshore("models", "verify")
    assert outcome.code == 0
    assert outcome.out.count(": whole, sha256 ") == len(builtin_models())
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(builtin_models()["film-restore"].read_bytes()[:5000])
    outcome = farshore("models", "verify", "film-restore", torn)
    assert outcome.code == 1
    assert "torn.onnx: not a readable ONNX file" in outcome.out


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ("MIT", "MIT"),
        ("BSD-3-Clause (repository LICENSE); more", "BSD-3-Clause"),
        ("CC BY-NC-SA 4.0 (code and model)", "CC BY-NC-SA 4.0"),
        ("No licence in force: the repository has no LICENSE file; ...", "No licence in force"),
        ("Trained by its author; see there", "Trained by its author"),
    ],
)
def test_a_licence_in_brief(licence: str, name: str) -> None:
    assert brief(licence) == name
