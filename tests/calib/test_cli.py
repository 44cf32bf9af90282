import json
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from engine.cli.main import main  # noqa: E402
from engine.model import Model  # noqa: E402

SHORT = ("--frames", "6", "--held-apart", "3")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_the_command_writes_model_table_and_report(
    small_model: Model, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.int8.onnx"
    assert run("calibrate", small_model.path, "--footage", film, "-o", out, *SHORT, "--only-to-bound") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "small.int8.onnx",
        "small.int8.report.json",
        "small.int8.report.png",
        "small.int8.table.json",
    ]
    told = capsys.readouterr()
    assert "small-restorer: 4 layers in 8 bits, 2 in float32; loses 0.0" in told.out
    assert "→ 0" in told.out
    assert "farshore: collect ranges" in told.err
    assert Model.load(out).card.precision == "int8"
    assert run("compare-tables", tmp_path / "small.int8.table.json", tmp_path / "small.int8.table.json") == 0
    assert "100%" in capsys.readouterr().out


def test_models_are_compared_with_the_float_one(
    small_model: Model, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.int8.onnx"
    assert run("calibrate", small_model.path, "--footage", film, "-o", out, *SHORT, "--only-to-bound") == 0
    promised = (Model.load(out).card.calibration or {})["loss"]
    capsys.readouterr()
    arguments = ("compare-models", small_model.path, out, "--footage", film, "--held-apart", "3")
    assert run(*arguments, "--json") == 0
    whole, eight = json.loads(capsys.readouterr().out)
    assert (whole["precision"], whole["loss"], eight["precision"]) == ("fp32", 0, "int8")
    assert eight["loss"] == pytest.approx(promised, rel=0.3)  # other pictures of the same stretch
    assert eight["size_bytes"] == out.stat().st_size
    assert whole["milliseconds"] > 0 < eight["milliseconds"]
    assert run(*arguments) == 0
    shown = capsys.readouterr().out
    assert "small.int8.onnx" in shown
    assert "loss dB" in shown
    assert run("compare-models", out, small_model.path, "-f", film) == 1
    assert "is int8; wanted the float32 model" in capsys.readouterr().err
    assert run("compare-models", small_model.path, "film-interpolate", "-f", film) == 1
    assert "takes or gives other tensors than small-restorer; wanted one made of it" in capsys.readouterr().err


def test_more_films_may_follow_and_json_is_one_object(
    small_model: Model, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("calibrate", small_model.path, "--footage", film, film, "-o", tmp_path / "m.onnx", *SHORT, "--json")
    assert run(*arguments, "--only-to-bound") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["calibration"]["footage"]) == 2
    assert told["chosen"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "x.onnx"), "got no footage"),
        (("--footage", "FILM", "-o", "x.bin"), "wanted a name that ends in .onnx"),
        (("--footage", "FILM", "-o", "none/x.onnx"), "is not there"),
        (("--footage", "FILM", "--max-loss", "-1"), "max loss: got -1.0"),
    ],
)
def test_wrong_questions_get_one_line(
    small_model: Model, film: Path, tmp_path: Path, monkeypatch, capsys, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path))
    given = [str(film) if argument == "FILM" else argument for argument in arguments]
    assert run("calibrate", small_model.path, *given) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told.splitlines()) == 1
