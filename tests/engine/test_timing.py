import time

from engine.timing import EDGE_FRAMES, Clock, StageClock
from engine.trace import NONE, SLICE_FIELDS, Ring
from engine.work_clock import HostClock, waiting
from tests.support.frames import ListReader


def test_percentiles_leave_out_both_edges_of_a_run() -> None:
    clock = StageClock("enhance")
    for ms in [500] * EDGE_FRAMES + list(range(1, 101)) + [500] * EDGE_FRAMES:
        clock.add(ms * 1_000_000)
    latency = clock.latency()
    assert latency.frames == 100 + 2 * EDGE_FRAMES
    assert latency.max_ms == 100
    assert latency.median_ms == 50.5
    assert 94 < latency.p95_ms < 96.5
    assert 98 < latency.p99_ms <= 100


def test_a_short_run_leaves_nothing_out_and_an_empty_one_is_zero() -> None:
    clock = StageClock("enhance")
    assert clock.latency().median_ms == 0
    clock.add(3_000_000)
    assert clock.latency().max_ms == 3


def test_the_ring_keeps_the_latest_and_never_grows() -> None:
    clock = StageClock("enhance", capacity=8)
    for ms in range(100):
        clock.add(ms * 1_000_000)
    assert clock.frames == 100
    assert clock.latency().max_ms == 99
    assert clock.latency().median_ms == 95.5


def test_work_without_a_frame_counts_in_the_total_alone() -> None:
    clock = StageClock("enhance")
    clock.add_idle(2_000_000_000)
    assert clock.latency().total_seconds == 2
    assert clock.latency().frames == 0


def test_the_report_has_every_stage_in_the_chains_order() -> None:
    report = Clock(["decode", "enhance", "encode"]).report(frames=50, wall_seconds=2.0)
    assert [row.stage for row in report.stages] == ["decode", "enhance", "encode"]
    assert report.frames_per_second == 25
    assert report.to_json()["stages"][1]["stage"] == "enhance"


def test_waiting_for_a_device_is_no_work_of_the_host() -> None:
    stage, slices, frame = StageClock("decode"), Ring(len(SLICE_FIELDS), 4), next(ListReader(1).frames())
    clock = HostClock(stage, slices)
    for waited, worked in ((0.05, 0.0), (0.0, 0.03)):
        clock.begin()
        with waiting():
            time.sleep(waited)
        time.sleep(worked)
        ended = clock.end(NONE, frame)
        begin, end = slices.rows()[-1][:2]
        assert end == ended
        assert worked * 1e9 <= end - begin < (worked + 0.02) * 1e9
    assert 0.03e9 <= stage.total_ns < 0.05e9
