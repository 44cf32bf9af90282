"""What `make gpu-check` and the rule for tests that need a GPU do."""

import os
import shutil
import subprocess
import sys
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
        ["make", "gpu-check", f"GPU={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (tmp_path / "calls").read_text().splitlines() == [f"1 -m pytest -m gpu {LOOKED_IN}", " -m bench.gpu.check"]
    assert (done.returncode == 0) == (tests == check == 0)
    assert f"tests ended with {tests}, the check with {check}" in done.stdout


def test_gpu_check_looks_wherever_a_test_needs_a_gpu():
    marked = {
        file
        for file in (ROOT / "tests").rglob("test_*.py")
        if file != Path(__file__).resolve() and "mark.gpu" in file.read_text()
    }
    found = {file for file in marked for place in LOOKED_IN.split() if file.is_relative_to(ROOT / place)}
    assert marked
    assert found == marked
