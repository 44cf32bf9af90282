"""The device layer, sessions and the chain on a GPU."""

from fractions import Fraction

import numpy as np
import pytest

from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.chain import build_chain, open_backend
from engine.device.cuda import CudaDevice, open_device
from engine.device.operators import Operators, view
from engine.errors import DeviceError, FarshoreError, MissingExtraError
from engine.settings import EnhanceSettings, InterpolateSettings, RuntimeSettings, Settings
from engine.stages.device.motion import DeviceMotion
from kernels.reference.motion import find_motion
from tests.support.chain import film_spec
from tests.support.device_chain import Pictures, moving, run_pipeline

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> CudaDevice:
    try:
        return open_device("0")
    except (DeviceError, MissingExtraError) as error:
        pytest.skip(f"no GPU: {error}")


@pytest.fixture(params=["tensorrt", "cuda"])
def backend(request: pytest.FixtureRequest, device: CudaDevice) -> Backend:
    try:
        return open_backend(RuntimeSettings(backend=request.param))
    except FarshoreError as error:
        pytest.skip(str(error))


def test_copies_come_back_as_they_went(device: CudaDevice) -> None:
    stream = device.stream()
    values = np.random.default_rng(0).random((3, 97, 131), np.float32)
    first, second, result = device.empty(values.shape, np.float32), device.empty(values.shape, np.float32), values * 0
    device.upload(values, first, stream)
    device.copy(first, second, stream)
    device.download(second, result, stream)
    stream.synchronize()
    assert (result == values).all()


def test_streams_wait_for_events_and_these_measure(device: CudaDevice) -> None:
    first, second = device.stream(), device.stream(urgent=True)
    begin, end, done = device.event(timed=True), device.event(timed=True), device.event()
    big, other = device.empty((64 << 20,), np.uint8), device.empty((64 << 20,), np.uint8)
    host = device.pinned((64 << 20,), np.uint8)
    host[:] = 7
    first.record(begin)
    device.upload(host, big, first)
    first.record(done)
    done.wait(second)
    device.copy(big, other, second)
    back = device.pinned((64 << 20,), np.uint8)
    device.download(other, back, second)
    second.record(end)
    end.synchronize()
    assert (back == 7).all()
    assert end.seconds_since(begin) > 0
    assert done.has_come


def test_a_recorded_graph_runs_again_and_again(device: CudaDevice) -> None:
    stream = device.stream()
    operators = Operators(device, stream)
    motion = DeviceMotion(operators, 96, 128)
    pictures = [picture[0] for picture in moving(film_spec(width=128, height=96), 5)]
    for before, newest in zip([pictures[0], *pictures], pictures, strict=False):
        array = device.empty((1, 96, 128), np.float32)
        device.upload(np.ascontiguousarray(newest[None]), array, stream)
        motion.see(view(array))
        motion.find()
        found = np.empty((2, *motion.size), np.float32)
        device.download(motion.forward, found, stream)
        stream.synchronize()
        if newest is not pictures[0]:
            assert np.abs(found - find_motion(before, newest, *motion.size)).mean() < 0.01


def test_the_chain_makes_nearly_the_pictures_of_the_processors(backend: Backend) -> None:
    spec = film_spec(width=320, height=240)
    pictures = moving(spec, 30)
    settings = Settings(enhance=EnhanceSettings(strength=1.0), interpolate=InterpolateSettings(factor=Fraction(2)))
    host = build_chain(settings, colorize=True, backend=OnnxRuntimeBackend())
    on_host = run_pipeline(Pictures(spec, pictures), host.stages)
    on_device = run_pipeline(Pictures(spec, pictures), build_chain(settings, colorize=True, backend=backend).stages)
    assert [shown.time for shown in on_device.shown] == [shown.time for shown in on_host.shown]
    luma: list[float] = []
    chroma: list[float] = []
    for first, second in zip(on_host.shown, on_device.shown, strict=True):
        assert first.chroma is not None
        assert second.chroma is not None
        luma.append(float(np.mean((first.pixels - second.pixels) ** 2)))
        chroma.append(float(np.mean((first.chroma - second.chroma) ** 2)))
    # motion is found otherwise than on the processor: on a simulated device 43.6 dB, 37.1 in the last picture
    assert np.mean(luma) < 1e-4
    assert max(luma) < 4e-4
    assert max(chroma) < 1e-5
