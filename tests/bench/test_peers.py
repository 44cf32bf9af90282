import numpy as np
import pytest

from bench import peers as bench
from bench.peers import TASKS, draw, measure, minterpolate, ours


def test_the_drawn_film_moves() -> None:
    film = draw(96, 64, 8)
    assert [picture.shape for picture in film] == [(64, 96)] * 8
    assert all(np.abs(one.astype(float) - other).mean() > 0.5 for one, other in zip(film, film[1:], strict=False))


def test_farshore_and_ffmpeg_double_the_rate() -> None:
    film = draw(96, 64, 8)
    count, seconds = ours(film, TASKS["interpolate 2x"])()
    assert count == 16
    assert seconds > 0
    assert minterpolate(film) >= 10  # it holds pictures back at the end


def test_a_peer_that_cannot_run_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(film: object, settings: object) -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr(bench, "torch_loop", missing)
    monkeypatch.setattr(bench, "TASKS", {"interpolate 2x": TASKS["interpolate 2x"]})
    rows = {row.contender: row for row in measure((96, 64), frames=8, rounds=1, tell=lambda text: None)}
    assert rows["farshore"].ratio == pytest.approx(1)
    assert rows["ffmpeg minterpolate"].ratio is not None
    assert "torch" in rows["PyTorch, frame by frame"].why
    assert rows["PyTorch, frame by frame"].fps is None
    assert rows["VapourSynth"].why
