from pathlib import Path

import pytest

from bench.plan_check import Row, run_once, settings_of
from engine.demo.aged_film import make_aged_film


def row(planned: float, measured: float) -> Row:
    return Row(
        size="",
        stages="",
        figure="frames/s",
        planned=planned,
        low=0.75 * planned,
        high=1.35 * planned,
        measured=measured,
    )


def test_errors_and_margins() -> None:
    assert row(12, 10).error == pytest.approx(0.2)
    assert row(12, 10).is_within
    assert not row(10, 14).is_within


def test_one_run_is_measured(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    make_aged_film(film, frames=12, width=96, height=64, seed=1)
    made = run_once(film, "enhance", 0.01)
    assert made.fps > 1
    assert made.memory > 10_000_000
    assert made.delay > 0.03  # it looks two pictures ahead, and the inspection further: at 100 a second


def test_stages_by_their_words() -> None:
    assert settings_of("enhance, interpolate 2x").interpolate.factor == 2
    assert settings_of("enhance").colorize.mode == "never"
