"""The built-in models on a real GPU, beside the processor; what the simulated device cannot show."""

import logging
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.onnxruntime_cuda import CudaBackend
from engine.backends.tensorrt.backend import TensorRtBackend
from engine.backends.tensorrt.session import TensorRtSession
from engine.device.base import Device, DeviceArray, Stream
from engine.device.cuda import open_device
from engine.errors import ConfigError, MissingExtraError, NoDeviceError
from engine.model import Model, builtin_models

pytestmark = pytest.mark.gpu

LARGEST_MEAN_ERROR = 2e-3
"""Of outputs of about [-1, 1]: both libraries multiply float32 in TF32, with 10 bits."""

FLOATING = [name for name in sorted(builtin_models()) if "-int8" not in name]


@pytest.fixture(scope="module")
def device() -> Device:
    try:
        found = open_device()
    except (MissingExtraError, NoDeviceError) as error:
        pytest.skip(f"no GPU: {error}")
    return found


@pytest.fixture(scope="module", params=["tensorrt", "cuda"])
def backend(request: pytest.FixtureRequest, device: Device, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    try:
        if request.param == "cuda":
            return CudaBackend(device)
        return TensorRtBackend(device, folder=tmp_path_factory.mktemp("plans"))
    except (MissingExtraError, ConfigError) as error:
        pytest.skip(str(error))


def profile_of(model: Model, height: int = 192, width: int = 256) -> Profile:
    """Return shapes for a picture of a size that every model's multiple divides, and 64 tokens."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, spec in model.inputs.items():
        part = {"chroma": 2, "motion": 4, "evidence": 4}.get(name, 1)
        sizes = {2: height // part, 3: width // part} if len(spec.shape) == 4 else {}
        shapes[name] = tuple(side or sizes.get(axis, 64) for axis, side in enumerate(spec.shape))
    return Profile(shapes)


def run(
    session: Session,
    values: dict[str, np.ndarray],
    inputs: dict[str, DeviceArray],
    out: dict[str, DeviceArray],
    on: Stream,
) -> dict[str, np.ndarray]:
    assert session.device is not None
    results = {name: np.empty(array.shape, array.dtype) for name, array in out.items()}
    for name, value in values.items():
        session.device.upload(value, inputs[name], on)
    session.enqueue(inputs, out, on)
    for name, array in out.items():
        session.device.download(array, results[name], on)
    on.synchronize()
    return results


@pytest.mark.parametrize("name", FLOATING)
def test_a_built_in_model_gives_nearly_what_it_gives_on_the_processor(
    backend: Backend, device: Device, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model.load(builtin_models()[name])
    profile, rng = profile_of(model), np.random.default_rng(6)
    with caplog.at_level(logging.WARNING, "engine"):
        ours = backend.open(model, profile, 1)
    assert not [text for text in caplog.messages if "cannot be recorded" in text or "on the processor" in text]
    theirs, stream = OnnxRuntimeBackend().open(model, profile, 4), device.stream()
    inputs = {name: device.empty(shape, np.float32) for name, shape in profile.shapes.items()}
    out = {name: device.empty(shape, np.float32) for name, shape in ours.output_shapes.items()}
    wanted = {name: np.empty(shape, np.float32) for name, shape in ours.output_shapes.items()}
    seen: list[dict[str, np.ndarray]] = []
    values: dict[str, np.ndarray] = {}
    for frame in range(4):
        if frame != 3:
            values = {name: rng.random(shape, np.float32) for name, shape in profile.shapes.items()}
        seen.append(run(ours, values, inputs, out, stream))
        theirs.enqueue(values, wanted)
        for output, array in seen[-1].items():
            scale = max(1.0, float(np.abs(wanted[output]).max()))
            assert float(np.abs(array - wanted[output]).mean()) / scale < LARGEST_MEAN_ERROR, (frame, output)
    for output, array in seen[2].items():
        np.testing.assert_allclose(array, seen[3][output], atol=1e-3, err_msg="a replay gives what the one before gave")
    if isinstance(ours, TensorRtSession):
        assert len(ours._graphs) == 1
    ours.close()


def test_a_second_opening_finds_plan_and_kernels(device: Device, tmp_path: Path) -> None:
    model = Model.load(builtin_models()["film-restore"])
    try:
        backend = TensorRtBackend(device, folder=tmp_path)
    except (MissingExtraError, ConfigError) as error:
        pytest.skip(str(error))
    backend.open(model, profile_of(model), 1).close()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    backend.open(model, profile_of(model), 1).close()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
