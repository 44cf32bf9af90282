import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="checkpoints are read with torch, from the export extra")

from safetensors.torch import save_file  # noqa: E402

from engine.errors import ModelError, UnsupportedModelError, WeightsError  # noqa: E402
from export.checkpoints import catalogue as catalogue_module  # noqa: E402
from export.checkpoints import weights as weights_module  # noqa: E402
from export.checkpoints.catalogue import Checkpoint  # noqa: E402
from export.checkpoints.identify import identify  # noqa: E402
from export.checkpoints.store import weights_problem  # noqa: E402
from export.checkpoints.tensors import load_tensors  # noqa: E402
from export.checkpoints.weights import convert_fetched, import_checkpoint, load_network  # noqa: E402
from export.networks.published.registry import NETWORKS  # noqa: E402

SMALL = "realesr-animevideov3"


class Hostile:
    """What would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (Path.write_text, (Path(self.path), "run"))


def blank(name):
    return {key: torch.zeros(shape) for key, shape in NETWORKS[name].shapes().items()}


@pytest.fixture(scope="module")
def small():
    generator = torch.Generator().manual_seed(1)
    return {key: torch.randn(tensor.shape, generator=generator) for key, tensor in blank(SMALL).items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"params_ema": tensors, "params": {}},
        lambda tensors: {"params": tensors},
        lambda tensors: {"model": tensors, "opt": {"slices": [slice(0, 3)]}},
        lambda tensors: {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in tensors.items()}},
        lambda tensors: {**{f"module.{key}": value for key, value in tensors.items()}, "stray": torch.zeros(2)},
    ],
    ids=["bare", "params_ema", "params", "fastai", "state_dict+module", "module"],
)
def test_wrappers_are_taken_off(tmp_path, small, wrap):
    path = tmp_path / "weights.pth"
    torch.save(wrap(small), path)
    found = load_tensors(path)
    assert found.keys() == small.keys()
    assert all(torch.equal(found[key], small[key]) for key in small)


def test_the_old_format_of_pytorch_is_read(tmp_path, small):
    path = tmp_path / "flownet.pkl"
    torch.save(small, path, _use_new_zipfile_serialization=False)
    assert load_tensors(path).keys() == small.keys()


def test_safetensors_are_read(tmp_path, small):
    save_file(small, tmp_path / "weights.safetensors")
    assert load_tensors(tmp_path / "weights.safetensors").keys() == small.keys()


@pytest.mark.parametrize("form", ["pickle", "pytorch", "old-pytorch", "beside-tensors"])
def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path, form):
    written = tmp_path / "written"
    path = tmp_path / "weights.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Hostile(written)))
    elif form == "beside-tensors":
        torch.save({"state_dict": {"a": torch.zeros(3)}, "note": Hostile(written)}, path)
    else:
        torch.save(Hostile(written), path, _use_new_zipfile_serialization=form == "pytorch")
    with pytest.raises(WeightsError, match="refused, for it") as caught:
        load_tensors(path)
    assert "\n" not in str(caught.value)
    assert not written.exists()


def test_the_checkpoint_of_an_archive_is_read(tmp_path, small):
    torch.save({f"module.{key}": value for key, value in small.items()}, tmp_path / "flownet.pkl")
    path = tmp_path / "train_log.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("train_log/RIFE.py", "raise SystemExit")
        packed.writestr("__MACOSX/train_log/._flownet.pkl", "resource fork")
        packed.write(tmp_path / "flownet.pkl", "train_log/flownet.pkl")
    assert load_tensors(path).keys() == small.keys()
    with zipfile.ZipFile(path, "a") as packed:
        packed.write(tmp_path / "flownet.pkl", "older/flownet.pkl")
    with pytest.raises(WeightsError, match=r"holds 2 checkpoints \(train_log/flownet\.pkl, older/flownet\.pkl\)"):
        load_tensors(path)


def test_a_hostile_file_within_an_archive_is_refused(tmp_path):
    path = tmp_path / "train_log.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("train_log/flownet.pkl", pickle.dumps(Hostile(tmp_path / "written")))
    with pytest.raises(WeightsError, match="refused, for it"):
        load_tensors(path)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth: ") as caught:
        load_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        load_tensors(tmp_path / "gone.pth")


def test_a_file_without_named_tensors_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        load_tensors(tmp_path / "list.pth")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as packed:
        packed.writestr("readme", "hello")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_known_by_its_tensors(name):
    with torch.device("meta"):
        identity = identify(NETWORKS[name].build().state_dict())
    assert name in identity.variants
    assert identity.family == NETWORKS[name].family


def test_what_only_weights_tell_apart_is_said():
    with torch.device("meta"):
        assert identify(NETWORKS["rife-v4.26"].build().state_dict()).variants == ("rife-v4.25", "rife-v4.26")


def test_an_unknown_network_is_told_the_nearest(small):
    changed = {**small, "body.0.weight": torch.zeros(32, 3, 3, 3)}
    with pytest.raises(UnsupportedModelError, match=f"the nearest is {SMALL}, with 52 of 53"):
        identify(changed)


def test_an_imported_file_is_loaded_under_its_name(tmp_path, store, small):
    path = tmp_path / "mine.pth"
    torch.save({"params": small}, path)
    imported = import_checkpoint(path, store)
    assert imported.network == SMALL
    network, terms = load_network(SMALL, store)
    assert torch.equal(network.state_dict()["body.0.weight"], small["body.0.weight"])
    assert terms.source == "file " + hashlib.sha256(path.read_bytes()).hexdigest()
    assert terms.commercial_use == "ask"


def test_a_file_of_several_networks_must_be_named(tmp_path, store):
    path = tmp_path / "flownet.pkl"
    torch.save({f"module.{key}": value for key, value in blank("rife-v4.25").items()}, path)
    with pytest.raises(ModelError, match=r"could be rife-v4\.25 or rife-v4\.26; name one of them \(--name\)"):
        import_checkpoint(path, store)
    with pytest.raises(ModelError, match=r"not rife-v4\.6"):
        import_checkpoint(path, store, name="rife-v4.6")
    assert import_checkpoint(path, store, name="rife-v4.26").path.name == "rife-v4.26.safetensors"


def test_a_file_that_the_catalogue_knows_brings_its_terms(tmp_path, store, monkeypatch, small):
    path = tmp_path / "x.pth"
    torch.save(small, path)
    entry = Checkpoint(
        name="X", file="x.pth", task="", urls=("https://home.example/x.pth",), licence="BSD-3-Clause",
        commercial_use="yes", network=SMALL, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip
    monkeypatch.setattr(catalogue_module, "catalogue", lambda: (entry,))
    terms = import_checkpoint(path, store).terms
    assert (terms.licence, terms.commercial_use, terms.source) == ("BSD-3-Clause", "yes", entry.urls[0])


def test_a_known_file_is_not_taken_for_another_network(tmp_path, store, monkeypatch):
    path = tmp_path / "flownet.pkl"
    torch.save(blank("rife-v4.25"), path)
    entry = Checkpoint(
        name="RIFE 4.25", file="flownet.pkl", task="", urls=("https://home.example/x.pkl",), licence="MIT",
        commercial_use="yes", network="rife-v4.25", sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip
    monkeypatch.setattr(catalogue_module, "catalogue", lambda: (entry,))
    with pytest.raises(ModelError, match=r"is RIFE 4\.25, the published rife-v4\.25, not rife-v4\.26"):
        import_checkpoint(path, store, name="rife-v4.26")
    assert import_checkpoint(path, store).network == "rife-v4.25"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[:5], "is cut off"),
        (lambda data: data[:200], "is cut off"),
        (lambda data: data[:-1], "bytes long"),
        (lambda data: data + b"x", "bytes long"),
        (lambda data: data[:8] + b"x" + data[9:], "is no safetensors file"),
    ],
)
def test_spoiled_weights_are_noticed_without_reading_them(tmp_path, small, spoil, words):
    path = tmp_path / "weights.safetensors"
    save_file(small, path, metadata={"licence": "MIT"})
    assert weights_problem(path) == ""
    path.write_bytes(spoil(path.read_bytes()))
    assert words in weights_problem(path)


def test_the_parts_of_a_network_are_put_together(store, monkeypatch, small):
    half = len(small) // 2
    entries = []
    for part, keys in (("a", list(small)[:half]), ("b", list(small)[half:])):
        entry = Checkpoint(
            name=part, file=f"{part}.pth", task="", urls=("https://home.example/x",), licence="MIT",
            commercial_use="ask", network=SMALL, part="body.",
        )  # fmt: skip
        store.path(entry).parent.mkdir(parents=True)
        torch.save({key.removeprefix("body."): small[key] for key in keys}, store.path(entry))
        entries.append(entry)
    monkeypatch.setattr(weights_module, "find_checkpoints", lambda _: tuple(entries))
    convert_fetched(SMALL, store)
    network, terms = load_network(SMALL, store)
    assert terms.licence == "MIT"
    assert torch.equal(network.state_dict()["body.34.bias"], small["body.34.bias"])


def test_weights_that_are_not_here_are_asked_for(store):
    with pytest.raises(ModelError, match="fetch or import them"):
        load_network(SMALL, store)
