"""The command as a whole: version, help, completion."""

import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import typer

from tests.engine.cli.conftest import Outcome

Command = Callable[..., Outcome]
ROOT = Path(__file__).parents[3]


def test_version(farshore: Command) -> None:
    try:
        expected = version("farshore")
    except PackageNotFoundError:
        expected = "0+source"
    assert farshore("--version") == Outcome(0, f"farshore {expected}\n", "")


def test_the_changelog_begins_with_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0].startswith(f"## {project['version']}")


@pytest.mark.parametrize("command", [(), ("restore",), ("demo",), ("info",), ("models",), ("models", "show")])
def test_help(farshore: Command, command: tuple[str, ...]) -> None:
    outcome = farshore(*command, "--help")
    assert outcome.code == 0
    assert f"Usage: farshore {' '.join(command)}".strip() in outcome.out
    assert outcome.err == ""


@pytest.mark.parametrize("stage", ["enhance", "interpolate", "colorize"])
def test_a_model_is_named_either_way(stage: str) -> None:
    from engine.cli.main import app

    restore = typer.main.get_command(app).commands["restore"]  # type: ignore[attr-defined]
    names = [parameter.opts for parameter in restore.params]
    assert [f"--{stage}-model", f"--{stage}-with"] in names


def test_an_unknown_command_is_one_line(farshore: Command) -> None:
    outcome = farshore("restroe")
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1


def test_completion_knows_the_presets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from engine.cli.main import main

    monkeypatch.setenv("_FARSHORE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "farshore restore --preset sil")
    monkeypatch.setenv("COMP_CWORD", "3")
    with pytest.raises(SystemExit):
        main([])
    assert "silent-film" in capsys.readouterr().out
