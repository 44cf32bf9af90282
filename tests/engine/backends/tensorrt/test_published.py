"""Engines of every published network: small ones of each family always, all of them in full among the slow tests."""

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")
pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt.builder import build_engine  # noqa: E402
from engine.backends.tensorrt.ensure import Wishes  # noqa: E402
from engine.backends.tensorrt.profiles import Sizes, build_profile  # noqa: E402
from engine.model import Model  # noqa: E402
from export.checkpoints.weights import Terms  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from export.onnx.adopt import adopt  # noqa: E402
from export.onnx.recipes import RECIPES  # noqa: E402
from export.onnx.write import export_graph, half_graph, model_metadata  # noqa: E402
from tests.engine.backends.tensorrt.engines import SMALL, ensured, key_of, library  # noqa: E402
from tests.export.onnx.miniatures import MINIATURES, miniature, miniature_graph  # noqa: E402
from tests.golden.cases import WEIGHTS, GoldenNetwork  # noqa: E402

TERMS = Terms(licence="MIT", commercial_use="yes", source="https://home.example/weights.pth")
GOLDEN = {"exemplar": "devc-frame"}


def save(graph: onnx.ModelProto, name: str, precision: str, folder: Path) -> Model:
    copy = onnx.ModelProto.FromString(graph.SerializeToString())
    onnx.helper.set_model_props(copy, model_metadata(RECIPES[name], TERMS, precision))
    path = folder / f"{name}-{precision}.onnx"
    onnx.save(copy, path)
    return Model.load(path)


def sizes(model: Model) -> Sizes:
    """Return small sizes, where the model leaves any open."""
    return SMALL if any(None in spec.shape for spec in model.inputs.values()) else Sizes()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", MINIATURES)
def test_each_family_is_built_in_small(name: str, precision: str, tmp_path: Path) -> None:
    miniature(name)
    model = save(miniature_graph(name, precision), name, precision, tmp_path)
    key = key_of(model.data, build_profile(model, sizes(model)))
    engine = build_engine(library(), model.data, key, lambda *_: None, lambda _: None)
    assert memoryview(engine).nbytes > 10_000


def test_yunet_is_built_with_its_real_weights(tmp_path: Path) -> None:
    adopt(WEIGHTS / "yunet_n_640_640.onnx", tmp_path / "yunet.onnx", terms=TERMS)
    made = ensured(Model.load(tmp_path / "yunet.onnx"), tmp_path, wishes=Wishes(families=("ada",)))
    assert made.plan.payload.nbytes > 300_000


def weights(network: str) -> list[tuple[str, np.ndarray]]:
    """Return golden weights, or drawn ones where a network has none of its own."""
    try:
        return list(GoldenNetwork(GOLDEN.get(network, network)).weights())
    except FileNotFoundError:
        draw = np.random.default_rng(0)
        shapes = NETWORKS[network].shapes()
        return [(key, 0.05 * draw.standard_normal(shape, np.float32)) for key, shape in shapes.items()]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_each_published_network_is_built_in_both_precisions(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    whole = export_graph(recipe, NETWORKS[recipe.network].load(weights(recipe.network)))
    sizes_in_bytes = []
    for precision, graph in (("fp32", whole), ("fp16", half_graph(recipe, whole))):
        model = save(graph, name, precision, tmp_path)
        made = ensured(model, tmp_path, wishes=Wishes(sizes=sizes(model), families=("ada",)))
        sizes_in_bytes.append(made.plan.payload.nbytes)
        made.plan.path.unlink()
    assert sizes_in_bytes[0] >= sizes_in_bytes[1] > 500_000
