"""Whatever stands in the way is one line with its cure on stderr, nothing on stdout, and the right exit code."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.outcome import print_error
from engine.errors import DecodeError
from engine.model import builtin_models
from tests.engine.cli.conftest import Outcome

Command = Callable[..., Outcome]


def assert_one_line(outcome: Outcome, code: int, pattern: str) -> None:
    __tracebackhide__ = True
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert re.search(pattern, lines[0]), lines[0]
    assert lines[0].startswith("farshore: ")
    assert outcome.out == ""
    assert outcome.code == code


def test_missing_film(farshore: Command, tmp_path: Path) -> None:
    outcome = farshore("restore", tmp_path / "none.mp4", tmp_path / "out.mp4")
    assert_one_line(outcome, 1, "none.mp4: no such file; check the path")


def test_missing_film_for_info(farshore: Command, tmp_path: Path) -> None:
    assert_one_line(farshore("info", tmp_path / "none.mp4"), 1, "none.mp4: no such file")


def test_a_text_file_is_no_film(farshore: Command, tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear sirs, " * 100)
    assert_one_line(farshore("restore", tmp_path / "letter.mp4", tmp_path / "out.mp4"), 1, "letter.mp4")


def test_unknown_key(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[enhance]\nstrenght = 1\n")
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--config", tmp_path / "c.toml")
    assert_one_line(outcome, 2, "c.toml:2: unknown key 'strenght'.*did you mean 'strength'")


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        (("--interpolate", "fast"), "interpolate: got 'fast'; wanted a rate such as 48"),
        (("--input-rate", "1/0"), "--input-rate: got '1/0'; wanted a rate such as"),
        (("--strength", "2"), "strength: got 2.0; wanted a number from 0 to 1"),
        (("--preset", "silent"), "preset: got 'silent'; did you mean 'silent-film'"),
        (("--codec", "mpeg2"), "mpeg2"),
        (("--strenght", "1"), "No such option: --strenght"),
        (("--trace",), "requires an argument"),
    ],
)
def test_bad_options(
    farshore: Command, small_film: Path, tmp_path: Path, options: tuple[str, ...], pattern: str
) -> None:
    assert_one_line(farshore("restore", small_film, tmp_path / "out.mp4", *options), 2, pattern)


def test_missing_model(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--enhance-model", "best-ever")
    assert_one_line(
        outcome, 1, "model 'best-ever': not built in, not installed in .*, and no such file; there are .*film-restore"
    )


def test_damaged_model(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(builtin_models()["film-restore"].read_bytes()[:1000])
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--enhance-model", damaged)
    assert_one_line(outcome, 1, "damaged.onnx: not a readable ONNX file .*; fetch or export it again")
    assert not (tmp_path / "out.mp4").exists()


def test_a_model_for_another_role(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--enhance-model", "film-colorize")
    assert_one_line(outcome, 1, "its role is colorize; wanted one for enhance")


def test_folder_that_cannot_be_written(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = farshore("restore", small_film, tmp_path / "file" / "out.mp4", "--backend", "null")
    assert outcome.code in (1, 2)
    assert_one_line(outcome, outcome.code, "file")


def test_existing_target(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("mine")
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", "--backend", "null")
    assert outcome.code in (1, 2)
    assert_one_line(outcome, outcome.code, "out.mp4.*--overwrite")
    assert (tmp_path / "out.mp4").read_text() == "mine"


def test_debug_shows_the_traceback(farshore: Command, tmp_path: Path) -> None:
    outcome = farshore("restore", tmp_path / "none.mp4", tmp_path / "out.mp4", "--debug")
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("farshore: ")


def test_print_error_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(DecodeError("film.mp4: no"), debug=False)
    assert capsys.readouterr().err == "farshore: film.mp4: no\n"
