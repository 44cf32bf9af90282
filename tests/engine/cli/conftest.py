"""A small film, and the command run in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.main import main
from tests.support.films import moving_scene, write_film


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def farshore(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `farshore ARGUMENTS...` as the shell would."""

    def run(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def small_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 24 grey frames of 96×64 at 24 frames a second, two shots."""
    path = tmp_path_factory.mktemp("film") / "small.mp4"
    shots = (moving_scene(96, 64, 12, seed=seed, color=False) for seed in (1, 2))
    return write_film(path, (picture for shot in shots for picture in shot), options={"crf": "2"})
