from dataclasses import replace

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="models are exported with torch, from the export extra")

from engine.errors import ModelError  # noqa: E402
from engine.model import Model  # noqa: E402
from export.checkpoints.store import Store  # noqa: E402
from export.checkpoints.weights import Terms, import_checkpoint, load_network  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402
from export.onnx.recipes import RECIPES, recipe  # noqa: E402
from export.onnx.write import Runner, check, export_graph, write_published  # noqa: E402
from tests.export.onnx.miniatures import MINIATURES, miniature, miniature_graph, save_miniature  # noqa: E402
from tests.golden.cases import WEIGHTS, GoldenNetwork  # noqa: E402

TERMS = Terms(licence="BSD-3-Clause", commercial_use="yes", source="https://home.example/weights.pth")
GOLDEN = {"exemplar": "devc-frame"}
FORBIDDEN = {"BatchNormalization", "Identity", "Constant", "Loop", "If", "NonZero", "DeformConv", "Dropout"}
"""What no model may hold: folded away, or unknown to a backend."""


@pytest.mark.parametrize("name", MINIATURES)
def test_onnx_runtime_agrees_at_two_sizes_and_half_is_near(name):
    made, network = miniature(name)
    model, half = miniature_graph(name), miniature_graph(name, "fp16")
    assert max(check(made, network, model).values()) <= made.tolerance
    assert not {node.op_type for node in model.graph.node} & FORBIDDEN
    inputs = made.example_inputs(*made.check_sizes[0])
    for whole, near in zip(Runner(model)(inputs), Runner(half)(inputs), strict=True):
        assert np.sqrt(((whole - near) ** 2).mean()) <= 0.003 * max(1.0, np.abs(whole).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("gpen-1024", "gpen-2048")])
def test_published_networks_export(name):
    made = RECIPES[name]
    folder = GOLDEN.get(made.network, made.network)
    try:
        weights = GoldenNetwork(folder).weights()
    except FileNotFoundError:
        pytest.skip(f"no golden weights for {name}; it differs from its siblings in weights or depth alone")
    network = NETWORKS[made.network].load(weights)
    model = export_graph(made, network)
    assert max(check(made, network, model).values()) <= made.tolerance
    assert not {node.op_type for node in model.graph.node} & FORBIDDEN


@pytest.fixture(scope="module")
def animevideo():
    return NETWORKS["realesr-animevideov3"].load(np.load(WEIGHTS / "realesr-animevideov3-x2.npz").items())


def test_enlarging_by_two_is_the_authors_own(animevideo):
    cases = np.load(WEIGHTS / "realesr-animevideov3-x2.cases.npz")
    model = export_graph(recipe("realesr-animevideov3-x2"), animevideo)
    (y,) = Runner(model)({"frames": torch.from_numpy(cases["photo/in/x"].astype(np.float32))})
    np.testing.assert_allclose(y, cases["photo/out/y_x2"], atol=5e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_written_model_says_what_it_is_and_enlarges_the_photograph(tmp_path, animevideo, precision):
    path = tmp_path / "model.onnx"
    written = write_published(recipe("realesr-animevideov3"), animevideo, path, terms=TERMS, precision=precision)
    assert max(written.differences.values()) < 1e-5
    model = Model.load(path, role="enhance")
    card = model.card
    assert (card.name, card.precision, card.scale, card.color_space) == ("realesr-animevideov3", precision, 4, "rgb")
    assert (card.licence, card.commercial_use, card.source) == tuple(
        getattr(TERMS, key) for key in ("licence", "commercial_use", "source")
    )
    assert model.inputs["frames"].shape == (1, 3, None, None)
    assert model.outputs["frame"].dtype == "tensor(float)"
    cases = np.load(WEIGHTS / "realesr-animevideov3-x2.cases.npz")
    (y,) = Runner(onnx.load(path))({"frames": torch.from_numpy(cases["photo/in/x"].astype(np.float32))})
    limit = {"fp32": 5e-5, "fp16": 5e-3}[precision]
    np.testing.assert_allclose(y[:, :, ::3, ::3], cases["photo/out/y_x4_strided"], atol=limit, rtol=0)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_from_a_published_file_to_a_model(tmp_path, animevideo):
    published = tmp_path / "realesr-animevideov3.pth"
    torch.save({"params": animevideo.state_dict()}, published)
    store = Store(tmp_path / "store")
    imported = import_checkpoint(published, store)
    network, terms = load_network(imported.network, store)
    write_published(recipe(imported.network), network, tmp_path / "model.onnx", terms=terms)
    card = Model.load(tmp_path / "model.onnx").card
    assert (card.name, card.licence, card.commercial_use) == ("realesr-animevideov3", "unknown", "ask")


def test_a_model_that_computes_something_else_is_not_written(tmp_path, animevideo):
    strict = replace(recipe("realesr-animevideov3"), tolerance=0.0)
    with pytest.raises(ModelError, match=r"ONNX Runtime is off by .*; at most 0e\+00"):
        write_published(strict, animevideo, tmp_path / "model.onnx", terms=TERMS)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_which_nothing_may_be_half_has_no_half_model(tmp_path, animevideo):
    whole = replace(recipe("realesr-animevideov3"), half_scopes=("nowhere",))
    with pytest.raises(ModelError, match="needs float32 everywhere; export it as fp32"):
        write_published(whole, animevideo, tmp_path / "model.onnx", terms=TERMS, precision="fp16")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_runtime_could_not_read_gets_no_name(tmp_path, animevideo):
    wrong = replace(recipe("realesr-animevideov3"), metadata={"role": "enhance", "color_space": "cmyk"})
    with pytest.raises(ModelError, match=r"farshore\.color_space is 'cmyk'"):
        write_published(wrong, animevideo, tmp_path / "model.onnx", terms=TERMS)
    assert list(tmp_path.iterdir()) == []


def test_interpolators_say_which_moments_they_make(tmp_path):
    assert save_miniature("rife-v3", tmp_path).card.moments == "middle"
    assert save_miniature("rife-v4.6", tmp_path).card.moments == "any"


def test_a_colorizer_that_cannot_encode_references_names_the_model_that_does():
    companion = RECIPES[RECIPES["exemplar"].metadata["reference_model"]]
    assert companion.metadata["role"] == "reference"
    assert companion.network == RECIPES["exemplar"].network


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_of_a_known_network(name):
    assert RECIPES[name].network in NETWORKS


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'rife-v9'.*rife-v4\.6"):
        recipe("rife-v9")
