"""What TensorRT for RTX says that it built of a network whose convolutions are known."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt import inspection  # noqa: E402
from engine.backends.tensorrt.ensure import Wishes, plan_key  # noqa: E402
from engine.backends.tensorrt.inspection import account_facts, inspect_build, summary  # noqa: E402
from engine.backends.tensorrt.layers import Account, convolutions  # noqa: E402
from engine.backends.tensorrt.plans import PlanKey  # noqa: E402
from engine.backends.tensorrt.process import Limits  # noqa: E402
from engine.backends.tensorrt.profiles import Sizes  # noqa: E402
from engine.errors import BuildError  # noqa: E402
from engine.model import Model  # noqa: E402
from tests.engine.backends.tensorrt.engines import SMALL, library  # noqa: E402
from tests.support.onnx_files import METADATA  # noqa: E402

FIXED = Sizes(usual=(64, 96), smallest=(64, 96), largest=(64, 96))


@pytest.fixture(scope="module")
def half_quantized(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return a model of three convolutions, of which `inner`, from 32 channels to 32, runs in 8 bits."""
    rng = np.random.default_rng(5)

    def values(name: str, numbers: object, dtype: type[np.generic]) -> TensorProto:
        return numpy_helper.from_array(np.asarray(numbers, dtype), name)

    weights = {"stem.w": (32, 1, 3, 3), "last.w": (1, 32, 3, 3)}
    constants = [values(name, rng.normal(0, 0.1, shape), np.float32) for name, shape in weights.items()]
    constants += [
        values("inner.q", rng.integers(-127, 128, (32, 32, 3, 3)), np.int8),
        values("scale", 0.01, np.float32),
        values("zero", 0, np.int8),
    ]
    nodes = [
        helper.make_node("Conv", ["luma", "stem.w"], ["a"], name="stem", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("QuantizeLinear", ["b", "scale", "zero"], ["b.q"], name="b/Q"),
        helper.make_node("DequantizeLinear", ["b.q", "scale", "zero"], ["b.d"], name="b/DQ"),
        helper.make_node("DequantizeLinear", ["inner.q", "scale", "zero"], ["inner.w"], name="inner/w/DQ"),
        helper.make_node("Conv", ["b.d", "inner.w"], ["c"], name="inner", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["d"], name="relu_2"),
        helper.make_node("Conv", ["d", "last.w"], ["luma_out"], name="last", pads=[1] * 4),
    ]
    shape = [1, 1, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "half_quantized",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("luma_out", TensorProto.FLOAT, shape)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {f"farshore.{key}": value for key, value in METADATA.items()})
    path = tmp_path_factory.mktemp("models") / "half_quantized.onnx"
    onnx.save(made, path)
    return Model.load(path)


def inspected(model: Model, sizes: Sizes) -> tuple[Account, PlanKey]:
    key = plan_key(model, library(), None, Wishes(sizes=sizes, families=("ada",)))
    return inspect_build(model, key, library(), Limits(), lambda share, phase: None, lambda note: None), key


def test_the_8_bit_convolution_is_found_among_three_and_its_work_is_counted(half_quantized: Model) -> None:
    account, key = inspected(half_quantized, FIXED)
    facts = account_facts(account, key)
    assert facts["convolutions"] == {
        "Float": {"count": 2, "multiply_accumulates": 2 * 9 * 32 * 64 * 96},
        "Int8": {"count": 1, "multiply_accumulates": 9 * 32 * 32 * 64 * 96},
    }
    (eight,) = (item for item in convolutions(account.layers) if item.datatype == "Int8")
    assert "inner" in next(layer for layer in account.layers if layer.name == eight.layer).nodes
    assert "of 3 convolutions 2 in Float, 1 in Int8; of 0.0602 G multiply-accumulates" in summary(account, key)
    assert "94.1% in Int8" in summary(account, key)


def test_open_sizes_leave_the_work_open(half_quantized: Model) -> None:
    account, key = inspected(half_quantized, SMALL)
    assert account_facts(account, key)["convolutions"]["Int8"] == {"count": 1, "multiply_accumulates": None}
    assert "unknown, since sizes are open" in summary(account, key)


def test_the_engine_that_was_looked_at_is_not_kept(
    half_quantized: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths: list[Path] = []

    def build(*arguments: object) -> None:
        assert isinstance(arguments[3], Path)
        paths.append(arguments[3])
        arguments[3].write_bytes(b"plan")
        raise BuildError("no")

    monkeypatch.setattr(inspection, "run_build", build)
    with pytest.raises(BuildError, match="no"):
        inspected(half_quantized, FIXED)
    assert len(paths) == 1
    assert list(tmp_path.iterdir()) == []
