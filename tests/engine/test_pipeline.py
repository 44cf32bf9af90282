import json
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from engine.chrome_trace import write_chrome_trace
from engine.errors import ConfigError, DeviceError, Interrupted, TimestampError
from engine.frame import Frame
from engine.pipeline import Pipeline
from engine.run_report import Progress, RunReport
from engine.thread_split import NICER
from engine.trace import Trace
from engine.types import FrameSpec
from tests.support.chrome_trace import check_trace
from tests.support.frames import Collector, Delay, ListReader


def run(reader: ListReader, stages: list[Delay], writer: Collector, **options: object) -> RunReport:
    pipeline = Pipeline(reader, stages, writer, **options)  # type: ignore[arg-type]
    pipeline.open()
    return pipeline.run(interval=0.01)


def test_frames_come_out_in_order_with_their_times_and_all_buffers_come_back() -> None:
    reader, writer = ListReader(50), Collector()
    stages = [Delay("enhance", 3), Delay("colorize", 1)]
    report = run(reader, stages, writer)
    assert [row[0] for row in writer.rows] == list(range(50))
    assert [row[2] for row in writer.rows] == [Fraction(index, 24) for index in range(50)]
    assert writer.state == "finished"
    assert (report.frames_in, report.frames_out) == (50, 50)
    assert reader.pool.on_loan == sum(stage.pool.on_loan for stage in stages) == 0
    assert reader.closed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
@pytest.mark.parametrize("has_model", [True, False])
def test_the_stage_with_the_heaviest_model_has_the_processor_before_the_others(has_model: bool) -> None:
    class Timed(Delay):
        def __init__(self, name: str, seconds: float) -> None:
            super().__init__(name, 1)
            self._seconds = seconds
            self.niceness: set[int] = set()

        def measure(self, threads: int) -> float | None:
            return self._seconds if has_model else None

        def push(self, frame: Frame) -> Iterator[Frame]:
            self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            yield from super().push(frame)

    light, heavy, usual = Timed("enhance", 0.01), Timed("colorize", 0.02), os.getpriority(os.PRIO_PROCESS, 0)
    run(ListReader(10), [light, heavy], Collector())
    assert heavy.niceness == {usual}
    assert light.niceness == {min(usual + NICER, 19) if has_model else usual}


def test_a_cut_flushes_and_resets_before_the_new_shot_is_pushed() -> None:
    stage, writer = Delay(look_ahead=3), Collector()
    run(ListReader(10, cuts=(0, 4)), [stage], writer)
    assert stage.log == ["flush 0", "reset", "flush 1/6", "reset", "flush 5/12"]
    assert [row[1] for row in writer.rows] == [0] * 4 + [1] * 6


@pytest.mark.parametrize("place", ["reader", "stage", "writer"])
def test_an_error_anywhere_ends_every_thread_and_is_raised(place: str) -> None:
    class Breaks(Delay):
        def push(self, frame: Frame) -> Iterator[Frame]:
            if frame.index == 7:
                frame.release()
                raise DeviceError("the device broke")
            yield from super().push(frame)

    reader = ListReader(100, fail_at=7 if place == "reader" else -1)
    stage = Breaks() if place == "stage" else Delay()
    writer = Collector(fail_at=7 if place == "writer" else -1)
    with pytest.raises((RuntimeError, DeviceError, OSError), match="broke"):
        run(reader, [stage], writer)
    assert writer.state == "aborted"
    assert reader.closed
    assert reader.pool.on_loan == stage.pool.on_loan == 0
    assert not [thread for thread in threading.enumerate() if thread.name in ("decode", "delay", "encode")]


def test_stop_ends_the_run_within_a_second() -> None:
    class Slow(Delay):
        def push(self, frame: Frame) -> Iterator[Frame]:
            time.sleep(0.02)
            yield from super().push(frame)

    reader, writer = ListReader(10_000), Collector()
    pipeline = Pipeline(reader, [Slow()], writer)
    pipeline.open()
    threading.Timer(0.1, pipeline.stop).start()
    began = time.perf_counter()
    with pytest.raises(Interrupted):
        pipeline.run()
    assert time.perf_counter() - began < 1
    assert writer.state == "aborted"
    assert reader.pool.on_loan == 0


def test_a_stop_that_comes_while_the_film_is_given_its_name_comes_too_late() -> None:
    class Finishing(Collector):
        def finish(self) -> None:
            pipeline.stop()
            super().finish()

    writer = Finishing()
    pipeline = Pipeline(ListReader(10), [Delay()], writer)
    pipeline.open()
    assert pipeline.run(interval=0.01).frames_out == 10
    assert writer.state == "finished"


def test_a_signal_may_stop_the_run_whatever_its_thread_is_doing() -> None:
    pipeline = Pipeline(ListReader(10), [Delay()], Collector())
    pipeline.open()
    with pipeline._lock:  # as when the signal interrupts `progress` on the same thread
        pipeline.stop()
    with pytest.raises(Interrupted):
        pipeline.run(interval=0.01)


