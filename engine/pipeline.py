"""Runs reader, stages and writer, each on a thread of its own, with a bounded queue between neighbours.

The rules of the flow are in `engine/README.md`.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import TypeVar

from engine.chain_ends import Abortable, Reader, Writer
from engine.device.base import Stream
from engine.device.clock import DeviceClock
from engine.device.pool import work_on
from engine.errors import ConfigError, DeviceError, Interrupted, TimestampError
from engine.frame import Frame, Span
from engine.queue import Aborted, FrameQueue
from engine.run_report import Progress, RunReport
from engine.stages.base import Stage
from engine.thread_split import available_cores, choose_split, heaviest, measure_costs, wait_behind, work_beside
from engine.timing import Clock
from engine.trace import NONE, Trace
from engine.types import FrameFlags, FrameSpec
from engine.work_clock import HostClock, WorkClock

_Figure = TypeVar("_Figure", int, float)


class Pipeline:
    """A reader, stages and a writer, run once.

    Parameters
    ----------
    reader, stages, writer : in the order of the flow; the pipeline opens and closes the stages, closes the reader, and
        finishes or aborts the writer
    queue_frames : frames that may wait between two neighbours
    cores : processor cores to divide among the stages' models; 0 is all that this process may use
    thread_split : stage → threads; where empty, filled in place by measuring when the pipeline opens. A resumed run
        brings its first run's, since the split can change the last bits of a model's numbers
    trace : keeps every slice of work and every passage through a queue; None: nothing is kept
    ends : what the reader and the writer may be waiting in; aborted with the queues
    """

    def __init__(
        self,
        reader: Reader,
        stages: Sequence[Stage],
        writer: Writer,
        *,
        queue_frames: int = 4,
        cores: int = 0,
        thread_split: dict[str, int] | None = None,
        trace: Trace | None = None,
        ends: Sequence[Abortable] = (),
    ) -> None:
        names = ["decode", *(stage.name for stage in stages), "encode"]
        if len(set(names)) != len(names):
            raise ConfigError(f"chain: got stages {names}; every stage's name may stand once")
        self.clock = Clock(names)
        self.trace = trace
        if trace is not None:
            trace.lay(names, queue_frames)
        self.cores = cores or available_cores()
        self.thread_split: dict[str, int] = {} if thread_split is None else thread_split
        self._reader, self._stages, self._writer = reader, list(stages), writer
        logs = [None] * (len(names) - 1) if trace is None else trace.queues
        self._queues = [FrameQueue(queue_frames, log) for log in logs]
        self._ends = ends
        self.threads: Sequence[threading.Thread] = ()
        self._streams: dict[str, Sequence[Stream]] = {}
        self._device_clocks: dict[str, DeviceClock] = {}
        self._work_clocks: dict[str, WorkClock] = {}
        self._errors: list[BaseException] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._frames_in = 0
        self._frames_out = 0
        self._time: Fraction | None = None
        self._began = 0.0
        self._heaviest: str | None = None

    def open(self) -> FrameSpec:
        """Open every stage, choose the thread split, open the writer; return what the written frames are like."""
        spec = self._reader.spec
        opened: list[Stage] = []
        try:
            for stage in self._stages:
                spec = stage.open(spec)
                opened.append(stage)
            costs = measure_costs(self._stages, self.cores)
            self._heaviest = heaviest(costs)
            if not self.thread_split:
                beside = work_beside(self._reader.spec, spec)
                self.thread_split.update(choose_split(costs, self.cores, beside))
            for stage in self._stages:
                threads = self.thread_split.get(stage.name, 1)
                stage.use_threads(threads)
                clock = self.clock.stages[stage.name]
                clock.threads = threads
            self._writer.open(spec)
        except BaseException:
            for stage in self._stages:
                for stream in _streams_of(stage):
                    with suppress(DeviceError):  # the error that brought us here is the one to tell
                        stream.synchronize()
            for close in (*(stage.close for stage in opened), self._reader.close):
                with suppress(DeviceError):
                    close()
            raise
        return spec

    def run(self, on_progress: Callable[[Progress], None] | None = None, *, interval: float = 0.25) -> RunReport:
        """Run to the end of the film.

        Parameters
        ----------
        on_progress : called from the caller's thread about every `interval` seconds
        interval : seconds

        Raises
        ------
        Interrupted
            `stop` was called, or KeyboardInterrupt came; the writer was aborted, finished shots are kept.
        FarshoreError, InternalError
            The first error of any thread, after every thread has ended.
        """
        self._lay_clocks()
        self._began = time.perf_counter()
        threads = self.threads = self._start_threads()
        try:
            is_running = True
            while is_running:
                threads[-1].join(interval)
                is_running = threads[-1].is_alive()
                if not is_running:
                    for thread in threads:
                        thread.join()
                if on_progress is not None:
                    on_progress(self.progress())
        except BaseException as error:
            self._fail(Interrupted("stopped by the user") if isinstance(error, KeyboardInterrupt) else error)
        finally:
            for thread in threads:
                thread.join()
        return self._end()

    def stop(self) -> None:
        """Ask the run to end soon; may be called from any thread or a signal handler."""
        self._fail(Interrupted("stopped by the user"))

    def progress(self) -> Progress:
        """Return where the run stands; may be called from any thread."""
        with self._lock:
            return Progress(
                frames_in=self._frames_in,
                frames_out=self._frames_out,
                time=self._time,
                seconds=time.perf_counter() - self._began,
            )

    @property
    def stages(self) -> Sequence[Stage]:
        """Between reader and writer, in order."""
        return self._stages

    def queue_depths(self) -> dict[str, int]:
        """Return how many frames wait in front of each stage and of the writer; may be asked from any thread."""
        return self._by_reader(queue.depth for queue in self._queues)

    def _by_reader(self, figures: Iterable[_Figure]) -> dict[str, _Figure]:
        """Return figures of the queues by the stage that takes from each."""
        return dict(zip(list(self.clock.stages)[1:], figures, strict=True))

    def _lay_clocks(self) -> None:
        """Measure from now on, by the clocks that are there now: metrics put their own in place of an open chain's."""
        places = {stage.name: (stage.device, _streams_of(stage)) for stage in self._stages}
        places["encode"] = (self._writer.device, _streams_of(self._writer))
        for name, clock in self.clock.stages.items():
            slices = None if self.trace is None else self.trace.slices[name]
            device, streams = places.get(name, (None, ()))
            if streams:
                self._streams[name] = streams
            if device is None or not streams:
                self._work_clocks[name] = HostClock(clock, slices)
                continue
            self._device_clocks[name] = device_clock = DeviceClock(device, streams[0], clock, slices)
            self._work_clocks[name] = device_clock
            if slices is not None:
                device_clock.start()

    def _start_threads(self) -> list[threading.Thread]:
        works: list[tuple[str, Callable[[], None]]] = [("decode", self._read)]
        for number, stage in enumerate(self._stages):
            works.append((stage.name, lambda n=number: self._work(n)))
        works.append(("encode", self._write))
        threads = [threading.Thread(target=self._guard, args=(name, work), name=name) for name, work in works]
        for thread in threads:
            thread.start()
        return threads

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        try:
            if self._heaviest not in (None, name):
                wait_behind()
            if self.trace is not None:
                self.trace.work_in(name)
            streams = self._streams.get(name, ())
            work_on(streams[0] if streams else None, self._device_clocks.get(name), streams)
            work()
        except Aborted:
            pass
        except BaseException as error:  # the chain's edge: kept, and raised by `run` in the caller's thread
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)  # without the lock: a signal's handler runs on a thread that may hold it
        self._stopping.set()
        # Every side is awake before a frame is released: a device that is sick fails when it is asked for anything.
        left = [frame for queue in (*self._queues, *self._ends) for frame in queue.abort()]
        for frame in left:
            try:
                frame.release()
            except DeviceError as second:
                self._errors.append(second)

    def _end(self) -> RunReport:
        waits = self._by_reader(queue.get_wait_ns / 1e9 for queue in self._queues)
        self._drain_streams()
        seconds = time.perf_counter() - self._began
        errors = list(self._errors)  # a stop that comes now comes too late: the film is being given its name
        if not errors:
            errors += _errors_of(self._writer.finish)
        if errors:
            errors += _errors_of(self._writer.abort)
        for close in (*(stage.close for stage in self._stages), self._reader.close):
            errors += _errors_of(close)
        if errors:
            raise errors[0]
        return RunReport(
            frames_in=self._frames_in,
            frames_out=self._frames_out,
            latency=self.clock.report(self._frames_out, seconds),
            failures={stage.name: dict(stage.failures.by_cause) for stage in self._stages if stage.failures.total},
            queue_waits=waits,
            thread_split=self.thread_split,
            lanes={stage.name: stage.lane_choice for stage in self._stages if stage.lane_choice is not None},
        )

    def _drain_streams(self) -> None:
        """Wait until no device works on the stages' memory any more; then what they hold may go."""
        for name, streams in self._streams.items():
            errors = [error for stream in streams for error in _errors_of(stream.synchronize)]
            self._errors += errors
            if not errors and name in self._device_clocks:
                self._device_clocks[name].collect()

    def _read(self) -> None:
        out = self._queues[0]
        for frame in self._timed("decode", self._reader.frames()):
            with self._lock:
                self._frames_in += 1
            _hand_over(frame, out)
        out.put(None)

    def _work(self, number: int) -> None:
        stage, incoming, out = self._stages[number], self._queues[number], self._queues[number + 1]
        end: Fraction | None = None
        taken = NONE
        while (frame := incoming.get()) is not None:
            taken += 1
            with _released_on_error(frame):
                if FrameFlags.SCENE_CUT in frame.flags:
                    for made in self._timed(stage.name, stage.flush(frame.time), taken):
                        _hand_over(made, out)
                    stage.reset()
                self._turn(stage)
                _await_pixels(frame, stage.stream)
            end = _end_of(frame)
            for made in self._timed(stage.name, stage.push(frame), taken):
                _hand_over(made, out)
        for made in self._timed(stage.name, stage.flush(end)):
            _hand_over(made, out)
        out.put(None)

    def _turn(self, stage: Stage) -> None:
        """Let a stage with two lanes work in the next one."""
        if len(stage.streams) < 2:
            return
        stage.turn()
        assert stage.stream is not None
        clock = self._device_clocks[stage.name]
        clock.turn(stage.stream)
        work_on(stage.stream, clock, stage.streams)

    def _write(self) -> None:
        incoming, work_clock, taken = self._queues[-1], self._work_clocks["encode"], 0
        while (frame := incoming.get()) is not None:
            with _released_on_error(frame):
                if self._time is not None and frame.time <= self._time:
                    raise TimestampError(
                        f"frame {frame.index}: its time {frame.time} s does not come after {self._time} s"
                    )
                _await_pixels(frame, self._writer.stream)
            work_clock.begin()
            self._writer.write(frame)
            end = work_clock.end(taken, frame, hands_on=False)
            if frame.first_ns:
                self.clock.delays.add(end - frame.first_ns)
            taken += 1
            with self._lock:
                self._frames_out += 1
                self._time = frame.time

    def _timed(self, name: str, frames: Iterable[Frame], taken: int = NONE) -> Iterator[Frame]:
        """Pass frames on, counting as the stage's time only what it takes to make each.

        Parameters
        ----------
        name : of the stage
        frames : as the stage makes them
        taken : number of the frame that it makes them of; `NONE`: of none
        """
        work_clock, iterator = self._work_clocks[name], iter(frames)
        while True:  # the first step is always made: what a generator was given, only its own body gives back
            start = work_clock.begin()
            frame = next(iterator, None)
            end = work_clock.end(taken, frame)
            if frame is None:
                return
            frame.spans.append(Span(stage=name, start_ns=start, end_ns=end))
            yield frame
            if self._stopping.is_set():
                raise Aborted


