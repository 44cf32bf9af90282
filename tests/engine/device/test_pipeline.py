"""The pipeline over a device with a clock: what overlaps, who waits, what is allocated, how errors end it."""

import random
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import engine.device.clock as clock_module
import engine.pipeline as pipeline_module
from engine.device.pool import DevicePool, device_planes, on_device, work_on
from engine.device.ring import SLOTS
from engine.errors import DeviceError, InternalError
from engine.frame import Frame
from engine.media.losses import Losses
from engine.metrics import Metrics
from engine.pipeline import Pipeline
from engine.pool import BufferPool
from engine.run_report import RunReport
from engine.stages.base import Stage
from engine.stages.download import Download
from engine.stages.upload import Upload
from engine.trace import Trace
from engine.types import FrameSpec, PixelFormat
from tests.support.device_chain import virtual_queues
from tests.support.frames import Collector, ListReader
from tests.support.simulated_device import SimulatedDevice, host_view
from tests.support.virtual_queue import VirtualQueue

MS = 1_000_000
LAUNCH_NS = 10_000


class Brighten(Stage):
    """Adds a little to every pixel on the device, in a seeded time."""

    def __init__(self, device: SimulatedDevice, name: str, ms: float, jitter: float, seed: int) -> None:
        self.name = name
        super().__init__()
        self.device = self._device = device
        self._random, self._ms, self._jitter = random.Random(seed), ms, jitter
        self.given_ns = 0

    def open(self, incoming: FrameSpec) -> FrameSpec:
        self.stream = self._stream = self._device.stream()
        self.pool = DevicePool(self._device, incoming.pixels_shape, np.float32, prepare=12)
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        source, lease = device_planes(frame), self.pool.lease()
        out = lease.planes
        ns = int(MS * self._ms * (1 + self._jitter * self._random.uniform(-1, 1)))
        self.given_ns += ns
        self._device.submit(
            self._stream, self.name, lambda: np.copyto(host_view(out), host_view(source) + np.float32(0.125)), ns
        )
        self._stream.record(lease.written)
        made = frame.successor(pixels=lease.array, format=frame.format, leases=(lease,), ready=lease.written)
        frame.release()
        yield made


