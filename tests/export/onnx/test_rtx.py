import onnx
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")
pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.errors import BuildError  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from export.onnx.recipes import RECIPES  # noqa: E402
from export.onnx.rtx import try_build  # noqa: E402
from export.onnx.write import export_graph, half_graph  # noqa: E402
from tests.export.onnx.miniatures import MINIATURES, miniature, miniature_graph  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402

SMALLEST, USUAL, LARGEST = (64, 64, 1), (128, 192, 24), (512, 640, 4096)
GOLDEN = {"exemplar": "devc-frame"}


def ranges(recipe):
    """Return a small profile for the inputs whose size may change."""
    unit = recipe.size_multiple

    def concrete(shape, sizes):
        named = {"height": -(-sizes[0] // unit) * unit, "width": -(-sizes[1] // unit) * unit, "tokens": sizes[2]}
        return tuple(named[side] if isinstance(side, str) else side for side in shape)

    return {
        name: tuple(concrete(shape, sizes) for sizes in (SMALLEST, USUAL, LARGEST))
        for name, shape in recipe.inputs.items()
        if any(isinstance(side, str) for side in shape)
    }


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", [name for name in MINIATURES if name not in ("rife-m", "realesrgan-x4plus")])
def test_an_engine_is_built(name, precision):
    trial = try_build(miniature_graph(name, precision).SerializeToString(), ranges(miniature(name)[0]))
    assert trial.megabytes > 0


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["rife-v4.25-lite", "gpen-256", "deoldify-stable", "exemplar", "exemplar-reference"])
def test_an_engine_is_built_of_a_published_network(name, precision):
    recipe = RECIPES[name]
    network = NETWORKS[recipe.network].load(GoldenNetwork(GOLDEN.get(recipe.network, recipe.network)).weights())
    model = export_graph(recipe, network)
    model = half_graph(recipe, model) if precision == "fp16" else model
    assert try_build(model.SerializeToString(), ranges(recipe)).megabytes > 1


def test_what_cannot_be_built_names_the_node():
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"], name="culprit")],
        "unbuildable",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [2, None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    with pytest.raises(BuildError, match="culprit"):
        try_build(model.SerializeToString(), {})
