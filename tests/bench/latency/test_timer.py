"""Whether the clock is honest: a stage of known length is measured to within 2 %."""

import numpy as np
import pytest

from bench.latency.drive import Drive, Limited, in_turn
from bench.latency.figures import figures, frame_times
from engine.pipeline import Pipeline
from engine.trace import Trace
from tests.support.frames import Collector, ListReader
from tests.support.timed_stage import ClockedReader, SlowCollector, Spend, TimedStage, VirtualClock, sleep, spin

LENGTHS_NS = [round(ms * 1e6) for ms in np.random.default_rng(7).uniform(1, 50, 24)]
"""1 to 50 ms, seeded."""


def in_a_row(stage: TimedStage) -> Drive:
    reader = Limited(ListReader(len(LENGTHS_NS)), 60)
    return in_turn(reader, [stage], Collector(), Trace())


def beside_others(stage: TimedStage) -> Drive:
    """Run through the engine's pipeline, before a writer that makes the stage wait 20 ms a frame for room."""
    reader, trace = Limited(ListReader(len(LENGTHS_NS)), 60), Trace()
    pipeline = Pipeline(reader, [stage], SlowCollector(20_000_000), queue_frames=1, trace=trace)
    spec = pipeline.open()
    pipeline.run(interval=0.01)
    times = {"began_ns": reader.began_ns, "warm_ns": reader.began_ns, "ended_ns": reader.ended_ns}
    return Drive(trace=trace, threads={}, spec_in=spec, spec_out=spec, failures=0, **times)


@pytest.mark.parametrize("drive", [in_a_row, beside_others])
@pytest.mark.parametrize("spend", [sleep, spin])
def test_a_stage_of_known_length_is_measured_to_within_two_percent(spend: Spend, drive: object) -> None:
    """Compare with the hardware's own clock, frame by frame.

    A machine that is busy makes a frame longer than it was told to be, and the stage's own record says so; it may also
    take the processor away between the two clocks, so one frame in four may be off.
    """
    stage = TimedStage(LENGTHS_NS, spend)
    done: Drive = drive(stage)  # type: ignore[operator]
    rows = done.trace.slices["timed"].rows()
    measured = (rows[:, 1] - rows[:, 0])[rows[:, 3] >= 0]
    really = np.array(stage.really_ns)
    assert len(measured) == len(really) == len(LENGTHS_NS)
    off = np.abs(measured / really - 1)
    assert np.quantile(off, 0.75) < 0.02
    assert np.all(measured > 0.999 * really), "a clock cannot see less than there was"
    assert np.all(really >= 0.999 * np.array(LENGTHS_NS)), "the stage took the time that it was told to"


def test_every_figure_of_a_known_distribution_is_within_two_percent() -> None:
    clock = VirtualClock()
    lengths = [round(ms * 1e6) for ms in np.random.default_rng(11).uniform(1, 50, 500)]
    trace = Trace()
    reader = Limited(ClockedReader(len(lengths), clock), 1e6, clock)
    writer = Collector()
    done = in_turn(reader, [TimedStage(lengths, clock.spend)], writer, trace, clock=clock)
    run = figures(done, cores=1)
    stage = run["stages"][1]
    known = np.array(lengths) / 1e6
    for key, value in (
        ("mean_ms", known.mean()),
        ("median_ms", np.percentile(known, 50)),
        ("p95_ms", np.percentile(known, 95)),
        ("p99_ms", np.percentile(known, 99)),
        ("max_ms", known.max()),
        ("jitter_ms", np.abs(np.diff(known)).mean()),
    ):
        assert stage[key] == pytest.approx(value, rel=0.02), key
    assert run["fps_out"] == pytest.approx(1000 / known.mean(), rel=0.02)
    assert run["delay_ms"]["median_ms"] == pytest.approx(np.percentile(known, 50), rel=0.02)
    assert stage["budget_ms"] == pytest.approx(1000 / 24)
    assert run["efficiency"] is None
    assert run["slowest"] == "timed"


def test_frames_of_the_warm_up_and_the_end_are_left_out_and_counted() -> None:
    clock = VirtualClock()
    reader = Limited(ClockedReader(1000, clock), 1.0, clock)
    done = in_turn(reader, [TimedStage([10_000_000], clock.spend)], Collector(), Trace(), warm_up=0.4, clock=clock)
    ends, work, left_out = frame_times(done, "timed")
    assert left_out == {"first": 40, "last": 0}
    assert len(work) == pytest.approx(60, abs=1)
    assert ends.min() >= done.warm_ns
    run = figures(done, cores=1)
    assert run["seconds"] == pytest.approx(0.6, rel=0.02)
    assert run["stages"][1]["busy"] == pytest.approx(1, rel=0.02)


def test_waiting_is_told_apart_from_work() -> None:
    stage = TimedStage([2_000_000], sleep)
    run = figures(beside_others(stage), cores=1)
    timed, encode = run["stages"][1:]
    assert timed["mean_ms"] < 10, "20 ms a frame is spent waiting"
    assert timed["blocked"] > 0.5
    assert timed["busy"] < 0.5
    assert encode["busy"] > 0.8
    assert encode["in_queue_ms"]["median"] > 10
    assert run["slowest"] == "encode"
    assert run["efficiency"] == encode["busy"]
    for stage in run["stages"]:
        assert sum(stage[share] or 0 for share in ("busy", "starved", "blocked")) == pytest.approx(1, abs=0.05), stage
