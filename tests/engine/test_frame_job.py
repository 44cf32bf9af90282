"""A program's own arrays through the chain: on the host, and on a device in the program's own stream."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine.frame_job as frame_job_module
from engine.array_ends import DeviceArrays
from engine.device.base import DeviceArray
from engine.errors import BindingError, ConfigError, DeviceError, FrameError
from engine.frame_job import FrameJob, RestoredFrame
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from tests.support.chain import film_spec
from tests.support.device_chain import moving
from tests.support.quick_inspect import QuickDevice
from tests.support.simulated_backend import SimulatedBackend
from tests.support.tiny_models import mean_enhancer, pan_interpolator

RATE = Fraction(24)
DOUBLED = InterpolateSettings(factor=Fraction(2))
COLOURED = Settings(interpolate=DOUBLED)
PLAIN = EnhanceSettings(enabled=False)
GREY = Settings(colorize=ColorizeSettings(mode="never"))
STILL = replace(GREY, enhance=PLAIN)
NOTHING = Settings(runtime=RuntimeSettings(backend="null"))


def pictures(count: int, size: tuple[int, int] = (96, 128)) -> list[np.ndarray]:
    return moving(film_spec(height=size[0], width=size[1]), count)


class Tensor:
    """A program's array on the device: made, and spoilt when the next is made, in the program's own stream."""

    def __init__(self, memory: DeviceArray) -> None:
        self.memory = memory

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.memory.__cuda_array_interface__


class Program:
    """Works on a simulated device in one stream, as a program of PyTorch or PyCUDA does."""

    def __init__(self, device: QuickDevice) -> None:
        self.device, self.stream = device, device.stream()
        self.threads: set[str] = set()
        self._memory: DeviceArray | None = None
        self._staged: list[np.ndarray] = []

    def tensors(self, given: list[np.ndarray]) -> Iterator[Tensor]:
        """Yield one and the same memory, with another picture each time."""
        self._memory = self._memory or self.device.empty(given[0].shape, given[0].dtype)
        for picture in given:
            self.threads.add(threading.current_thread().name)
            self.device.upload(picture, self._memory, self.stream)
            yield Tensor(self._memory)

    def keep(self, frame: RestoredFrame) -> np.ndarray:
        """Copy a picture down, in the stream's order; it is there when the stream is."""
        assert isinstance(frame.array, DeviceArray)
        kept = np.empty(frame.array.shape, np.float32)
        self.device.download(frame.array, kept, self.stream)
        return kept


