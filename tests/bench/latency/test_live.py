"""Frames that come at the film's rate, and the delay that is left then."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.latency.drive import Live
from engine.cli.main import main
from engine.frame import Frame
from tests.support.frames import ListReader
from tests.support.timed_stage import VirtualClock

FRAME_NS = 1_000_000_000 // 24


class SlowReader(ListReader):
    """Takes a time of its own for each frame."""

    def __init__(self, count: int, clock: VirtualClock, length_ns: int) -> None:
        super().__init__(count)
        self._clock, self._length = clock, length_ns

    def frames(self) -> Iterator[Frame]:
        for frame in super().frames():
            self._clock.spend(self._length)
            yield frame


def arrivals(taking_ns: int) -> tuple[list[int], list[int]]:
    """Return when frames came and when they were due, of a chain that takes so long for each."""
    clock = VirtualClock()
    live = Live(SlowReader(20, clock, 1_000_000), 3600, clock, lambda seconds: clock.spend(round(seconds * 1e9)))
    came, due = [], []
    for frame in live.frames():
        came.append(clock.now)
        due.append(frame.first_ns)
        frame.release()
        clock.spend(taking_ns)
    return came, due


def test_frames_come_when_they_are_due_to_a_chain_that_keeps_up():
    came, due = arrivals(taking_ns=FRAME_NS // 2)
    assert np.diff(due) == pytest.approx(FRAME_NS, abs=2)
    assert all(0 <= late < 10_000 for late in np.subtract(came, due))


def test_a_chain_that_does_not_keep_up_falls_ever_further_behind():
    came, due = arrivals(taking_ns=2 * FRAME_NS)
    assert np.diff(due) == pytest.approx(FRAME_NS, abs=2)
    behind = np.subtract(came, due)
    assert behind[-1] > 15 * FRAME_NS
    assert (np.diff(behind) > 0).all()


def test_the_command_measures_the_delay_that_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "live.json"
    quick = ["--seconds", "1", "--warm-up", "0.3", "--repeat", "1", "--threads", "1", "--json", str(out)]
    common = ["bench", "chain", "--backend", "null", *quick, "--live"]
    assert main([*common, "--size", "96x64"]) == 0
    assert "glass to glass live: median" in capsys.readouterr().out
    (case,) = json.loads(out.read_text())["cases"]
    (run,) = case["runs"]
    assert case["case"]["live"] is True
    assert run["slowest"] != "decode"
    assert main([*common, "--size", "640x360", "--rate", "1000"]) == 0
    assert "does not hold the film's rate" in capsys.readouterr().out
