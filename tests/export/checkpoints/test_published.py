import pytest

from engine.errors import ModelError
from engine.places import models_folder
from export.checkpoints.published import PUBLISHED, cure, find_published, model_stem


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path / "home"))


def test_the_names_are_those_of_the_recipes():
    pytest.importorskip("torch", reason="recipes need the export extra")
    from export.onnx.adopt import READY_MODELS
    from export.onnx.recipes import RECIPES

    made = {name: (made.network, made.metadata["role"]) for name, made in RECIPES.items()}
    ready = {name: (name, model.metadata["role"]) for name, model in READY_MODELS.items()}
    assert {name: (model.network, model.role) for name, model in PUBLISHED.items()} == {**made, **ready}


def test_a_model_goes_from_not_fetched_to_exported(store):
    model = find_published("exemplar")
    assert model.state(store) == "not fetched"
    for number, checkpoint in enumerate(model.checkpoints):
        assert model.state(store) == "not fetched", f"with {number} of {len(model.checkpoints)} files"
        store.path(checkpoint).parent.mkdir(parents=True, exist_ok=True)
        store.path(checkpoint).write_bytes(b"weights")
    assert model.state(store) == "fetched"
    models_folder().mkdir(parents=True)
    (models_folder() / f"{model_stem('exemplar', 'fp16')}.onnx").write_bytes(b"model")
    assert model.state(store) == "exported"
    assert find_published("exemplar-reference").state(store) == "fetched"


def test_imported_weights_count_as_fetched(store):
    model = find_published("rife-v3")
    assert (model.checkpoints, model.state(store)) == ((), "not fetched")
    store.network_path("rife-v3").parent.mkdir(parents=True)
    store.network_path("rife-v3").write_bytes(b"weights")
    assert model.state(store) == "fetched"


def test_the_cure_fits_whether_there_is_a_home():
    assert cure("rife-v4.25") == "farshore models fetch rife-v4.25"
    assert cure("rife-v3") == "farshore models import FILE --name rife-v3"


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"'rife-v9'.*rife-v4\.6"):
        find_published("rife-v9")
