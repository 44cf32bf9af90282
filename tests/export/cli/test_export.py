"""`farshore export`, and what `farshore models` shows of published networks."""

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from engine.errors import BuildError
from engine.model import find_model
from engine.places import checkpoints_folder, models_folder
from export.checkpoints.store import Store
from export.checkpoints.weights import Terms
from export.networks.published.registry import NETWORKS
from export.onnx import published as published_module
from export.onnx.published import export_model
from export.onnx.recipes import recipe
from export.onnx.write import Runner, Written
from tests.export.cli.conftest import FLOW, SMALL
from tests.golden.cases import GoldenNetwork
from tests.test_no_extras import run_without_extras


def state_of(farshore, name):
    (found,) = [model for model in json.loads(farshore("models", "list", "--json").out) if model["name"] == name]
    return found["state"]


def test_from_its_home_to_a_model_that_is_found_by_name(farshore, homes):
    assert state_of(farshore, SMALL) == "not fetched"
    assert farshore("models", "fetch", SMALL, "--accept-licence").code == 0
    assert state_of(farshore, SMALL) == "fetched"
    outcome = farshore("export", SMALL)
    assert outcome.code == 0
    first, engine, second = outcome.out.splitlines()
    assert engine.startswith("  TensorRT for RTX: builds in ")
    assert first.startswith(f"{SMALL}: fp32, ")
    assert first.endswith(f": {models_folder() / SMALL}.onnx")
    assert second.startswith("  licence BSD-3-Clause")
    assert second.endswith(f"; commercial use yes; from {homes.address}/small.pth")
    steps = [line.split("  ")[1] for line in outcome.err.splitlines()]
    assert steps == ["load", "trace", "compare in ONNX Runtime at 24×32 and 20×36", "write", "try"]
    assert state_of(farshore, SMALL) == "exported"

    model = find_model(SMALL, "enhance")
    assert (model.card.name, model.card.scale, model.card.commercial_use) == (SMALL, 4, "yes")
    inputs = recipe(SMALL).example_inputs(12, 20)
    wanted = NETWORKS[SMALL].load(GoldenNetwork(SMALL).weights())(inputs["frames"])
    (found,) = Runner(onnx.load(model.path))(inputs)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)

    shown = farshore("models", "show", SMALL).out
    assert "state                       exported" in shown
    assert "citation                    arXiv:2107.10833" in shown
    assert f"published home              {homes.address}/small.pth" in shown


def test_half_is_installed_under_its_own_name(farshore, homes):
    farshore("models", "fetch", FLOW, "--accept-licence")
    outcome = farshore("export", FLOW, "--precision", "fp16", "--json")
    (made,) = json.loads(outcome.out)
    assert (made["name"], made["precision"], made["path"]) == (FLOW, "fp16", f"{models_folder() / FLOW}-fp16.onnx")
    assert made["difference"] < 1e-4
    steps = [json.loads(line)["step"] for line in outcome.err.splitlines()]
    assert steps[-3:] == ["halve", "write", "try"]
    assert re.fullmatch(r"builds in [\d.]+ s, [\d.]+ MB", made["engine"])
    card = find_model(f"{FLOW}-fp16", "interpolate").card
    assert (card.name, card.precision, card.licence.split()[0]) == (FLOW, "fp16", "MIT")
    (listed,) = [model for model in json.loads(farshore("models", "list", "--json").out) if FLOW in model["name"]]
    assert (listed["name"], listed["state"], listed["precision"]) == (f"{FLOW}-fp16", "exported", "fp16")


def test_what_an_engine_library_cannot_build_is_said_with_its_node(farshore, homes, monkeypatch):
    def refuse(model):
        raise BuildError(
            f"model {model.card.name}: TensorRT for RTX cannot read it: node /body/Conv_3: no such operator"
        )

    monkeypatch.setattr("export.onnx.published.try_build", refuse)
    farshore("models", "fetch", SMALL, "--accept-licence")
    outcome = farshore("export", SMALL)
    assert outcome.code == 0
    assert "TensorRT for RTX: cannot be built: " in outcome.out
    assert "/body/Conv_3" in "".join(outcome.out.split())
    assert find_model(SMALL, "enhance").card.scale == 4


def test_yunet_is_taken_as_it_is(farshore, homes):
    missing = farshore("export", "yunet")
    assert missing.code == 1
    assert missing.err.rstrip().endswith("fetch it: farshore models fetch yunet")
    farshore("models", "fetch", "yunet", "--accept-licence")
    assert farshore("export", "yunet", "--precision", "fp16").code == 1
    assert farshore("export", "yunet").code == 0
    assert find_model("yunet", "detect").card.licence.startswith("MIT")


def test_files_that_were_fetched_without_torch_are_converted_on_export(farshore, homes, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr("export.cli.fetch.missing_package", lambda extra: "torch")
        farshore("models", "fetch", SMALL, "--accept-licence")
    outcome = farshore("export", f"{SMALL}-x2", "-o", tmp_path / "twice.onnx", "--quiet")
    assert outcome == type(outcome)(0, "", "")
    assert find_model(str(tmp_path / "twice.onnx"), "enhance").card.scale == 2


def test_weights_that_are_not_here_are_one_line_with_the_cure(farshore):
    outcome = farshore("export", FLOW, "--quiet")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.endswith(f"farshore models fetch {FLOW}")
    assert not list(models_folder().glob("*"))
    assert farshore("export", "rife-v3").err.rstrip().endswith("farshore models import FILE --name rife-v3")


@pytest.mark.parametrize("output", ["model.pth", "no/such/folder/model.onnx"])
def test_an_output_that_cannot_be_is_refused_before_the_work(farshore, output):
    outcome = farshore("export", FLOW, "-o", output)
    assert outcome.code == 2
    assert outcome.err.startswith(f"farshore: --output {output}: ")


def test_an_unknown_model_lists_those_that_can_be_exported(farshore):
    outcome = farshore("export", "film-restore")
    assert outcome.code == 1
    assert "rife-v4.25" in outcome.err


def test_an_exported_model_without_its_weights_can_only_be_used(farshore, homes):
    farshore("models", "fetch", SMALL, "--accept-licence")
    farshore("export", SMALL)
    (checkpoints_folder() / "networks" / f"{SMALL}.safetensors").unlink()
    (checkpoints_folder() / "downloads" / "real-esrgan-animevideo-v3" / "small.pth").unlink()
    assert state_of(farshore, SMALL) == "exported"
    assert farshore("export", SMALL).err.rstrip().endswith(f"farshore models fetch {SMALL}")


def test_exemplar_brings_the_model_that_encodes_its_references(tmp_path, monkeypatch):
    terms = Terms(licence="MIT", commercial_use="ask", source="https://home.example")
    monkeypatch.setattr(published_module, "load_network", lambda name, store: (torch.nn.Identity(), terms))
    Store(tmp_path).network_path("exemplar").parent.mkdir()
    Store(tmp_path).network_path("exemplar").write_bytes(b"weights")

    def write(made, network, path, *, precision, **_):
        path.write_text(f"{made.name} {precision}")
        return Written(path=path, differences={(64, 96): 1e-6}, nodes=3)

    monkeypatch.setattr(published_module, "write_published", write)
    monkeypatch.setattr(published_module, "_tried", lambda path: "not tried")
    made = export_model("exemplar", Store(tmp_path), precision="fp16", path=tmp_path / "mine.onnx")
    assert [model.name for model in made] == ["exemplar", "exemplar-reference"]
    assert (tmp_path / "mine.onnx").read_text() == "exemplar fp16"
    assert (tmp_path / "exemplar-reference.onnx").read_text() == "exemplar-reference fp32"


def test_the_list_says_what_can_be_had_and_on_what_terms(farshore):
    models = {model["name"]: model for model in json.loads(farshore("models", "list", "--json").out)}
    assert models["film-restore"]["state"] == "built in"
    gpen = models["gpen-512"]
    assert (gpen["state"], gpen["role"], gpen["commercial_use"]) == ("not fetched", "face", "no")
    assert gpen["size_bytes"] == 284085738
    assert gpen["published"][0]["sha256"].startswith("f1002c41")
    table = farshore("models", "list").out
    assert " No licence in force " in next(line for line in table.splitlines() if " gpen-512 " in line)


def test_show_tells_of_a_network_that_is_not_here(farshore):
    shown = farshore("models", "show", "gpen-256").out
    assert "state                       not fetched" in shown
    assert "published sha256            recorded when it comes" in shown
    assert "citation                    arXiv:2105.06070" in shown
    assert "next                        farshore models fetch gpen-256" in shown


def test_models_that_are_here_are_verified_beside_fetched_files(farshore, homes):
    farshore("models", "fetch", SMALL, "--accept-licence")
    farshore("export", SMALL)
    lines = farshore("models", "verify", SMALL).out.splitlines()
    assert [line.split(" (")[0] for line in lines][1:] == ["Real-ESRGAN animevideo v3", f"weights of {SMALL}"]
    assert all("whole, sha256 " in line for line in lines)
    everything = farshore("models", "verify").out.splitlines()
    assert set(lines) < set(everything)
    (checkpoints_folder() / "downloads" / "real-esrgan-animevideo-v3" / "small.pth").unlink()
    assert farshore("models", "verify", SMALL).code == 0
    weights = checkpoints_folder() / "networks" / f"{SMALL}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    damaged = farshore("models", "verify", SMALL)
    assert damaged.code == 1
    assert "bytes long; fetch or import it again" in damaged.out.splitlines()[-1]


def test_what_was_never_fetched_is_not_whole(farshore):
    outcome = farshore("models", "verify", SMALL)
    assert outcome.code == 1
    assert outcome.out.rstrip().endswith("not here; fetch it")


REGISTERED = """
from engine.cli.main import app, main
from export.cli.commands import register
if all(command.name != "export" for command in app.registered_commands):
    register(app)
"""


def test_without_torch_the_extra_is_named_in_one_line():
    done = run_without_extras(REGISTERED + "sys.exit(main(['export', 'rife-v4.6']))\n")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(" is not installed; run: pip install 'farshore[export]'")


def test_help_brings_neither_torch_nor_onnx():
    program = REGISTERED + (
        "import sys\n"
        "for command in ['--help'], ['export', '--help'], ['models', 'fetch', '--help']:\n"
        "    assert main(command) == 0\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'safetensors'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
