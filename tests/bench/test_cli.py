import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench.cli import register
from bench.quality.head import commit
from engine.cli.main import main
from tests.bench.quality.material_files import make_material
from tests.support.tiny_models import mean_enhancer


def run(arguments: list[str]) -> int:
    """Run the program with the bench's commands, installed or not."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["bench", "quality", *arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return int(result.return_value or 0)


def test_a_run_writes_what_it_was_asked_for(tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path).path
    data = make_material(tmp_path / "data", frames=6)
    asked = ["--data", str(data), "--only", "restore", "--model", str(model), "--quick", "--frames", "4"]
    out = ["--json", str(tmp_path / "quality.json"), "--sheet", str(tmp_path / "sheet.png")]
    assert run([*asked, "--photos", "0", *out, "--quiet"]) == 0
    found = json.loads((tmp_path / "quality.json").read_text())
    assert [row["case"]["damage"] for row in found["restore"]["rows"]] == ["clean", "light", "medium", "heavy"]
    assert found["head"]["plan"]["frames"] == 4
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_what_cannot_be_is_said_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app_is_there = main(["bench", "quality", "--help"]) == 0
    capsys.readouterr()
    if not app_is_there:
        pytest.skip("farshore was installed before it had a bench: run pip install -e . again")
    for option, value, said in (
        ("--json", tmp_path / "none" / "x.json", "no such folder"),
        ("--sheet", tmp_path / "x.gif", "ending in .png"),
        ("--data", tmp_path / "none", "no such folder"),
        ("--frames", 2, "wanted at least 4"),
    ):
        arguments = ["bench", "quality", "--data", str(tmp_path), option, str(value)]
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("farshore: ")
        assert said in error
        assert error.count("\n") == 1


def test_the_bench_brings_no_torch() -> None:
    program = "import sys, bench.cli, bench.quality.run, bench.quality.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0


def test_help_prints_without_optional_packages() -> None:
    program = (
        "import sys\n"
        "for name in ('onnxruntime', 'onnx', 'torch'): sys.modules[name] = None\n"
        "import typer, bench.cli\n"
        "app = typer.Typer(); app.callback()(lambda: None); bench.cli.register(app)\n"
        "app(['bench', 'quality', '--help'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "--every-file" in done.stdout


def test_the_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    here = commit(Path(__file__).parent)
    if here is not None:
        assert len(here.removesuffix("+changes")) == 40