class _StopsWhenAwaited:
    """An event that comes at once, and ends the run meanwhile."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None

    def wait(self, stream: object) -> None:
        raise AssertionError("nothing here works on a stream")

    def synchronize(self) -> None:
        assert self.pipeline is not None
        self.pipeline.stop()


def test_a_frame_between_a_queue_and_its_stage_comes_back_when_the_run_is_stopped() -> None:
    event = _StopsWhenAwaited()

    class Early(ListReader):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                frame.ready = event if frame.index == 3 else None  # type: ignore[assignment]
                yield frame

    class Releases(Delay):
        def push(self, frame: Frame) -> Iterator[Frame]:
            try:
                made = self._copy(frame.share())
            finally:
                frame.release()
            yield made

    reader, stage = Early(10), Releases()
    event.pipeline = pipeline = Pipeline(reader, [stage], Collector())
    pipeline.open()
    with pytest.raises(Interrupted):
        pipeline.run(interval=0.01)
    assert reader.pool.on_loan == stage.pool.on_loan == 0


@pytest.mark.parametrize("work", ["flush", "reset"])
def test_the_first_frame_of_a_shot_comes_back_when_the_old_shot_cannot_be_ended(work: str) -> None:
    class Breaks(Delay):
        def flush(self, end: Fraction | None) -> Iterator[Frame]:
            if work == "flush" and end is not None and end > 0:
                raise DeviceError("the device broke")
            yield from super().flush(end)

        def reset(self) -> None:
            if work == "reset" and "push" in self.log:
                raise DeviceError("the device broke")
            super().reset()

        def push(self, frame: Frame) -> Iterator[Frame]:
            self.log.append("push")
            yield from super().push(frame)

    reader, stage = ListReader(10, cuts=(0, 4)), Breaks()
    with pytest.raises(DeviceError, match="the device broke"):
        run(reader, [stage], Collector())
    assert reader.pool.on_loan == stage.pool.on_loan == 0


def test_times_that_do_not_increase_are_refused() -> None:
    class Backwards(Delay):
        def push(self, frame: Frame) -> Iterator[Frame]:
            frame.pts = 5 - frame.pts
            yield from super().push(frame)

    with pytest.raises(TimestampError, match="does not come after"):
        run(ListReader(5), [Backwards(look_ahead=0)], Collector())


def test_a_stage_name_stands_once() -> None:
    with pytest.raises(ConfigError, match="once"):
        Pipeline(ListReader(1), [Delay("a"), Delay("a")], Collector())


def test_a_stage_that_fails_to_open_leaves_nothing_open() -> None:
    class Refuses(Delay):
        def open(self, incoming: FrameSpec) -> FrameSpec:
            raise ConfigError("cannot")

    reader, closed = ListReader(1), []

    class Watched(Delay):
        def close(self) -> None:
            closed.append(self.name)

    with pytest.raises(ConfigError, match="cannot"):
        Pipeline(reader, [Watched("first"), Refuses("second")], Collector()).open()
    assert closed == ["first"]
    assert reader.closed


def test_time_in_a_queue_is_not_the_stages_time() -> None:
    class Slow(Delay):
        def push(self, frame: Frame) -> Iterator[Frame]:
            time.sleep(0.005)
            yield from super().push(frame)

    report = run(ListReader(40), [Delay("quick", 0), Slow("slow", 0)], Collector())
    rows = {row.stage: row for row in report.latency.stages}
    assert 5 <= rows["slow"].median_ms < 20
    assert rows["quick"].median_ms < 2, "it waits 5 ms a frame for a place in the queue, which is not its time"
    assert report.queue_waits["encode"] > 0.1


def test_the_trace_has_one_lane_a_stage_and_a_slice_a_frame(tmp_path: Path) -> None:
    trace = Trace()
    pipeline = Pipeline(ListReader(12), [Delay()], Collector(), trace=trace)
    pipeline.open()
    pipeline.run(interval=0.01)
    write_chrome_trace(tmp_path / "trace.json", trace)
    found = check_trace(json.loads((tmp_path / "trace.json").read_text()))
    assert found.lanes == ["decode", "delay", "encode"]
    assert found.frames_out == {"decode": 12, "delay": 12}
    assert found.arrows == {("decode", "delay"): 12, ("delay", "encode"): 12}


def test_progress_is_reported_while_it_runs() -> None:
    seen: list[Progress] = []
    pipeline = Pipeline(ListReader(30), [Delay()], Collector())
    pipeline.open()
    pipeline.run(seen.append, interval=0.001)
    assert seen[-1].frames_out == 30
    assert seen[-1].time == Fraction(29, 24)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait on a thread of the chain for what the threads beside it do; fails the run after 20 seconds."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.001)


def test_after_warm_up_nothing_is_allocated() -> None:
    """Hold the chain up once at each place, so that the warm-up reaches the most frames that can ever be under way."""
    waiting = 4
    in_hand = 1  # what a full queue's neighbour holds while it waits to put it, or while it works on it

    class Probe(Delay):
        grown: list[int]

        def push(self, frame: Frame) -> Iterator[Frame]:
            if frame.index == 20:
                most = in_hand + waiting + self.look_ahead + in_hand
                wait_until(lambda: reader.pool.on_loan == most, f"{most} frames between the reader and the stage")
                assert pipeline.queue_depths()["delay"] == waiting
            if frame.index == 50:
                tracemalloc.start()
                self.before = (reader.pool.allocated, self.pool.allocated)
                self.bytes = tracemalloc.get_traced_memory()[0]
            if frame.index == 250:
                self.grown = [reader.pool.allocated - self.before[0], self.pool.allocated - self.before[1]]
                self.grown_bytes = tracemalloc.get_traced_memory()[0] - self.bytes
                tracemalloc.stop()
            yield from super().push(frame)

    class Held(Collector):
        def write(self, frame: Frame) -> None:
            if frame.index == 30:
                most = in_hand + waiting + in_hand
                wait_until(lambda: probe.pool.on_loan == most, f"{most} frames between the stage and the writer")
                assert pipeline.queue_depths()["encode"] == waiting
            super().write(frame)

    reader, probe = ListReader(300), Probe()
    pipeline = Pipeline(reader, [probe], Held(), queue_frames=waiting)
    pipeline.open()
    pipeline.run(interval=0.01)
    assert probe.grown == [0, 0]
    assert probe.grown_bytes < 200 * 200
