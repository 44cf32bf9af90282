"""The enhance stage on a device makes the pictures that it makes on the processor."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.device.pool import work_on
from engine.errors import DeviceError
from engine.frame import Frame
from engine.model import Model, find_model
from engine.settings import EnhanceSettings
from engine.stages.enhance import Enhance
from engine.stages.place import HOST, DevicePlace
from engine.stages.upload import Upload
from engine.types import FrameSpec, PixelFormat
from tests.support.chain import film_spec
from tests.support.device_chain import Keeper, Pictures, moving, run_on_device, run_pipeline
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import (
    FailingBackend,
    chroma_doubler,
    counting_enhancer,
    mean_enhancer,
    rgb_enhancer,
    shift_enhancer,
)
from tests.support.upscalers import stack_upscaler


def both(
    model: Model, spec: FrameSpec, pictures: list[np.ndarray], settings: EnhanceSettings, **marks: list[int]
) -> tuple[Keeper, Keeper, SimulatedDevice]:
    device = SimulatedDevice()
    on_host = run_pipeline(Pictures(spec, pictures, **marks), [Enhance(model, OnnxRuntimeBackend(), settings)])
    stage = Enhance(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    on_device = run_on_device(device, Pictures(spec, pictures, **marks), [stage])
    assert [(shown.index, shown.time, shown.flags) for shown in on_device.shown] == [
        (shown.index, shown.time, shown.flags) for shown in on_host.shown
    ]
    return on_host, on_device, device


def largest_difference(first: Keeper, second: Keeper) -> float:
    return max(float(np.abs(a.pixels - b.pixels).max()) for a, b in zip(first.shown, second.shown, strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: mean_enhancer(folder, past=2, future=1),
        lambda folder: shift_enhancer(folder, luma=0.1, chroma=0.05),
        lambda folder: rgb_enhancer(folder),
        lambda folder: rgb_enhancer(folder, value_range="-1,1"),
        lambda folder: counting_enhancer(folder),
        lambda folder: chroma_doubler(folder),
    ],
    ids=["window", "luma and chroma", "rgb", "rgb, -1 to 1", "states", "doubling"],
)
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize(("upscale", "strength"), [(None, 1.0), (1, 0.6)])
def test_small_models_make_the_same_pictures(
    tmp_path: Path, make: Callable[[Path], Model], film: PixelFormat, upscale: int | None, strength: float
):
    spec = replace(film_spec(width=37, height=23), format=film)
    pictures = moving(spec, 12)
    settings = EnhanceSettings(strength=strength, upscale=upscale)
    on_host, on_device, _ = both(make(tmp_path), spec, pictures, settings, cuts=[0, 5], repeated=[3, 8])
    assert largest_difference(on_host, on_device) < 2e-5


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_the_built_in_restorer_makes_nearly_the_same_pictures_along_its_own_motion(film: PixelFormat):
    spec = replace(film_spec(width=128, height=96), format=film)
    pictures = moving(spec, 8)
    on_host, on_device, _ = both(find_model("film-restore", "enhance"), spec, pictures, EnhanceSettings(strength=1.0))
    for first, second, film_picture in zip(on_host.shown, on_device.shown, pictures, strict=True):
        apart = float(np.mean((first.pixels - second.pixels) ** 2))
        change = float(np.mean((first.pixels - film_picture) ** 2))
        assert apart < 0.03 * change  # it sees what it made before: what motion differs by stays in what follows


def test_the_host_waits_only_for_frames_that_leave_and_nothing_is_allocated_meanwhile(tmp_path: Path):
    spec = film_spec(width=37, height=23)
    device = SimulatedDevice()
    stage = Enhance(
        mean_enhancer(tmp_path, past=1, future=1),
        SimulatedBackend(device),
        EnhanceSettings(),
        place=DevicePlace(device),
    )
    keeper = run_on_device(device, Pictures(spec, moving(spec, 60)), [stage])
    streams_at_the_end = 3
    assert device.host_waits == len(keeper.shown) + keeper.upload_waits + streams_at_the_end


def test_a_frame_that_fails_passes_through_in_the_size_that_was_promised(tmp_path: Path):
    spec = film_spec(width=36, height=24)
    device = SimulatedDevice()
    backend = FailingBackend([1], inner=SimulatedBackend(device))
    stage = Enhance(chroma_doubler(tmp_path), backend, EnhanceSettings(), place=DevicePlace(device))
    pictures = moving(spec, 5)
    keeper = run_on_device(device, Pictures(spec, pictures), [stage])
    assert stage.failures.total == 1
    enlarged = cv2.resize(pictures[1][0], (72, 48), interpolation=cv2.INTER_CUBIC)
    assert min(np.abs(shown.pixels[0] - enlarged).max() for shown in keeper.shown) < 1e-4


@pytest.mark.parametrize("over_everything", [False, True], ids=["exact", "faded"])
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_tiles_make_the_same_pictures(tmp_path: Path, film: PixelFormat, over_everything: bool):
    path = stack_upscaler(tmp_path / "up.onnx", over_everything=over_everything)
    spec = replace(film_spec(width=150, height=130), format=film)
    settings = EnhanceSettings(strength=0.7, upscale=2, tile=48)
    on_host, on_device, _ = both(Model.load(path, role="enhance"), spec, moving(spec, 3), settings)
    assert largest_difference(on_host, on_device) < 3e-5


class Refuses:
    """A stand-in for a method of a stage's tensors that fails every time."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, *_: object) -> None:
        raise self._error


@pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
@pytest.mark.parametrize(("runs_that_fail", "method"), [([], "finish"), ([0], "pass_through")])
def test_a_picture_that_cannot_be_written_loses_no_buffer(
    tmp_path: Path, on_device: bool, runs_that_fail: list[int], method: str
):
    spec, device = film_spec(36, 24), SimulatedDevice()
    inner = SimulatedBackend(device) if on_device else OnnxRuntimeBackend()
    place = DevicePlace(device) if on_device else HOST
    stage = Enhance(
        chroma_doubler(tmp_path), FailingBackend(runs_that_fail, inner=inner), EnhanceSettings(), place=place
    )
    stage.open(spec)
    setattr(stage._tensors, method, Refuses(DeviceError("does not take it")))
    reader = Pictures(spec, moving(spec, 1))
    (frame,) = reader.frames()
    if on_device:
        (frame,) = _on_device(device, frame, spec, stage)
    work_on(stage.stream)
    try:
        with pytest.raises(DeviceError, match="does not take it"):
            deque(chain(stage.push(frame), stage.flush(None)))
        stage.close()
    finally:
        work_on(None)
    assert (stage.pool.on_loan, reader.pool.on_loan) == (0, 0)


def _on_device(device: SimulatedDevice, frame: Frame, spec: FrameSpec, stage: Enhance) -> list[Frame]:
    upload = Upload(device, stream=stage.stream)
    upload.open(spec)
    work_on(upload.stream)
    return list(upload.push(frame))