class Values(Collector):
    """Remembers every pixel's value, so that a picture half there would show."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong = 0
        self.allocations: list[int] = []
        self.device: SimulatedDevice | None = None

    def write(self, frame: Frame) -> None:
        wanted = np.float32((frame.index % 200) / 255) + np.float32(0.375)
        self.wrong += not np.allclose(frame.pixels, wanted, atol=1e-6)
        if self.device is not None:
            self.allocations.append(self.device.allocations + self.device.page_locked)
        super().write(frame)


def _run(
    monkeypatch: pytest.MonkeyPatch, device: SimulatedDevice, times: list[float], frames: int, jitter: float = 0.2
) -> tuple[RunReport, Values, list[Brighten], list[Stage], ListReader]:
    class Queue(VirtualQueue):
        pass

    Queue.device = device
    monkeypatch.setattr(pipeline_module, "FrameQueue", Queue)
    reader, writer = ListReader(frames), Values()
    writer.device = device
    works = [Brighten(device, f"work{number}", ms, jitter, number) for number, ms in enumerate(times)]
    stages: list[Stage] = [Upload(device), *works, Download(device)]
    pipeline = Pipeline(reader, stages, writer, cores=1)
    pipeline.open()
    return pipeline.run(interval=0.01), writer, works, stages, reader


@pytest.mark.parametrize("times", [[3.0, 5.0, 2.0], [4.0, 4.0, 4.0], [1.0, 1.0, 9.0]])
def test_the_chain_runs_as_fast_as_its_slowest_stage(monkeypatch, times):
    device = SimulatedDevice(host_launch_ns=LAUNCH_NS)
    report, writer, works, _, _ = _run(monkeypatch, device, times, 300, jitter=0.1)
    slowest = max(work.given_ns for work in works)
    pieces = [piece for piece in device.slices if piece.name.startswith("work")]
    wall = max(piece.end_ns for piece in pieces) - min(piece.start_ns for piece in pieces)
    assert slowest / wall >= 0.97
    assert [row[0] for row in writer.rows] == list(range(300))
    assert writer.wrong == 0
    measured = {stage.stage: stage.total_seconds for stage in report.latency.stages}
    for work in works:
        gaps = 300 * 5 * LAUNCH_NS  # where the stream is empty the host's own launches lie between the events
        assert work.given_ns <= measured[work.name] * 1e9 <= work.given_ns + gaps


def test_metrics_count_what_the_device_worked():
    device, metrics = SimulatedDevice(), Metrics()
    work = Brighten(device, "work", 3.0, 0.0, 1)
    pipeline = Pipeline(ListReader(20), [Upload(device), work, Download(device)], Collector(), cores=1)
    pipeline.open()
    metrics.watch(pipeline, Losses())
    report = pipeline.run(interval=0.01)
    (measured,) = (stage for stage in report.latency.stages if stage.stage == "work")
    assert measured.frames == 20
    assert measured.total_seconds * 1e9 >= work.given_ns
    assert 'farshore_stage_duration_seconds_count{stage="work"} 20\n' in metrics.text()


def test_the_host_waits_for_the_device_only_where_a_frame_leaves_it(monkeypatch):
    device = SimulatedDevice()
    _, _, _, stages, _ = _run(monkeypatch, device, [2.0, 2.0, 2.0], 100)
    streams_at_the_end = len(stages)
    upload = stages[0]
    assert isinstance(upload, Upload)
    assert device.host_waits == 100 + upload.waits + streams_at_the_end


def test_the_upload_waits_only_where_it_is_ahead_by_its_whole_ring(monkeypatch):
    device = SimulatedDevice()
    _, writer, _, stages, _ = _run(monkeypatch, device, [2.0, 2.0, 2.0], 100)
    upload = stages[0]
    assert isinstance(upload, Upload)
    assert 0 < upload.waits <= 100 - SLOTS  # the device holds this chain up: the host is ahead of it
    assert writer.wrong == 0
    device = SimulatedDevice(launch_ns=0, bytes_per_second=1e15, host_launch_ns=MS)  # a host that is never ahead
    _, _, _, stages, _ = _run(monkeypatch, device, [0.0, 0.0, 0.0], 100)
    upload = stages[0]
    assert isinstance(upload, Upload)
    assert upload.waits == 0


def test_the_upload_has_page_locked_memory_for_its_ring_alone():
    device = SimulatedDevice()
    Upload(device).open(replace(ListReader(1).spec, format=PixelFormat.LAB))
    assert device.page_locked == 2 * SLOTS  # luma and chroma


def test_chroma_goes_up_too():
    device, spec = SimulatedDevice(), replace(ListReader(1).spec, format=PixelFormat.LAB)
    assert spec.chroma_shape is not None
    upload, download = Upload(device), Download(device)
    download.open(upload.open(spec))
    work_on(upload.stream)
    try:
        for index in range(3 * SLOTS):
            luma, chroma = BufferPool(spec.pixels_shape).lease(), BufferPool(spec.chroma_shape).lease()
            luma.array.fill(index / 16)
            chroma.array[0], chroma.array[1] = 0.25 + index / 32, 0.75 - index / 32
            wanted = chroma.array.copy()
            frame = Frame(
                pixels=luma.array,
                chroma=chroma.array,
                format=spec.format,
                pts=index,
                time_base=spec.time_base,
                index=index,
                leases=(luma, chroma),
            )
            (there,) = upload.push(frame)
            assert there.chroma is not None
            assert on_device(there.chroma).shape == spec.chroma_shape
            assert there.ready is not None
            assert download.stream is not None
            there.ready.wait(download.stream)
            (here,) = download.push(there)
            assert here.ready is not None
            here.ready.synchronize()
            assert here.chroma is not None
            assert (here.pixels == index / 16).all()
            np.testing.assert_array_equal(here.chroma, wanted)
            here.release()
    finally:
        work_on(None)
    pools = (upload.pool, upload.chroma_pool, download.pool, download.chroma_pool)
    assert [pool.on_loan for pool in pools if pool is not None] == [0] * 4


@pytest.mark.parametrize("broken", ["upload", "download", "record"])
@pytest.mark.parametrize("at", [0, 1], ids=["luma", "chroma"])
def test_a_copy_that_cannot_be_given_loses_no_buffer(monkeypatch, broken, at):
    device, spec = SimulatedDevice(), replace(ListReader(1).spec, format=PixelFormat.LAB)
    assert spec.chroma_shape is not None
    upload, download = Upload(device), Download(device)
    download.open(upload.open(spec))
    films = [BufferPool(spec.pixels_shape), BufferPool(spec.chroma_shape)]
    luma, chroma = (pool.lease() for pool in films)
    frame = Frame(
        pixels=luma.array,
        chroma=chroma.array,
        format=spec.format,
        pts=0,
        time_base=spec.time_base,
        index=0,
        leases=(luma, chroma),
    )
    calls: list[str] = []

    def fail(*_: object) -> None:
        calls.append(broken)
        if len(calls) > at:
            raise DeviceError("does not take it")

    if broken == "record":
        assert upload.stream is not None
        monkeypatch.setattr(upload.stream, "record", fail)
    else:
        monkeypatch.setattr(device, broken, fail)
    with pytest.raises(DeviceError, match="does not take it"):
        deque(made for there in upload.push(frame) for made in download.push(there))
    pools = (*films, upload.pool, upload.chroma_pool, download.pool, download.chroma_pool)
    assert [pool.on_loan for pool in pools if pool is not None] == [0] * 6


def test_a_device_that_fails_every_call_keeps_no_lease():
    device = SimulatedDevice()
    pool = DevicePool(device, (1, 2, 2), np.float32)
    first, second = device.stream(), device.stream()
    work_on(first)
    try:
        lease = pool.lease()
        device.is_sick = True
        with pytest.raises(DeviceError, match="illegal address"):
            lease.release()
        assert pool.on_loan == 0
        device.is_sick = False
        pool.lease().release()
        work_on(None)
        with pytest.raises(InternalError, match="without a stream"):  # taking fails: nobody has the buffer
            pool.lease()
        assert pool.on_loan == 0
        work_on(second)
        pool.lease().release()  # what was to be waited for is not forgotten meanwhile
    finally:
        work_on(None)
    assert pool.allocated == 1


def test_after_warm_up_nothing_is_allocated(monkeypatch):
    device = SimulatedDevice()
    _, writer, _, _, _ = _run(monkeypatch, device, [2.0, 3.0, 1.0], 200)
    assert writer.allocations[0] == writer.allocations[-1]


@pytest.mark.parametrize("seed", range(8))
def test_pixels_are_right_in_whatever_order_the_streams_take_turns(monkeypatch, seed):
    device = SimulatedDevice(seed=seed)
    _, writer, _, stages, reader = _run(monkeypatch, device, [1.0, 2.0, 1.0], 60)
    assert writer.wrong == 0
    assert [row[0] for row in writer.rows] == list(range(60))
    assert all(stage.pool.on_loan == 0 for stage in stages)  # type: ignore[attr-defined]
    assert reader.pool.on_loan == 0


@pytest.mark.parametrize("broken", ["upload", "work1", "download"])
def test_a_failure_on_the_device_ends_the_run_and_returns_every_buffer(monkeypatch, broken):
    device = SimulatedDevice()
    device.fail_on = (broken, 20)
    works = [Brighten(device, f"work{number}", 1.0, 0.1, number) for number in range(3)]
    stages: list[Stage] = [Upload(device), *works, Download(device)]
    reader, writer = ListReader(200), Values()
    pipeline = Pipeline(reader, stages, writer, cores=1)
    pipeline.open()
    with pytest.raises(DeviceError, match=f"{broken} failed"):
        pipeline.run(interval=0.01)
    assert writer.state == "aborted"
    assert all(stage.pool.on_loan == 0 for stage in stages)  # type: ignore[attr-defined]
    assert reader.pool.on_loan == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("work")]


def test_an_error_of_a_stage_on_the_host_leaves_the_device_drained(monkeypatch):
    class Breaks(Brighten):
        def push(self, frame: Frame) -> Iterator[Frame]:
            if frame.index == 20:
                frame.release()
                raise DeviceError("the device broke")
            yield from super().push(frame)

    device = SimulatedDevice()
    stages: list[Stage] = [Upload(device), Breaks(device, "breaks", 1.0, 0.0, 0), Download(device)]
    reader, writer = ListReader(200), Values()
    pipeline = Pipeline(reader, stages, writer, cores=1)
    pipeline.open()
    with pytest.raises(DeviceError, match="the device broke"):
        pipeline.run(interval=0.01)
    assert all(not stream.queue for stream in device._streams.values())
    assert all(stage.pool.on_loan == 0 for stage in stages)  # type: ignore[attr-defined]
    assert reader.pool.on_loan == 0


def test_a_stage_without_a_stream_gets_pixels_that_are_there(monkeypatch):
    class Looks(Stage):
        name = "looks"

        def __init__(self) -> None:
            super().__init__()
            self.wrong = 0

        def open(self, incoming: FrameSpec) -> FrameSpec:
            return incoming

        def push(self, frame: Frame) -> Iterator[Frame]:
            self.wrong += not np.allclose(frame.pixels, np.float32((frame.index % 200) / 255) + np.float32(0.125))
            yield frame

    device, looks = SimulatedDevice(), Looks()
    stages: list[Stage] = [
        Upload(device),
        Brighten(device, "work", 1.0, 0.0, 0),
        Download(device),
        looks,
    ]
    pipeline = Pipeline(ListReader(40), stages, Collector(), cores=1)
    pipeline.open()
    pipeline.run(interval=0.01)
    assert looks.wrong == 0


def test_the_trace_shows_when_stages_worked_on_the_device(monkeypatch):
    device = SimulatedDevice()
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(perf_counter_ns=lambda: device.host_ns))
    trace = Trace()
    works = [Brighten(device, f"work{number}", ms, 0.1, number) for number, ms in enumerate((2.0, 3.0))]
    stages: list[Stage] = [Upload(device), *works, Download(device)]
    with virtual_queues(device):
        pipeline = Pipeline(ListReader(30), stages, Collector(), cores=1, trace=trace)
        pipeline.open()
        pipeline.run(interval=0.01)
    rows = {work.name: trace.slices[work.name].rows() for work in works}
    for work in works:
        made = rows[work.name][rows[work.name][:, 3] >= 0]
        assert made[:, 3].tolist() == list(range(30))
        assert (made[:, 1] - made[:, 0]).sum() == pytest.approx(work.given_ns, rel=0.001)
        assert (made[1:, 0] >= made[:-1, 1] - 1000).all()
    first, second = (rows[work.name][rows[work.name][:, 3] >= 0] for work in works)
    assert (second[:, 0] >= first[:, 1] - 1000).all()  # frame by frame, one behind the other
    at_once = (first[:, None, 0] < second[None, :, 1]) & (second[None, :, 0] < first[:, None, 1])
    assert at_once.sum() >= 20  # and, of different frames, at once


def test_a_device_that_fails_every_call_ends_the_run(monkeypatch):
    """A sticky error: releasing a frame fails too, also the frames that lay in queues when the run was given up."""

    class FallsSick(Brighten):
        def push(self, frame: Frame) -> Iterator[Frame]:
            if frame.index == 20:
                self._device.is_sick = True
                frame.release()
            yield from super().push(frame)

    device = SimulatedDevice()
    stages: list[Stage] = [Upload(device), FallsSick(device, "sick", 1.0, 0.0, 0), Download(device)]
    reader, writer = ListReader(200), Values()
    pipeline = Pipeline(reader, stages, writer, cores=1)
    pipeline.open()
    with pytest.raises(DeviceError, match="illegal address"):
        pipeline.run(interval=0.01)
    assert writer.state == "aborted"
    assert reader.closed
    assert not [thread for thread in threading.enumerate() if thread.name in ("decode", "upload", "sick", "encode")]


def test_an_error_while_closing_hides_nothing_and_the_rest_is_closed(monkeypatch):
    closed: list[str] = []

    class Ends(Brighten):
        def push(self, frame: Frame) -> Iterator[Frame]:
            if frame.index == 5:
                frame.release()
                raise DeviceError("the first error")
            yield from super().push(frame)

        def close(self) -> None:
            closed.append(self.name)
            raise DeviceError("an error that follows")

    device = SimulatedDevice()
    stages: list[Stage] = [Upload(device), *(Ends(device, name, 1.0, 0.0, 0) for name in ("one", "two"))]
    reader, writer = ListReader(50), Values()
    pipeline = Pipeline(reader, [*stages, Download(device)], writer, cores=1)
    pipeline.open()
    with pytest.raises(DeviceError, match="the first error"):
        pipeline.run(interval=0.01)
    assert closed == ["one", "two"]
    assert reader.closed


def test_a_chain_that_does_not_open_leaves_no_work_under_way():
    device = SimulatedDevice()

    class Begins(Brighten):
        def open(self, incoming: FrameSpec) -> FrameSpec:
            opened = super().open(incoming)
            self._device.submit(self._stream, "warm-up", lambda: None, MS)
            return opened

    class Refuses(Begins):
        def open(self, incoming: FrameSpec) -> FrameSpec:
            super().open(incoming)
            raise DeviceError("does not open")

    reader = ListReader(1)
    with pytest.raises(DeviceError, match="does not open"):
        Pipeline(reader, [Begins(device, "a", 1, 0, 0), Refuses(device, "b", 1, 0, 0)], Collector(), cores=1).open()
    assert all(not stream.queue for stream in device._streams.values())
    assert reader.closed