def on_device(
    device: QuickDevice, settings: Settings, given: list[np.ndarray]
) -> tuple[list[RestoredFrame], list[np.ndarray], Program]:
    program = Program(device)
    job = FrameJob(settings, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    frames, kept = [], []
    for frame in job.run(program.tensors(given)):
        frames.append(frame)
        kept.append(program.keep(frame))
    program.stream.synchronize()
    assert job.report is not None
    assert job.report.frames_in == len(given)
    return frames, kept, program


def on_host(settings: Settings, given: list[np.ndarray]) -> list[tuple[RestoredFrame, np.ndarray]]:
    return [(frame, np.array(frame.array)) for frame in FrameJob(settings, rate=RATE).run(given)]


def test_arrays_pass_the_chain_on_the_host_with_exact_times():
    frames = on_host(COLOURED, pictures(5))
    assert [frame.time for frame, _ in frames] == [Fraction(number, 48) for number in range(10)]
    assert [frame.index for frame, _ in frames][:4] == [0, 0, 1, 1]
    assert [frame.is_made for frame, _ in frames][:4] == [False, True, False, True]
    assert [frame.is_cut for frame, _ in frames] == [True] + [False] * 9
    assert all(array.shape == (3, 96, 128) and array.dtype == np.float32 for _, array in frames)
    assert all(array.min() >= 0 and array.max() <= 1 for _, array in frames)


@pytest.mark.parametrize("settings", [Settings(enhance=PLAIN), GREY], ids=["coloured", "grey"])
def test_a_device_makes_nearly_the_pictures_of_the_host(settings):
    given = pictures(5)
    wanted = on_host(settings, given)
    frames, kept, program = on_device(QuickDevice(seed=3), settings, given)
    assert [frame.time for frame in frames] == [frame.time for frame, _ in wanted]
    assert program.threads == {threading.current_thread().name}
    for mine, (_, its) in zip(kept, wanted, strict=True):
        assert mine.shape == its.shape
        assert np.abs(mine - its).mean() < 0.004


@pytest.mark.parametrize("seed", range(3))
def test_what_goes_in_comes_out_in_whatever_order_the_streams_take_turns(seed):
    """The program writes its one array anew for each picture, and reads the one it is given, in its own stream only."""
    given = [np.full((3, 16, 24), number / 16, np.float32) for number in range(16)]
    for number, picture in enumerate(given):
        picture[:, : 1 + number % 5] = 1.0 - number / 16  # no picture repeats another
    _, kept, _ = on_device(QuickDevice(seed=seed), STILL, given)
    assert len(kept) == len(given)
    for mine, picture in zip(kept, given, strict=True):
        np.testing.assert_allclose(mine, picture, atol=1e-6)


def test_after_warm_up_nothing_is_allocated_and_the_host_waits_for_no_picture(monkeypatch):
    device, given = QuickDevice(), pictures(30, (16, 24)) * 2
    program = Program(device)
    job = FrameJob(STILL, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    by_program: list[str] = []
    wait = device.wait_on_host

    def note(mark: Any) -> None:
        by_program.append(threading.current_thread().name)
        wait(mark)

    monkeypatch.setattr(device, "wait_on_host", note)
    run = job.run(program.tensors(given))
    waits = [(device.allocations + device.page_locked, by_program.count("MainThread")) for _ in run]
    assert waits[10] == waits[-1]
    assert {name for name in by_program if name not in ("MainThread", "frame-job")} <= {"inspect"}
    assert by_program.count("MainThread") == waits[-1][1] + 1  # at the end, for the program's own stream


@pytest.mark.parametrize(("compare", "queue_frames"), [(None, 1), ("side", 2)])
def test_with_a_slow_program_no_buffer_is_made_for_it(tmp_path: Path, monkeypatch, compare, queue_frames: int):
    ends, device = _pools(monkeypatch), QuickDevice()
    program = Program(device)
    settings = Settings(
        enhance=EnhanceSettings(model=str(mean_enhancer(tmp_path, past=1, future=1).path)),
        interpolate=InterpolateSettings(
            factor=Fraction(2), model=str(pan_interpolator(tmp_path, motion=(1.5, 0.0)).path)
        ),
        colorize=ColorizeSettings(mode="never"),
        runtime=RuntimeSettings(queue_frames=queue_frames),
        output=OutputSettings(compare=compare),
    )
    job = FrameJob(settings, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    run = job.run(program.tensors(pictures(40, (24, 40))))
    next(run)
    before = ends[0].pool.allocated
    for _ in run:
        time.sleep(0.02)
    assert ends[0].pool.allocated == before


def test_the_programs_own_time_is_not_the_chains():
    settings = replace(NOTHING, colorize=ColorizeSettings(mode="never"))
    job = FrameJob(settings, rate=RATE)
    for _ in job.run(pictures(10, (16, 24))):
        time.sleep(0.02)
    assert job.report is not None
    taken = {stage.stage: stage.total_seconds for stage in job.report.latency.stages}
    assert taken["encode"] < 0.05
    assert taken["decode"] < 0.05


LEFT = """
import numpy as np
import farshore

settings = farshore.override(farshore.Settings(), {"runtime": {"backend": "null"}})
run = farshore.FrameJob(settings, rate=18).run(np.zeros((1, 48, 64), np.float32) for _ in range(100))
next(run)
"""


@pytest.mark.parametrize("end", ["", "raise ValueError('its own')"])
def test_a_program_that_leaves_its_run_ends(end):
    done = subprocess.run([sys.executable, "-c", LEFT + end], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (1 if end else 0), done.stderr
    assert ("its own" in done.stderr) == bool(end)


def _pools(monkeypatch: pytest.MonkeyPatch) -> list[DeviceArrays]:
    """Return a list that gets the ends of every job from now on."""
    made: list[DeviceArrays] = []

    class Kept(DeviceArrays):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(frame_job_module, "DeviceArrays", Kept)
    return made


def _no_thread_is_left() -> bool:
    names = {thread.name for thread in threading.enumerate()}
    return not names & {"frame-job", "decode", "inspect", "enhance", "encode"}


def test_whoever_needs_no_more_ends_the_run_and_gets_every_buffer_back(monkeypatch):
    made, device = _pools(monkeypatch), QuickDevice()
    program = Program(device)
    job = FrameJob(GREY, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    with closing(job.run(program.tensors(pictures(30, (16, 24))))) as frames:  # type: ignore[type-var]
        next(frames)
        next(frames)
    assert made[0].pool.on_loan == 0
    assert _no_thread_is_left()
    assert job.report is None


def test_an_error_of_the_program_ends_the_run_as_it_is(monkeypatch):
    made, device = _pools(monkeypatch), QuickDevice()
    program = Program(device)

    def breaks() -> Iterator[Tensor]:
        yield from program.tensors(pictures(9, (16, 24)))
        raise ZeroDivisionError

    job = FrameJob(GREY, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    with pytest.raises(ZeroDivisionError):
        list(job.run(breaks()))
    assert made[0].pool.on_loan == 0
    assert _no_thread_is_left()


def test_an_error_of_the_device_comes_to_the_program(monkeypatch):
    made, device = _pools(monkeypatch), QuickDevice()
    program = Program(device)
    device.fail_on = ("inspect_blocks", 12)
    job = FrameJob(GREY, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    with pytest.raises(DeviceError, match="inspect_blocks failed"):
        list(job.run(program.tensors(pictures(30, (16, 24)))))
    assert made[0].pool.on_loan == 0
    assert _no_thread_is_left()


def test_a_chain_that_does_not_open_leaves_nothing_behind():
    wanted = Settings(
        interpolate=DOUBLED, output=OutputSettings(compare="side"), runtime=RuntimeSettings(backend="null")
    )
    job = FrameJob(wanted, rate=RATE)
    with pytest.raises(FrameError, match="frame 0: got float32"):
        list(job.run([np.zeros((2, 8, 8), np.float32)]))
    assert _no_thread_is_left()
    assert len(list(job.run(pictures(3, (16, 16))))) == 6  # and can be used again


def test_two_jobs_are_fed_in_turns_by_one_thread():
    device = QuickDevice()
    backend, runs = SimulatedBackend(device), []
    for _ in range(2):
        program = Program(device)
        job = FrameJob(STILL, rate=RATE, stream=program.stream, backend=backend)
        runs.append(job.run(program.tensors(pictures(8, (16, 24)))))
    assert len(list(zip(*runs, strict=True))) == 8


def test_no_arrays_are_no_frames():
    job = FrameJob(NOTHING, rate=RATE)
    assert list(job.run([])) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), r"frame 0: got float32 \(8, 8, 3\); wanted float32 \(1 or 3, H, W\)"),
        (np.zeros((3, 8, 8), np.uint8), r"frame 0: got uint8 \(3, 8, 8\)"),
        (np.zeros((8, 8), np.float32), r"frame 0: got float32 \(8, 8\)"),
        (np.zeros((1, 0, 8), np.float32), r"frame 0: got float32 \(1, 0, 8\)"),
        ("no array", r"frame 0: got <U8 \(\)"),
    ],
)
def test_what_is_no_picture_is_refused(given, said):
    with pytest.raises(FrameError, match=said):
        list(FrameJob(NOTHING, rate=RATE).run([given]))


@pytest.mark.parametrize(
    "other", [np.zeros((1, 8, 9), np.float32), np.zeros((3, 8, 8), np.float32), np.zeros((1, 8, 8), np.float64)]
)
def test_every_picture_is_like_the_first(other):
    with pytest.raises(FrameError, match=r"frame 1: got .*; wanted float32 \(1, 8, 8\), as the first"):
        list(FrameJob(NOTHING, rate=RATE).run([np.zeros((1, 8, 8), np.float32), other]))


def test_an_array_that_lies_elsewhere_is_refused():
    class OnAGpu:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(
        BindingError, match="array of type OnAGpu: NumPy cannot take it; .* choose the backend tensorrt"
    ):
        list(FrameJob(NOTHING, rate=RATE).run([OnAGpu()]))
    device = QuickDevice()
    job = FrameJob(GREY, rate=RATE, stream=device.stream(), backend=SimulatedBackend(device))
    with pytest.raises(BindingError, match="array of type ndarray: lies on the host"):
        list(job.run([np.zeros((1, 8, 8), np.float32)]))


def test_a_stream_is_for_a_device_and_a_rate_is_more_than_0():
    with pytest.raises(ConfigError, match="stream: got one with backend null, which works on the host"):
        FrameJob(NOTHING, rate=RATE, stream=7)
    with pytest.raises(ConfigError, match="rate: got 0"):
        FrameJob(NOTHING, rate=0)
    assert FrameJob(NOTHING, rate=Fraction("23.976")).rate == Fraction(24000, 1001)


def test_a_device_lends_what_it_made_by_dlpack():
    device = QuickDevice()
    program = Program(device)
    job = FrameJob(GREY, rate=RATE, stream=program.stream, backend=SimulatedBackend(device))
    for frame in job.run(program.tensors(pictures(2, (16, 16)))):
        assert isinstance(frame.array, DeviceArray)
        assert np.from_dlpack(device.lend_array(frame.array)).shape == (1, 16, 16)
