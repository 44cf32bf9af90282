from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

import onnxruntime  # noqa: E402

from calib.collect import with_outputs  # noqa: E402
from calib.graph import SCHEMES, Range, insert, quantized_layers, step_of  # noqa: E402
from calib.loss import open_session  # noqa: E402
from calib.onnx_tools import prepare  # noqa: E402
from calib.placement import place  # noqa: E402
from engine.errors import UnsupportedModelError  # noqa: E402
from engine.model import Model  # noqa: E402
from tests.calib.conftest import restorer  # noqa: E402

LAYERS = ("stem", "one", "two", "up")
PICTURE = np.random.default_rng(5).random((1, 1, 32, 48), np.float32)


def quantized(model: onnx.ModelProto, form, layers=LAYERS) -> onnx.ModelProto:
    found = place(model, layers)
    names = [name for name in found.tensors if name != "luma"]
    values = open_session(with_outputs(model, names), 1).run(names, {"luma": PICTURE})
    ranges = {name: Range(low=float(v.min()), high=float(v.max())) for name, v in zip(names, values, strict=True)}
    ranges["luma"] = ranges["half"] = Range(low=0.0, high=1.0)
    return insert(model, found, ranges, form)


@pytest.fixture
def graph(small_model: Model) -> onnx.ModelProto:
    return prepare(small_model.data, "small")


@pytest.mark.parametrize(("form", "most"), [("cpu", 0.01), ("tensorrt", 0.02), ("fp8", 0.05)])
def test_a_quantized_graph_is_valid_and_computes_nearly_the_same(graph: onnx.ModelProto, form, most: float) -> None:
    made = quantized(graph, form)
    onnx.checker.check_model(made, full_check=True)
    wanted = open_session(graph, 1).run(None, {"luma": PICTURE})[0]
    found = open_session(made, 1).run(None, {"luma": PICTURE})[0]
    assert 0 < np.abs(found - wanted).max() < most
    assert quantized_layers(made) == list(LAYERS)


def test_onnx_runtime_runs_every_layer_on_integers_and_leaves_none_between(graph, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    made = quantized(graph, "cpu").SerializeToString()
    onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QLinearConv"] == 4
    assert kinds["QLinearAdd"] == 3
    assert kinds["Conv"] == 2  # of the mean, and the last
    assert kinds["Relu"] == 0
    assert kinds["QuantizeLinear"] == 2  # of the stem's input and of the mean
    assert kinds["DequantizeLinear"] <= 2  # for the mean and for the last layer


def test_tensorrt_form_has_zero_points_of_zero_and_float_biases(graph: onnx.ModelProto) -> None:
    made = quantized(graph, "tensorrt")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    pairs = [node for node in made.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert not values[node.input[2]].any()
        assert values[node.input[2]].dtype == np.int8
    assert values["one/bias"].dtype == np.float32
    assert values["one/weight/scale"].shape == (16,)


def test_bigger_numbers_share_one_step_of_their_scale(graph: onnx.ModelProto) -> None:
    for form, scheme in SCHEMES.items():
        step = step_of(Range(low=-1.0, high=3.0), scheme)
        assert (-step.zero + scheme.lowest) * step.scale <= -0.98, form
        assert (scheme.highest - step.zero) * step.scale >= 2.98, form


def test_the_residual_branch_is_quantized_too(graph: onnx.ModelProto) -> None:
    made = quantized(graph, "tensorrt")
    made_by = {name: node for node in made.graph.node for name in node.output}
    for name in ("add1", "shift", "add2"):
        node = next(node for node in made.graph.node if node.name == name)
        assert [made_by[source].op_type for source in node.input] == ["DequantizeLinear"] * 2


def test_no_pair_stands_between_a_layer_and_its_activation(graph: onnx.ModelProto) -> None:
    made = quantized(graph, "cpu")
    for name in LAYERS:
        relu = next(node for node in made.graph.node if node.name == f"{name}.relu")
        assert list(relu.input) == [f"{name}.c"]


def test_a_quantized_model_is_not_calibrated_again(graph: onnx.ModelProto) -> None:
    with pytest.raises(UnsupportedModelError, match="is quantized already"):
        prepare(quantized(graph, "cpu").SerializeToString(), "small")


@pytest.mark.parametrize(
    ("form", "capability", "builds"),
    [("tensorrt", "SM86", True), ("tensorrt", "SM120", True), ("fp8", "SM89", True), ("fp8", "SM86", False)],
)
def test_tensorrt_for_rtx_builds_it(tmp_path: Path, form, capability: str, *, builds: bool) -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    model = prepare(restorer(tmp_path / "m.onnx").read_bytes(), "m")
    builder = trt.Builder(trt.Logger(trt.ILogger.INTERNAL_ERROR))
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, builder.logger)
    assert parser.parse(quantized(model, form).SerializeToString())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
    profile = builder.create_optimization_profile()
    profile.set_shape("luma", (1, 1, 32, 48), (1, 1, 32, 48), (1, 1, 64, 64))
    config.add_optimization_profile(profile)
    assert (builder.build_serialized_network(network, config) is not None) == builds


def test_what_floating_point_made_stays_exact_where_floating_point_reads_it(graph: onnx.ModelProto) -> None:
    made = quantized(graph, "cpu", ("one", "two", "up"))
    read = {node.name: list(node.input) for node in made.graph.node}
    assert read["stem.relu"] == ["stem.c"]
    assert "stem/dq" in read["one"]
    assert read["mix"][0] == "mean"
    assert read["shift"] == ["sum1/dq", "mixed/dq"]
    assert read["add3"] == ["luma", "change"]
    with_stem = quantized(graph, "cpu")
    assert next(node for node in with_stem.graph.node if node.name == "add3").input[0] == "luma"
