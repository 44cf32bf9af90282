"""Whatever is done to a file, `farshore restore` ends soon, in order, and with the right exit code.

`FARSHORE_CLI_MUTATIONS=312 pytest tests/engine/cli/test_mutations.py` tries that many copies rather than a few.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.outcome import ExitCode
from tests.support.damage import ORIGINALS, mutations

COPIES = max(1, int(os.environ.get("FARSHORE_CLI_MUTATIONS", "13")) // len(ORIGINALS))
MOST_SECONDS = 30.0


@pytest.mark.parametrize("original", ORIGINALS)
@pytest.mark.timeout(max(60, COPIES * 30))
def test_a_damaged_copy_is_restored_or_refused_in_one_line(original: str, tmp_path: Path) -> None:
    path = ORIGINALS[original](tmp_path)
    copy, target = path.with_name(f"copy{path.suffix}"), tmp_path / "restored.mp4"
    command = [sys.executable, "-m", "engine.cli.main", "restore", str(copy), str(target), "--backend", "null"]
    for number, data in enumerate(mutations(path.read_bytes(), COPIES, seed=hash_of(original))):
        copy.write_bytes(data)
        ended = subprocess.run(
            [*command, "--interpolate", "48", "--quiet"],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        about = f"copy {number} of {original}: {ended.stderr}"
        assert "Traceback" not in ended.stderr, about
        assert "bug in farshore" not in ended.stderr, about
        assert ended.returncode in (ExitCode.DONE, ExitCode.FAILED, ExitCode.DONE_WITH_LOSSES), about
        assert target.exists() == (ended.returncode != ExitCode.FAILED), about
        if ended.returncode == ExitCode.FAILED:
            assert ended.stderr.rstrip("\n").splitlines()[-1].startswith("farshore: "), about
            assert not target.with_name("restored.mp4.part").exists(), about
        target.unlink(missing_ok=True)


def hash_of(name: str) -> int:
    """Return a seed of its own for each original, the same in every run."""
    return sum(ord(letter) << number % 16 for number, letter in enumerate(name))
