"""ONNX Runtime's CUDA provider on the simulated device, beside the processor's backend."""

import inspect
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as native_errors
import pytest
from onnx import TensorProto

from engine.backends import onnxruntime_cuda
from engine.backends.base import Profile
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.onnxruntime_cuda import CudaBackend
from engine.errors import BindingError, BuildError, ConfigError, DeviceError, DeviceMemoryError, EngineError
from engine.model import Model, builtin_models
from engine.stages.place import DevicePlace
from engine.stages.states import States
from tests.engine.backends.tensorrt.fakes import finish, leases, on_device, read
from tests.engine.backends.test_null import small_profile
from tests.support.fake_onnxruntime import FakeBinding, FakeOnnxRuntime, FakeSession
from tests.support.onnx_files import save_halver
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import counting_enhancer

SHAPE = (1, 1, 8, 12)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    fake = FakeOnnxRuntime(SimulatedDevice(seed=5))
    monkeypatch.setattr(onnxruntime_cuda, "import_library", lambda extra: fake)
    return fake


@pytest.fixture(scope="module")
def halver(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(save_halver(tmp_path_factory.mktemp("models") / "m.onnx"))


@pytest.mark.parametrize("name", [name for name in sorted(builtin_models()) if "-int8" not in name])
def test_a_built_in_model_gives_what_it_gives_on_the_processor(library: FakeOnnxRuntime, name: str) -> None:
    model = Model.load(builtin_models()[name])
    profile = small_profile(model)
    device = library.device
    ours, theirs = CudaBackend(device).open(model, profile, 1), OnnxRuntimeBackend().open(model, profile, 1)
    assert ours.output_shapes == theirs.output_shapes
    rng, stream = np.random.default_rng(4), device.stream()
    outputs, wanted = leases(ours), {name: np.empty(shape, np.float32) for name, shape in theirs.output_shapes.items()}
    for _ in range(2):
        values = {name: rng.random(shape, np.float32) for name, shape in profile.shapes.items()}
        given = {name: on_device(device, value, stream) for name, value in values.items()}
        ours.enqueue(given, outputs, stream)
        theirs.enqueue(values, wanted)
        finish(device, stream)
        for name, array in read(outputs).items():
            np.testing.assert_array_equal(array, wanted[name])


def test_sizes_are_fixed_so_that_nothing_is_left_that_works_them_out(library: FakeOnnxRuntime) -> None:
    """ONNX Runtime likes to run what works out sizes on the processor; every built-in model has such nodes."""
    library.without_kernel = frozenset({"Shape", "Size", "Range", "ConstantOfShape", "NonZero"})
    for name, path in builtin_models().items():
        if "-int8" not in name:
            model = Model.load(path)
            CudaBackend(library.device).open(model, small_profile(model), 1)
            open_sizes = onnxruntime.SessionOptions()
            open_sizes.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            open_sizes.log_severity_level = 3
            native = onnxruntime.InferenceSession(model.data, open_sizes, providers=["CPUExecutionProvider"])
            kinds = {node.op_type for part in native.get_provider_graph_assignment_info() for node in part.get_nodes()}
            assert kinds & library.without_kernel


def test_nothing_waits_and_nothing_is_allocated_once_it_is_open(library: FakeOnnxRuntime, halver: Model) -> None:
    device = library.device
    session, stream = CudaBackend(device).open(halver, Profile({"luma": SHAPE}), 1), device.stream()
    luma, out = device.empty(SHAPE, np.float32), leases(session)
    results = [np.empty(SHAPE, np.float32) for _ in range(20)]
    before = (device.allocations, device.page_locked, device.host_waits)
    for value, result in enumerate(results):
        device.upload(np.full(SHAPE, value, np.float32), luma, stream)
        session.enqueue({"luma": luma}, out, stream)
        device.download(out["luma_out"], result, stream)
    assert (device.allocations, device.page_locked, device.host_waits) == before
    finish(device, stream)
    assert [float(result.max()) for result in results] == [value / 2 for value in range(20)]


def test_what_a_run_allocates_is_there_before_the_first_frame(library: FakeOnnxRuntime, halver: Model) -> None:
    CudaBackend(library.device).open(halver, Profile({"luma": SHAPE}), 1)
    (native,) = library.sessions
    assert native.runs == [False, True]  # sizes are found; then as every later run
    assert native.settings["arena_extend_strategy"] == "kSameAsRequested"
    assert not native.options.enable_mem_pattern


def test_runs_are_on_the_sessions_stream_between_the_callers(library: FakeOnnxRuntime, halver: Model) -> None:
    device = library.device
    session = CudaBackend(device).open(halver, Profile({"luma": SHAPE}), 1)
    luma, streams = device.empty(SHAPE, np.float32), [device.stream(), device.stream()]
    device.slices.clear()
    outs = [leases(session) for _ in range(6)]
    for value, out in enumerate(outs):
        stream = streams[value % 2]
        device.upload(np.full(SHAPE, value, np.float32), luma, stream)
        session.enqueue({"luma": luma}, out, stream)
        for waited in streams:
            finish(device, waited)
    assert [float(read(out)["luma_out"].max()) for out in outs] == [value / 2 for value in range(6)]
    assert {part.stream for part in device.slices if part.name == "session"} == {library.sessions[0].stream}


def test_states_stay_on_the_device(library: FakeOnnxRuntime, tmp_path: Path) -> None:
    device, model = library.device, counting_enhancer(tmp_path)
    session = CudaBackend(device).open(model, Profile({"luma": SHAPE, "count_in": SHAPE}), 1)
    place = DevicePlace(device)
    place.open()
    states, stream = States(model, SHAPE[2:], place), place.stream
    assert stream is not None
    luma, out = on_device(device, np.zeros(SHAPE, np.float32), stream), leases(session)["luma_out"]
    seen: list[float] = []
    for frame in range(7):
        if frame == 4:
            states.clear()
        session.enqueue({"luma": luma, **states.inputs}, {"luma_out": out, **states.outputs}, stream)
        finish(device, stream)
        seen.append(round(float(read({"out": out})["out"].max()), 4))
        states.advance()
    assert seen == [0.0, 0.01, 0.02, 0.03, 0.0, 0.01, 0.02]


def test_half_precision_is_declared_and_other_types_are_refused(library: FakeOnnxRuntime, tmp_path: Path) -> None:
    device = library.device
    model = Model.load(save_halver(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16))
    session, stream = CudaBackend(device).open(model, Profile({"luma": SHAPE}), 1), device.stream()
    luma, out = on_device(device, np.ones(SHAPE, np.float16), stream), leases(session)
    session.enqueue({"luma": luma}, out, stream)
    finish(device, stream)
    assert np.all(read(out)["luma_out"] == np.float16(0.5))
    with pytest.raises(BindingError, match="must be float16"):
        session.enqueue({"luma": device.empty(SHAPE, np.float32)}, out, stream)
    double = Model.load(save_halver(tmp_path / "double.onnx", dtype=TensorProto.DOUBLE))
    with pytest.raises(BuildError, match=r"tensor 'luma' is tensor\(double\); wanted one of tensor\(float\)"):
        CudaBackend(device).open(double, Profile({"luma": SHAPE}), 1)


def test_a_node_that_would_run_on_the_processor_is_an_error_that_names_it(
    library: FakeOnnxRuntime, halver: Model
) -> None:
    library.without_kernel = frozenset({"Mul"})
    with pytest.raises(
        BuildError, match="model tiny: ONNX Runtime has no CUDA kernel for Mul .*; use --backend tensorrt"
    ):
        CudaBackend(library.device).open(halver, Profile({"luma": SHAPE}), 1)


def test_where_it_may_it_is_listed_once_and_the_host_waits_for_the_inputs(
    library: FakeOnnxRuntime, halver: Model, caplog: pytest.LogCaptureFixture
) -> None:
    library.without_kernel = frozenset({"Mul"})
    device = library.device
    with caplog.at_level(logging.WARNING, "engine"):
        session = CudaBackend(device, may_fall_back=True).open(halver, Profile({"luma": SHAPE}), 1)
        stream, out = device.stream(), leases(session)
        for value in range(3):
            luma = on_device(device, np.full(SHAPE, value, np.float32), stream)
            waits = device.host_waits
            session.enqueue({"luma": luma}, out, stream)
            assert device.host_waits > waits, "inputs are copied when they are bound, in no stream's order"
            finish(device, stream)
            assert np.all(read(out)["luma_out"] == value / 2)
    (told,) = caplog.messages
    assert told.startswith("model tiny: 1 nodes run on the processor: Mul")


def test_a_build_without_the_provider_is_told_with_its_cure(library: FakeOnnxRuntime) -> None:
    library.has_cuda = False
    with pytest.raises(ConfigError, match=r"has no CUDA provider; run: pip uninstall onnxruntime, then pip install"):
        CudaBackend(library.device)


@pytest.mark.parametrize("may_fall_back", [False, True])
def test_a_provider_that_does_not_load_is_an_error_of_the_device_whatever_is_allowed(
    library: FakeOnnxRuntime, halver: Model, may_fall_back: bool
) -> None:
    library.loads_cuda = False
    with pytest.raises(DeviceError, match="does not load, there is CPUExecutionProvider alone; .*cuDNN 9"):
        CudaBackend(library.device, may_fall_back=may_fall_back).open(halver, Profile({"luma": SHAPE}), 1)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (native_errors.Fail("CUDA failure 2: out of memory"), DeviceMemoryError, "use a smaller picture"),
        (native_errors.RuntimeException("Failed to allocate memory for requested buffer"), DeviceMemoryError, "GPU"),
        (native_errors.Fail("CUDA failure 209: no kernel image is available"), DeviceError, "use --backend tensorrt"),
        (native_errors.Fail("CUDA failure 700: an illegal memory access"), DeviceError, "check the GPU"),
        (native_errors.InvalidArgument("no such input"), BindingError, "no such input"),
        (native_errors.Fail("something else\nat length"), EngineError, "ONNX Runtime: something else$"),
    ],
)
def test_a_failing_run_is_our_error(
    library: FakeOnnxRuntime, halver: Model, error: Exception, kind: type[Exception], words: str
) -> None:
    device = library.device
    session = CudaBackend(device).open(halver, Profile({"luma": SHAPE}), 1)
    library.run_error = error
    with pytest.raises(kind, match=words) as caught:
        session.enqueue({"luma": device.empty(SHAPE, np.float32)}, leases(session), device.stream())
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_what_the_library_prints_stays_off_the_output_where_a_film_may_go(
    library: FakeOnnxRuntime, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "engine"):
        CudaBackend(library.device)
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["ONNX Runtime: Failed to load libcudnn.so.9"]