def _errors_of(work: Callable[[], None]) -> list[BaseException]:
    """Do one thing of a run's end and return its error, if any, so that the rest is done all the same."""
    try:
        work()
    except BaseException as error:
        return [error]
    return []


def _hand_over(frame: Frame, queue: FrameQueue) -> None:
    try:
        queue.put(frame)
    except Aborted:
        frame.release()
        raise


def _await_pixels(frame: Frame, stream: Stream | None) -> None:
    """Let a stream wait until a frame's pixels are valid; without a stream, the host."""
    if frame.ready is None:
        return
    if stream is None:
        frame.ready.synchronize()
    else:
        frame.ready.wait(stream)


@contextmanager
def _released_on_error(frame: Frame) -> Generator[None]:
    """Give a frame back that no stage and no writer has taken over yet."""
    try:
        yield
    except BaseException:
        frame.release()
        raise


def _streams_of(worker: Stage | Writer) -> Sequence[Stream]:
    """Return what a stage or a writer gives work to, the one that it begins with first; none on the host."""
    lanes = worker.streams if isinstance(worker, Stage) else ()
    return lanes or (() if worker.stream is None else (worker.stream,))


def _end_of(frame: Frame) -> Fraction | None:
    return None if frame.duration is None else frame.time + frame.duration
