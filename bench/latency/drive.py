"""Runs a case and keeps its trace: all stages at once through the engine's pipeline, or one after the other."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from bench.latency.case import Case
from engine.backends.watched import WatchedBackend
from engine.chain import Chain, build_chain, open_backend
from engine.chain_ends import Reader, Writer
from engine.errors import ConfigError
from engine.frame import Frame
from engine.media.device.border import border_of
from engine.media.reader import FilmReader
from engine.media.writer import WriteJob, open_writer, takes_device_frames
from engine.pipeline import Pipeline
from engine.stages.base import Stage
from engine.thread_split import available_cores
from engine.trace import NONE, Trace
from engine.types import FrameFlags, FrameSpec, PixelFormat

Clock = Callable[[], int]
"""Nanoseconds since some moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A run that has ended.

    trace : everything that it did
    began_ns, ended_ns : when it began, and when no more frames were read
    warm_ns : when measuring began
    notices : what reader and writer say: on a GPU, why the processor decodes or codes
    is_live : frames came when they were due; what decoding took includes waiting for them
    cpu_seconds : of all threads of the process from then to the end; None where it was not taken
    cpu_wall_seconds : the same time by the clock
    threads : stage → of its model
    spec_in, spec_out : frames as read and as written
    failures : frames that a stage passed through unchanged
    """

    trace: Trace
    began_ns: int
    warm_ns: int
    ended_ns: int
    threads: dict[str, int]
    spec_in: FrameSpec
    spec_out: FrameSpec
    failures: int
    notices: tuple[str, ...] = ()
    is_live: bool = False
    cpu_seconds: float | None = None
    cpu_wall_seconds: float | None = None


class Limited:
    """A reader that comes to its end after a time; the film's own end may come sooner.

    Parameters
    ----------
    inner : what is read
    seconds : from the first frame asked for
    """

    def __init__(self, inner: Reader, seconds: float, clock: Clock = time.perf_counter_ns) -> None:
        self._inner, self._seconds, self._clock = inner, seconds, clock
        self.began_ns = self.ended_ns = 0

    @property
    def spec(self) -> FrameSpec:
        """As of the inner reader."""
        return self._inner.spec

    def frames(self) -> Iterator[Frame]:
        """Yield frames until time is up."""
        self.began_ns = self._clock()
        end = self.began_ns + round(self._seconds * 1e9)
        for frame in self._inner.frames():
            yield frame
            if self._clock() >= end:
                break
        self.ended_ns = self._clock()

    def close(self) -> None:
        """Close the inner reader."""
        self._inner.close()


class Live(Limited):
    """The same at the film's own rate: a frame comes when it is due, never sooner.

    Its delay counts from that moment, also where the chain took it later: a signal does not wait.
    """

    def __init__(
        self,
        inner: Reader,
        seconds: float,
        clock: Clock = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(_Due(inner, clock, sleep), seconds, clock)


class _Due:
    """A reader whose frames come when they are due, counted from the first."""

    def __init__(self, inner: Reader, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._inner, self._clock, self._sleep = inner, clock, sleep

    @property
    def spec(self) -> FrameSpec:
        return self._inner.spec

    def frames(self) -> Iterator[Frame]:
        began: int | None = None
        first: Fraction | None = None
        for frame in self._inner.frames():
            if began is None or first is None:
                began, first = self._clock(), frame.time
            due = began + round((frame.time - first) * 1_000_000_000)
            while (left := due - self._clock()) > 0:
                self._sleep(left / 1e9)
            frame.first_ns = due
            yield frame

    def close(self) -> None:
        self._inner.close()


def run_case(case: Case, film: Path, target: Path) -> Drive:
    """Run a case on a film; what is written goes to `target`.

    On a GPU reader, chain and writer meet as in `engine.job`: frames lie there from the one to the other.
    """
    trace, settings = Trace(), case.settings()
    backend = open_backend(settings.runtime)
    border = border_of(backend.device)
    reader = FilmReader(film, settings=settings.input, border=border)
    reader.deliver(PixelFormat.GRAY)
    chain = build_chain(
        settings,
        colorize=True,
        true_rate=reader.spec.rate,
        backend=WatchedBackend(backend, trace),
        starts_on_device=reader.is_on_device,
        ends_on_device=takes_device_frames(target, settings.output, border),
    )
    if reader.is_on_device:
        reader.prepare(chain.frames_of_reader)
    job = WriteJob(settings=settings.output, source_rate=reader.spec.rate, border=border)
    writer = open_writer(target, job)
    limited = (Live if case.live else Limited)(reader, case.warm_up + case.seconds)
    if case.kind == "chain":
        drive = _all_at_once(case, limited, chain, writer, trace)
        return replace(drive, notices=(*reader.notices, *writer.report.notices))
    threads = case.threads or available_cores()
    return in_turn(limited, chain.stages, writer, trace, threads=threads, warm_up=case.warm_up)


def _all_at_once(case: Case, reader: Limited, chain: Chain, writer: Writer, trace: Trace) -> Drive:
    pipeline = Pipeline(reader, chain.stages, writer, queue_frames=case.queue_frames, cores=case.threads, trace=trace)
    spec_in = reader.spec
    spec_out = pipeline.open()
    samples: list[tuple[int, int]] = []

    def sample(_: object) -> None:
        if not reader.ended_ns:
            samples.append((time.perf_counter_ns(), time.process_time_ns()))

    report = pipeline.run(sample, interval=0.05)
    warm_ns = reader.began_ns + round(case.warm_up * 1e9)
    inside = [each for each in samples if each[0] >= warm_ns]
    (since, cpu_then), (until, cpu_now) = (inside[0], inside[-1]) if inside else ((0, 0), (0, 0))
    return Drive(
        trace=trace,
        began_ns=reader.began_ns,
        warm_ns=warm_ns,
        ended_ns=reader.ended_ns,
        threads={stage.name: report.thread_split.get(stage.name, 1) for stage in chain.stages},
        spec_in=spec_in,
        spec_out=spec_out,
        failures=report.failed_frames,
        is_live=case.live,
        cpu_seconds=(cpu_now - cpu_then) / 1e9 if until > since else None,
        cpu_wall_seconds=(until - since) / 1e9 if until > since else None,
    )


def in_turn(
    reader: Limited,
    stages: Sequence[Stage],
    writer: Writer,
    trace: Trace,
    *,
    threads: int = 1,
    warm_up: float = 0.0,
    clock: Clock = time.perf_counter_ns,
) -> Drive:
    """Run stages one after the other on this thread: each has the machine to itself, and nothing waits in a queue.

    Each frame goes through the whole chain before the next is read, by the rules of engine/README.md.

    Parameters
    ----------
    threads : of every stage's model
    warm_up : seconds after which measuring begins
    clock : of all times
    """
    spec = spec_in = reader.spec
    opened: list[Stage] = []
    try:
        for stage in stages:
            spec = stage.open(spec)
            opened.append(stage)
            stage.use_threads(threads)
        writer.open(spec)
        trace.lay(["decode", *(stage.name for stage in stages), "encode"], 1)
        try:
            _InTurn(stages, writer, trace, clock).run(reader)
            trace.work_in(None)
            writer.finish()
        except BaseException:
            writer.abort()
            raise
    finally:
        for stage in opened:
            stage.close()
        reader.close()
    return Drive(
        trace=trace,
        began_ns=reader.began_ns,
        warm_ns=reader.began_ns + round(warm_up * 1e9),
        ended_ns=reader.ended_ns,
        threads={stage.name: threads for stage in stages},
        spec_in=spec_in,
        spec_out=spec,
        failures=sum(stage.failures.total for stage in stages),
    )


class _InTurn:
    def __init__(self, stages: Sequence[Stage], writer: Writer, trace: Trace, clock: Clock) -> None:
        self._stages, self._writer, self._trace, self._clock = stages, writer, trace, clock
        self._taken = [NONE] * len(stages)
        self._given = dict.fromkeys(trace.lanes, NONE)
        self._ends: list[Fraction | None] = [None] * len(stages)

    def run(self, reader: Reader) -> None:
        for frame in self._timed("decode", reader.frames(), NONE):
            self._pass(frame, 0)
        for level, stage in enumerate(self._stages):
            for made in self._timed(stage.name, stage.flush(self._ends[level]), NONE):
                self._pass(made, level + 1)

    def _pass(self, frame: Frame, level: int) -> None:
        if level == len(self._stages):
            self._write(frame)
            return
        stage = self._stages[level]
        self._taken[level] += 1
        if FrameFlags.SCENE_CUT in frame.flags:
            for made in self._timed(stage.name, stage.flush(frame.time), self._taken[level]):
                self._pass(made, level + 1)
            stage.reset()
        self._ends[level] = None if frame.duration is None else frame.time + frame.duration
        for made in self._timed(stage.name, stage.push(frame), self._taken[level]):
            self._pass(made, level + 1)

    def _timed(self, lane: str, frames: Iterable[Frame], taken: int) -> Iterator[Frame]:
        iterator, slices, clock = iter(frames), self._trace.slices[lane], self._clock
        while True:
            self._trace.work_in(lane)
            start = clock()
            frame = next(iterator, None)
            end = clock()
            if frame is None:
                slices.add(start, end, taken, NONE, NONE, 0)
                return
            self._given[lane] += 1
            slices.add(start, end, taken, self._given[lane], frame.index, frame.first_ns)
            yield frame

    def _write(self, frame: Frame) -> None:
        index, first = frame.index, frame.first_ns
        self._given["encode"] += 1
        start = self._clock()
        self._writer.write(frame)
        self._trace.slices["encode"].add(start, self._clock(), self._given["encode"], NONE, index, first)


def check_length(frames: int, what: str) -> None:
    """Raise `ConfigError` where too few frames came for percentiles to mean anything."""
    if frames < 3:
        raise ConfigError(
            f"seconds: {what} put out {frames} frames in that time; wanted 3 or more; give --seconds more"
        )
