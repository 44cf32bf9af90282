"""Commands that other rooms bring."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from engine.cli.plugins import GROUP, add_commands

MODULE = """
import typer

def register(app: typer.Typer) -> None:
    app.command("greet")(lambda: print("good day"))

def broken(app: typer.Typer) -> None:
    raise RuntimeError("half\\nregistered")
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module that brings commands."""
    name = "a_room_with_commands"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def program() -> typer.Typer:
    app = typer.Typer()
    app.command("own")(lambda: print("own"))  # noqa: T201
    return app


def points(*values: str) -> list[EntryPoint]:
    return [EntryPoint(f"p{number}", value, GROUP) for number, value in enumerate(values)]


def test_a_room_adds_its_commands(room: str) -> None:
    app = program()
    add_commands(app, points(f"{room}:register"))
    assert CliRunner().invoke(app, ["greet"]).output == "good day\n"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{room}:broken", "RuntimeError: half registered"),
        ("{room}:missing", "AttributeError: module 'a_room_with_commands' has no attribute 'missing'"),
        ("no_such_room.cli:register", "ModuleNotFoundError: No module named 'no_such_room'"),
    ],
)
def test_a_broken_one_is_a_line_and_the_others_work(
    room: str, value: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = program()
    value = value.format(room=room)
    add_commands(app, points(value, f"{room}:register"))
    assert capsys.readouterr().err == f"farshore: warning: commands 'p0' of {value} are missing: {reason}\n"
    assert CliRunner().invoke(app, ["greet"]).output == "good day\n"
    assert CliRunner().invoke(app, ["own"]).output == "own\n"
