"""Progress: share, current rate and time left, from the pipeline's own clock."""

import json
from fractions import Fraction

import pytest

from engine.cli.progress import Estimate, Standing, clock_text, progress_view, standing_text
from engine.run_report import Progress


def progress(frames: int, time: Fraction | None, seconds: float) -> Progress:
    return Progress(frames_in=frames, frames_out=frames, time=time, seconds=seconds)


def test_share_and_time_left_follow_the_films_duration() -> None:
    estimate = Estimate(None, Fraction(10), Fraction(1))
    assert estimate.update(progress(0, None, 1.0)).share == 0.0
    assert estimate.update(progress(1, Fraction(1), 3.0)).seconds_left is None
    standing = estimate.update(progress(48, Fraction(3), 7.0))
    assert standing.share == pytest.approx(0.2)
    assert standing.seconds_left == pytest.approx(16.0)


def test_frames_stand_in_for_an_unknown_duration_and_nothing_for_both() -> None:
    assert Estimate(200, None).update(progress(50, Fraction(1), 1.0)).share == 0.25
    assert Estimate(None, None).update(progress(50, Fraction(1), 1.0)) == Standing(
        frames=50, share=None, frames_per_second=0.0, seconds_left=None
    )


def test_the_rate_is_that_of_the_last_seconds() -> None:
    estimate = Estimate(None, None)
    for second in range(20):
        standing = estimate.update(progress(10 * second if second < 10 else 90 + 30 * (second - 9), None, second))
    assert standing.frames_per_second == pytest.approx(30)


def test_texts() -> None:
    standing = Standing(frames=101, share=0.42, frames_per_second=31.24, seconds_left=7.2)
    assert standing_text(standing).split("  ") == [" 42%", "101 frames", "31.2 fps", "0:07 left"]
    assert clock_text(3723) == "1:02:03"


def test_plain_lines_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_view("a.mp4", as_json=False, quiet=False) as view:
        for frames in (0, 1, 2):
            view.show(Standing(frames=frames, share=frames / 2, frames_per_second=0, seconds_left=None))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["a.mp4    0%  0 frames", "a.mp4  100%  2 frames"]


def test_json_lines_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    standing = Standing(frames=5, share=None, frames_per_second=2.0, seconds_left=None)
    with progress_view("a.mp4", as_json=True, quiet=False) as view:
        view.show(standing)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert events[0]["event"] == "progress"
    assert events[0]["frames"] == 5
    with progress_view("a.mp4", as_json=True, quiet=True) as view:
        view.show(standing)
    assert capsys.readouterr().err == ""