def parameters(function: Any) -> dict[str, Any]:
    return {name: value.default for name, value in inspect.signature(function).parameters.items() if name != "self"}


def test_the_stand_in_takes_what_the_real_library_takes() -> None:
    for ours, theirs in (
        (FakeOnnxRuntime.InferenceSession, onnxruntime.InferenceSession),
        (FakeOnnxRuntime.get_available_providers, onnxruntime.get_available_providers),
        (FakeOnnxRuntime.preload_dlls, onnxruntime.preload_dlls),
        (FakeSession.run_with_iobinding, onnxruntime.InferenceSession.run_with_iobinding),
        (FakeSession.io_binding, onnxruntime.InferenceSession.io_binding),
        (FakeSession.get_providers, onnxruntime.InferenceSession.get_providers),
        (
            FakeSession.get_provider_graph_assignment_info,
            onnxruntime.InferenceSession.get_provider_graph_assignment_info,
        ),
        (FakeBinding.bind_input, onnxruntime.IOBinding.bind_input),
        (FakeBinding.bind_output, onnxruntime.IOBinding.bind_output),
        (FakeBinding.get_outputs, onnxruntime.IOBinding.get_outputs),
    ):
        try:
            wanted = parameters(theirs)
        except ValueError:  # a builtin without a signature: `get_available_providers`
            wanted = {}
        assert parameters(ours) == wanted, theirs


def test_the_real_library_knows_the_options_and_what_placed_nodes_are_called(halver: Model) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(onnxruntime_cuda.STRICT, "0")
    options.add_session_config_entry(onnxruntime_cuda.RECORD, "1")
    options.add_free_dimension_override_by_name("H", 8)
    native = onnxruntime.InferenceSession(
        halver.data, options, providers=["CPUExecutionProvider"], provider_options=[{}], enable_fallback=0
    )
    (part,) = native.get_provider_graph_assignment_info()
    assert (part.ep_name, part.get_nodes()[0].op_type) == ("CPUExecutionProvider", "Mul")
    assert isinstance(part.get_nodes()[0].name, str)
    assert native.get_inputs()[0].shape == [1, 1, 8, "W"]


def test_the_real_library_without_the_provider_is_refused() -> None:
    if onnxruntime_cuda.PROVIDER in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider")
    with pytest.raises(ConfigError, match="has no CUDA provider"):
        CudaBackend(SimulatedDevice())
