"""What `make gpu-check` and the rule for tests that need a GPU do."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOOKED_IN = "tests/engine tests/kernels/test_gpu.py"  # tests/export needs PyTorch, which that environment lacks

SKIPS = """
import pytest

@pytest.mark.gpu
def test_without_gpu():
    pytest.skip("no GPU: no driver")

@pytest.mark.gpu
def test_without_library():
    pytest.skip("TensorRT for RTX does not serve this GPU")

def test_that_needs_none():
    pytest.skip("no GPU, and none is needed")
"""


@pytest.mark.parametrize(("required", "counts"), [("1", "1 failed, 2 skipped"), ("0", "3 skipped")])
def test_only_a_skip_for_want_of_a_gpu_is_a_failure_where_one_must_be(tmp_path, required, counts):
    (tmp_path / "test_skips.py").write_text(SKIPS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs one\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FARSHORE_REQUIRE_GPU": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert counts in done.stdout
    assert ("FARSHORE_REQUIRE_GPU=1, but the test was skipped: no GPU: no driver" in done.stdout) == (required == "1")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("tests", "check"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_gpu_check_runs_both_and_fails_where_either_does(tmp_path, tests, check):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\necho "$FARSHORE_REQUIRE_GPU $*" >> {tmp_path}/calls\n'
        f'[ "$2" = pytest ] && exit {tests}\nexit {check}\n'
    )
    python.chmod(0o755)
    (tmp_path / ".ready").touch()
    done = subprocess.run(
        ["make", "gpu-check", f"GPU={tmp_path}", "TORCH_PYTHON=python-with-torch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"1 -m pytest -m gpu {LOOKED_IN}",
        " -m bench.gpu.check --torch python-with-torch",
    ]
    assert (done.returncode == 0) == (tests == check == 0)
    assert f"tests ended with {tests}, the check with {check}" in done.stdout


def marked_files() -> set[Path]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {file for file in files if file != Path(__file__).resolve() and "mark.gpu" in file.read_text()}


def test_gpu_check_looks_wherever_a_test_needs_a_gpu():
    marked = marked_files()
    found = {file for file in marked for place in LOOKED_IN.split() if file.is_relative_to(ROOT / place)}
    assert marked
    assert found == marked


def test_what_runs_on_a_gpu_alone_is_type_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    assert {str(file.relative_to(ROOT)) for file in marked_files()} <= set(settings["include"])


REHEARSED = ["tests/engine/device/test_gpu.py", "tests/engine/backends/test_on_gpu.py"]
"""Of the files that need a GPU those that a simulated device can run; `tests/kernels` asks for every case itself."""


@pytest.mark.parametrize("chosen", ["not chain", pytest.param("chain", marks=pytest.mark.slow)])
def test_what_a_gpu_is_asked_can_be_answered(chosen):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.support.rehearse_gpu",
            "-p",
            "no:cacheprovider",
            "-m",
            "gpu",
            "-rs",
        ]
        + ["-k", chosen, *REHEARSED],
        cwd=ROOT,
        env={**os.environ, "FARSHORE_REQUIRE_GPU": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout
