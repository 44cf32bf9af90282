"""`farshore models import`."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from engine.model import find_model
from engine.places import checkpoints_folder, models_folder
from export.networks.published.registry import NETWORKS
from tests.export.cli.conftest import SMALL
from tests.support.onnx_files import METADATA, save_halver


class Hostile:
    """What would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (Path.write_text, (Path(self.path), "run"))


def test_weights_are_known_by_their_tensors(farshore, files, tmp_path):
    path = tmp_path / "unnamed.pth"
    path.write_bytes(files.small)
    outcome = farshore("models", "import", path)
    assert outcome.code == 0
    weights = checkpoints_folder() / "networks" / f"{SMALL}.safetensors"
    first, second = outcome.out.splitlines()
    assert first == f"{SMALL}: network of the family srvgg; weights in {weights}; next: farshore export {SMALL}"
    assert second.startswith("  licence unknown: ")
    assert weights.exists()


def test_a_hostile_file_is_refused_in_one_line(farshore, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"params": {"a": torch.zeros(3)}, "note": Hostile(tmp_path / "written")}, path)
    outcome = farshore("models", "import", path)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"farshore: checkpoint {path}: refused, for it asks to run")
    assert not (tmp_path / "written").exists()
    assert not checkpoints_folder().exists()
    pickle.loads(pickle.dumps(Hostile(tmp_path / "written")))
    assert (tmp_path / "written").exists(), "the file would have written it"


def test_several_networks_of_the_same_tensors_must_be_named(farshore, tmp_path):
    path = tmp_path / "flownet.pkl"
    torch.save({key: torch.zeros(shape) for key, shape in NETWORKS["rife-v4.25"].shapes().items()}, path)
    outcome = farshore("models", "import", path)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert "could be rife-v4.25 or rife-v4.26; name one of them (--name)" in line
    named = farshore("models", "import", path, "--name", "rife-v4.26", "--json")
    assert json.loads(named.out)["name"] == "rife-v4.26"


@pytest.mark.parametrize("name", ["gone.pth", "gone.onnx"])
def test_a_file_that_is_not_there_is_one_line(farshore, tmp_path, name):
    outcome = farshore("models", "import", tmp_path / name)
    assert outcome.code == 1
    assert "no such file" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_yunet_is_known_by_its_outputs(farshore, files, tmp_path):
    path = tmp_path / "face_detection.onnx"
    path.write_bytes(files.yunet)
    outcome = farshore("models", "import", path)
    assert outcome.code == 0
    assert outcome.out.startswith(f"yunet: model for the role detect; model in {models_folder() / 'yunet.onnx'}; ready")
    assert find_model("yunet", "detect").card.value_range == (0.0, 255.0)
    assert [file.name for file in models_folder().iterdir()] == ["yunet.onnx"]


def test_a_model_that_says_what_it_is_is_installed(farshore, tmp_path):
    path = save_halver(tmp_path / "stick.onnx")
    assert farshore("models", "import", path).code == 0
    assert find_model("tiny", "enhance").path.read_bytes() == path.read_bytes()
    assert farshore("models", "import", path, "--name", "halver").code == 0
    assert find_model("halver", "enhance").card.name == "tiny"


@pytest.mark.parametrize("name", ["../escape", "film-restore", "Big", ".hidden"])
def test_names_that_are_none_or_taken_are_refused(farshore, tmp_path, name):
    outcome = farshore("models", "import", save_halver(tmp_path / "stick.onnx"), "--name", name)
    assert outcome.code == 1
    assert "--name" in outcome.err
    assert list(models_folder().iterdir()) == []


def test_a_model_that_says_nothing_and_is_unknown_is_refused(farshore, tmp_path):
    outcome = farshore("models", "import", save_halver(tmp_path / "plain.onnx", None))
    assert outcome.code == 1
    assert "which no model we know does; it can still be used by naming its role" in outcome.err
    bad = farshore("models", "import", save_halver(tmp_path / "bad.onnx", {**METADATA, "schema": "9"}))
    assert bad.code == 1
    assert "farshore.schema" in bad.err
    assert list(models_folder().iterdir()) == []
