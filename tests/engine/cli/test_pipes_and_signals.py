"""What only a process of its own can show: pipes, Ctrl-C, and going on afterwards."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from tests.support.films import moving_scene, write_film

COMMAND = [sys.executable, "-m", "engine.cli.main"]


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 1200 frames in 20 shots, which take some seconds on the null backend."""
    path = tmp_path_factory.mktemp("film") / "long.mp4"
    shots = [list(moving_scene(192, 128, 60, seed=seed, color=False)) for seed in range(4)]
    return write_film(path, (picture for number in range(20) for picture in shots[number % 4]))


def test_y4m_from_pipe_to_pipe_is_nothing_but_frames(small_film: Path) -> None:
    first = subprocess.run(
        [*COMMAND, "restore", str(small_film), "-", "--backend", "null"], capture_output=True, check=True, timeout=60
    )
    assert first.stdout.startswith(b"YUV4MPEG2 ")
    assert b"24 frames" in first.stderr
    second = subprocess.run(
        [*COMMAND, "restore", "-", "-", "--backend", "null", "--quiet"],
        input=first.stdout, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert second.stdout.count(b"FRAME") == 24
    assert second.stderr == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on_and_goes_on(long_film: Path, tmp_path: Path, number: signal.Signals) -> None:
    target = tmp_path / "out.mp4"
    arguments = ["restore", str(long_film), str(target), "--backend", "null", "--threads", "1"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(tmp_path.glob("out.mp4.part/*")))
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith(f"farshore: {target}: ")
    assert last.endswith(f"go on with: farshore {' '.join(arguments)} --resume")
    assert not target.exists()
    if number == signal.SIGTERM:
        return
    command = [*COMMAND, *arguments, "--resume"]
    resumed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert resumed.returncode == 0, resumed.stderr
    with av.open(str(target)) as container:
        assert container.streams.video[0].frames == 1200


def wait_for(is_so: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
