"""What a long run is doing, for Prometheus, as text.

The figures are those of `engine/timing.py`; durations are counted into buckets as they come, so that nothing is lost
between two scrapes. The format is Prometheus' text format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from engine.media.losses import Losses
from engine.pipeline import Pipeline
from engine.timing import StageClock

BUCKETS_MS = (1, 2, 4, 8, 16, 33, 66, 100, 250)
"""Upper ends of the histograms' buckets, milliseconds: frame times from 1000 down to 4 a second."""

DELAY_BUCKETS_MS = (33, 66, 100, 250, 500, 1000, 2000, 4000, 8000)


class Histogram:
    """Durations counted in buckets; one thread adds, any thread reads."""

    def __init__(self, ends_ms: tuple[int, ...]) -> None:
        self.ends_ms = ends_ms
        self._ends_ns = [end * 1_000_000 for end in ends_ms]
        self._counts = [0] * (len(ends_ms) + 1)
        self._total_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._ends_ns, duration_ns)] += 1
        self._total_ns += duration_ns

    def lines(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Yield the histogram's samples, in seconds."""
        counts = list(accumulate(self._counts))
        for end, count in zip(self.ends_ms, counts, strict=False):
            yield sample(f"{name}_bucket", {**labels, "le": f"{end / 1000:g}"}, count)
        yield sample(f"{name}_bucket", {**labels, "le": "+Inf"}, counts[-1])
        yield sample(f"{name}_sum", labels, self._total_ns / 1e9)
        yield sample(f"{name}_count", labels, counts[-1])


class CountingClock(StageClock):
    """A stage's clock that counts durations into a histogram too.

    Attributes
    ----------
    latest_ns : the last duration that was counted
    """

    def __init__(self, clock: StageClock, histogram: Histogram) -> None:
        super().__init__(clock.name)
        self.threads = clock.threads
        self.latest_ns = 0
        self._histogram = histogram

    def add(self, duration_ns: int, worked_ns: int | None = None) -> None:
        """Count one frame put out after `duration_ns` of work."""
        super().add(duration_ns, worked_ns)
        self.latest_ns = duration_ns
        self._histogram.add(duration_ns)


@dataclass(slots=True)
class _Counts:
    """Counters; they never run backwards, over all films of a batch."""

    frames_in: int = 0
    frames_out: int = 0
    dropped: int = 0
    failed: dict[str, int] = field(default_factory=dict[str, int])

    def plus(self, other: "_Counts") -> "_Counts":
        stages = {**self.failed, **other.failed}
        return _Counts(
            frames_in=self.frames_in + other.frames_in,
            frames_out=self.frames_out + other.frames_out,
            dropped=self.dropped + other.dropped,
            failed={name: self.failed.get(name, 0) + other.failed.get(name, 0) for name in stages},
        )


class Metrics:
    """The figures of the films that one process restores, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = _Counts()
        self._films = 0
        self._pipeline: Pipeline | None = None
        self._losses = Losses()
        self._stages: dict[str, Histogram] = {}
        self._delays = Histogram(DELAY_BUCKETS_MS)
        self._delay: CountingClock | None = None

    def watch(self, pipeline: Pipeline, losses: Losses) -> None:
        """Show a film's pipeline from now on; call when it is open and before it runs."""
        with self._lock:
            self._done = self._done.plus(self._now())
            for name, clock in pipeline.clock.stages.items():
                histogram = self._stages.setdefault(name, Histogram(BUCKETS_MS))
                pipeline.clock.stages[name] = CountingClock(clock, histogram)
            pipeline.clock.delays = self._delay = CountingClock(pipeline.clock.delays, self._delays)
            self._pipeline, self._losses = pipeline, losses
            self._films += 1

    def text(self) -> str:
        """Return all figures in Prometheus' text format."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _now(self) -> _Counts:
        if self._pipeline is None:
            return _Counts()
        progress = self._pipeline.progress()
        return _Counts(
            frames_in=progress.frames_in,
            frames_out=progress.frames_out,
            dropped=self._losses.missing_frames + self._losses.undecodable_packets,
            failed={stage.name: stage.failures.total for stage in self._pipeline.stages},
        )

    def _lines(self) -> Iterator[str]:
        counts = self._done.plus(self._now())
        yield from head("farshore_films_total", "counter", "Films begun.")
        yield sample("farshore_films_total", {}, self._films)
        for name, text, value in (
            ("farshore_frames_in_total", "Frames read.", counts.frames_in),
            ("farshore_frames_out_total", "Frames written.", counts.frames_out),
            ("farshore_frames_dropped_total", "Frames that the film lacks or that could not be read.", counts.dropped),
        ):
            yield from head(name, "counter", text)
            yield sample(name, {}, value)
        yield from head("farshore_frames_failed_total", "counter", "Frames that a stage passed through unchanged.")
        for stage, value in counts.failed.items():
            yield sample("farshore_frames_failed_total", {"stage": stage}, value)
        name = "farshore_stage_duration_seconds"
        yield from head(name, "histogram", "Work of a stage on a frame that it put out, without waiting in queues.")
        for stage, histogram in self._stages.items():
            yield from histogram.lines(name, {"stage": stage})
        yield from head("farshore_frame_delay_seconds", "histogram", "From reading a frame to its being written.")
        yield from self._delays.lines("farshore_frame_delay_seconds", {})
        yield from self._gauges()

    def _gauges(self) -> Iterator[str]:
        pipeline, delay = self._pipeline, self._delay
        if pipeline is None or delay is None:
            return
        yield from head("farshore_queue_frames", "gauge", "Frames that wait in front of a stage.")
        for stage, depth in pipeline.queue_depths().items():
            yield sample("farshore_queue_frames", {"stage": stage}, depth)
        yield from head("farshore_delay_seconds", "gauge", "Delay of the latest frame written.")
        yield sample("farshore_delay_seconds", {}, delay.latest_ns / 1e9)
        yield from head("farshore_stage_threads", "gauge", "Threads of a stage's model.")
        for stage, clock in pipeline.clock.stages.items():
            yield sample("farshore_stage_threads", {"stage": stage}, clock.threads)
        yield from head("farshore_run_seconds", "gauge", "Since the film's run began.")
        yield sample("farshore_run_seconds", {}, pipeline.progress().seconds)


def head(name: str, kind: str, text: str) -> Iterator[str]:
    """Yield the lines that stand before a metric's samples."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """Return one line: a metric, its labels, its value."""
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" if labels else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
