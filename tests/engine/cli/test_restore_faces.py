"""`farshore restore --faces`: from options and files to settings, and what is said of the models' terms."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config_file import load_settings
from engine.media.provenance import read as read_provenance
from engine.settings import FacesSettings
from tests.engine.cli.conftest import Outcome
from tests.support.faces import YUNET, seeded_face

Command = Callable[..., Outcome]
QUICK = ("--backend", "null", "--threads", "1")


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, ...]:
    return ("--faces-model", str(seeded_face(tmp_path)), "--faces-detector", str(YUNET))


def test_options_become_settings(farshore: Command, small_film: Path, tmp_path: Path, models: tuple[str, ...]) -> None:
    target = tmp_path / "out.mkv"
    outcome = farshore(
        "restore", small_film, target, *QUICK, "--faces", *models, "--faces-strength", "0.5", "--faces-smallest", "30",
        "--faces-most", "3", "--faces-confidence", "0.9",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    done = read_provenance(target)
    assert done is not None
    told = done.settings["faces"]
    assert (told["enabled"], told["strength"], told["smallest"]) == (True, 0.5, 30)
    assert (told["most"], told["confidence"]) == (3, 0.9)
    assert [mark.role for mark in done.models][:3] == ["enhance", "face", "detect"]


def test_terms_are_told_before_and_after(
    farshore: Command, small_film: Path, tmp_path: Path, models: tuple[str, ...]
) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mkv", *QUICK, "--faces", *models)
    plan = outcome.err.splitlines()[0]
    assert "seeded fp32 (commercial use: no)" in plan
    assert f"{YUNET.stem} fp32 (commercial use: ask)" in plan  # a file that says nothing of itself
    assert "note: model seeded: for study; commercial use: no" in outcome.err
    assert "note: model seeded: for study; commercial use: no" in outcome.out
    outcome = farshore("restore", small_film, tmp_path / "again.mkv", *QUICK, "--faces", *models, "--json")
    assert "model seeded: for study; commercial use: no" in json.loads(outcome.out)["notices"]


def test_a_model_that_was_not_fetched_is_one_line(
    farshore: Command, small_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path))
    outcome = farshore("restore", small_film, tmp_path / "out.mkv", *QUICK, "--faces")
    assert outcome.code != 0
    assert "model 'gpen-512': not built in" in outcome.err
    assert not (tmp_path / "out.mkv").exists()


def test_a_file_names_models_from_its_own_folder(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[faces]\nenabled = true\nmodel = "a.onnx"\ndetector = "b.onnx"\nmost = 2\n')
    assert load_settings(config=file).faces == FacesSettings(
        enabled=True, model=str(tmp_path / "a.onnx"), detector=str(tmp_path / "b.onnx"), most=2
    )
    file.write_text("[faces]\nenabled = true\n")
    assert load_settings(config=file).faces == FacesSettings(enabled=True)
