"""A real stage in a real pipeline on the simulated device, with each backend that runs on a GPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.backends import onnxruntime_cuda
from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.onnxruntime_cuda import CudaBackend
from engine.model import Model
from engine.settings import EnhanceSettings
from engine.stages.enhance import Enhance
from engine.stages.place import DevicePlace
from tests.engine.backends.tensorrt.fakes import make_bench
from tests.support.chain import film_spec
from tests.support.device_chain import Pictures, moving, run_on_device, run_pipeline
from tests.support.fake_onnxruntime import FakeOnnxRuntime
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import counting_enhancer, shift_enhancer


@pytest.fixture(params=["cuda", "tensorrt", "rtx"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    if request.param != "cuda":
        return make_bench(tmp_path / "plans", request.param, monkeypatch).backend()
    fake = FakeOnnxRuntime(SimulatedDevice())
    monkeypatch.setattr(onnxruntime_cuda, "import_library", lambda extra: fake)
    return CudaBackend(fake.device)


@pytest.mark.parametrize(
    "make",
    [lambda folder: counting_enhancer(folder), lambda folder: shift_enhancer(folder, luma=0.1, chroma=0.05)],
    ids=["states", "luma and chroma"],
)
def test_a_stage_makes_the_pictures_that_it_makes_on_the_processor(
    backend: Backend, make: Callable[[Path], Model], tmp_path: Path
) -> None:
    model, spec, settings = make(tmp_path), film_spec(width=37, height=23), EnhanceSettings(strength=1.0)
    pictures = moving(spec, 12)
    device = backend.device
    assert isinstance(device, SimulatedDevice)
    on_host = run_pipeline(Pictures(spec, pictures, cuts=[0, 5]), [Enhance(model, OnnxRuntimeBackend(), settings)])
    stage = Enhance(model, backend, settings, place=DevicePlace(device))
    on_device = run_on_device(device, Pictures(spec, pictures, cuts=[0, 5]), [stage])
    assert len(on_device.shown) == 12
    for ours, theirs in zip(on_device.shown, on_host.shown, strict=True):
        assert float(np.abs(ours.pixels - theirs.pixels).max()) < 2e-5
    if backend.name == "tensorrt":
        assert device.graph_launches >= 8, "most of twelve runs are replays"
