"""`farshore build`: what it says, what it makes on the way, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt.plans import read_plan  # noqa: E402
from engine.model import Model, builtin_models  # noqa: E402
from engine.places import models_folder, plans_folder  # noqa: E402
from export.cli.build_model import model_to_build  # noqa: E402
from export.cli.progress import Steps, progress_view  # noqa: E402
from tests.support.onnx_files import METADATA, save_halver  # noqa: E402

Command = Callable[..., Any]
SMALL = ("--for", "ada", "--size", "64x64", "--max-size", "128x128")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def halver(tmp_path: Path) -> Path:
    return save_halver(tmp_path / "halver.onnx")


def test_a_file_is_built_once_and_told_with_its_licence(farshore: Command, halver: Path) -> None:
    first = farshore("build", halver, *SMALL)
    assert first.code == 0, first.err
    assert "tiny fp32 for ada, sizes 64x64 to 128x128, best at 64x64, with TensorRT for RTX" in first.err
    (plan,) = plans_folder().iterdir()
    assert "tiny: fp32, " in first.out
    assert ", built in " in first.out
    assert str(plan) in first.out
    assert "licence CC0-1.0; commercial use yes; from made by a test" in first.out
    second = farshore("build", halver, *SMALL)
    assert ", built before, for ada: " in second.out
    assert list(plans_folder().iterdir()) == [plan]


def test_for_programs(farshore: Command, halver: Path) -> None:
    facts = json.loads(farshore("build", halver, *SMALL, "--workspace", "64", "--json").out)
    plan = read_plan(Path(facts["plan"]))
    assert (facts["name"], facts["precision"], facts["was_built"]) == ("tiny", "fp32", True)
    assert facts["size_bytes"] == plan.payload.nbytes
    assert facts["key"] == plan.key.as_json()
    assert plan.key.targets.compute_capabilities == ("SM89",)
    assert plan.key.workspace_bytes == 64_000_000


def test_layers_are_written_and_convolutions_told(farshore: Command, tmp_path: Path) -> None:
    path = tmp_path / "layers.json"
    fixed = ("--for", "ada", "--size", "64x64", "--min-size", "64x64", "--max-size", "64x64", "--layers", path)
    facts = json.loads(farshore("build", "film-restore", *fixed, "--json").out)
    (plan,) = plans_folder().iterdir()
    before = plan.read_bytes()
    assert facts["layers"] == str(path)
    assert facts["convolutions"]["Float"]["count"] == 19
    work = facts["convolutions"]["Float"]["multiply_accumulates"]
    assert work == pytest.approx(7.03e9 / 2 * 64 * 64 / 640 / 480, rel=0.01)  # by the model's card
    written = json.loads(path.read_text())
    assert written["convolutions"] == facts["convolutions"]
    assert {"node_conv2d", "node_conv2d_18"} <= {node for layer in written["layers"] for node in layer["nodes"]}
    path.unlink()
    again = farshore("build", "film-restore", *fixed)
    assert "of 19 convolutions 19 in Float; of 0.0469 G multiply-accumulates 100.0% in Float" in again.out
    assert again.out.rstrip().endswith(f": {path}")
    assert path.exists()
    assert plan.read_bytes() == before


def test_a_damaged_plan_is_told_and_built_again(farshore: Command, halver: Path) -> None:
    farshore("build", halver, *SMALL)
    (plan,) = plans_folder().iterdir()
    plan.write_bytes(plan.read_bytes()[:-1])
    again = farshore("build", halver, *SMALL)
    assert again.code == 0
    assert "it was cut off; building it again" in again.err
    assert ", built in " in again.out


def test_the_list(farshore: Command, halver: Path) -> None:
    farshore("build", halver, *SMALL)
    listed = farshore("build", "--list")
    assert "tiny" in listed.out
    assert "64x64 to 128x128, best at 64x64" in listed.out
    assert str(plans_folder()) in listed.out
    (facts,) = json.loads(farshore("build", "--list", "--json").out)
    assert facts["key"]["model"] == "tiny"
    assert facts["size_bytes"] == Path(facts["plan"]).stat().st_size
    refused = farshore("build", "tiny", "--list")
    assert (refused.code, "--list alone" in refused.err) == (2, True)


def test_the_list_tells_the_size_of_the_whole_picture_not_of_its_chroma(farshore: Command) -> None:
    farshore("build", "film-restore", *SMALL)
    assert "64x64 to 128x128, best at 64x64" in farshore("build", "--list").out


def test_the_half_of_a_built_in_model_is_made_and_computes_the_same(farshore: Command) -> None:
    done = farshore("build", "film-restore", "--precision", "fp16", *SMALL)
    assert done.code == 0, done.err
    assert "film-restore: fp16, " in done.out
    half, whole = Model.load(models_folder() / "film-restore-fp16.onnx"), Model.load(builtin_models()["film-restore"])
    assert half.card.precision == "fp16"
    assert half.card.source == f"{whole.card.source}; halved from the file with sha256 {whole.sha256}"
    draw = np.random.default_rng(3)
    feed = {
        "luma": draw.random((1, 5, 64, 64), np.float32),
        "chroma": draw.random((1, 10, 32, 32), np.float32),
        "strength": np.ones(1, np.float32),
    }
    results = [onnxruntime.InferenceSession(model.data).run(None, feed) for model in (whole, half)]
    for exact, near in zip(*results, strict=True):
        assert np.sqrt(((exact - near) ** 2).mean()) < 1e-3


def test_a_half_of_an_older_built_in_model_is_made_anew_and_somebodys_own_is_kept(home: Path) -> None:
    steps = Steps(progress_view(as_json=False, quiet=True), "film-restore")

    def half() -> Model:
        return model_to_build("film-restore", "fp16", None, steps)

    made = half()
    assert made.path.is_relative_to(home)
    for source, is_kept in (("x; halved from the file with sha256 00", False), ("my own training", True)):
        graph = onnx.load_model_from_string(made.data)
        properties = {item.key: item.value for item in graph.metadata_props}
        onnx.helper.set_model_props(graph, {**properties, "farshore.source": source})
        onnx.save(graph, made.path)
        assert (half().card.source == source) is is_kept


def test_an_installed_model_of_that_precision_is_taken(farshore: Command) -> None:
    models_folder().mkdir(parents=True)
    save_halver(models_folder() / "mine.onnx", {**METADATA, "name": "mine"})
    save_halver(models_folder() / "mine-fp16.onnx", {**METADATA, "name": "mine", "precision": "fp16"})
    for asked, wanted in (((), "fp32"), (("--precision", "fp32"), "fp32"), (("--precision", "fp16"), "fp16")):
        facts = json.loads(farshore("build", "mine", *asked, *SMALL, "--json").out)
        assert facts["precision"] == wanted
    assert json.loads(farshore("build", "mine-fp16", *SMALL, "--json").out)["was_built"] is False


def test_a_published_network_is_exported_where_its_weights_are_here(
    farshore: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = farshore("build", "rife-v4.25", "--precision", "fp16", *SMALL)
    assert refused.code == 1
    assert "rife-v4.25: its weights are not in" in refused.err.splitlines()[-1]
    assert "farshore models fetch rife-v4.25" in refused.err.splitlines()[-1]

    from export.onnx import published

    calls: list[tuple[str, str]] = []

    def export(name: str, store: object, *, precision: str, on_step: object) -> tuple[Any, ...]:
        calls.append((name, precision))
        models_folder().mkdir(parents=True, exist_ok=True)
        path = save_halver(models_folder() / f"{name}-{precision}.onnx", {**METADATA, "precision": precision})
        return (type("Exported", (), {"path": path})(),)

    monkeypatch.setattr(published, "export_model", export)
    for _ in range(2):
        done = farshore("build", "rife-v4.25", "--precision", "fp16", *SMALL)
        assert done.code == 0, done.err
    assert calls == [("rife-v4.25", "fp16")]


def test_a_file_of_another_precision_is_refused(farshore: Command, halver: Path) -> None:
    refused = farshore("build", halver, "--precision", "fp16")
    assert refused.code == 2
    assert "is fp32; precision is in the file" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "name a model or an ONNX file"),
        (("film-restore", "--for", "orin"), 2, "an engine for a Jetson is built on the Jetson"),
        (("film-restore", "--for", "hopper"), 2, "does not serve datacentre GPUs"),
        (("film-restore", "--for", "kepler"), 2, "turing, ampere, ada, blackwell"),
        (("film-restore", "--library", "tensorrt"), 2, "library tensorrt: not installed"),
        (("film-restore", "--size", "large"), 2, "--size: got 'large'; wanted WIDTHxHEIGHT"),
        (("film-restore", "--min-size", "0x9"), 2, "--min-size: got '0x9'"),
        (("film-restore", "--size", "64x64", "--max-size", "32x32"), 2, "--max-size 32x32: smaller than --size 64x64"),
        (("film-restore", "--memory", "0"), 2, "--memory: got 0; wanted more than 0"),
        (("film-restore", "--time-limit", "-1"), 2, "--time-limit: got -1"),
        (("film-restore", "--tokens", "4"), 2, "takes no references"),
        (("film-restore", "--layers", "layers.txt"), 2, "--layers layers.txt: wanted a name that ends in .json"),
        (("film-restore", "--layers", "none/layers.json"), 2, "--layers none/layers.json: folder none is not there"),
        (("film-nothing",), 1, "film-nothing"),
        (("film-restore", "--for", "ada", "--memory", "0.05"), 1, "takes more than the 0.05 GB that it may"),
        (("film-colorize", "--for", "turing"), 1, "node_matmul"),
    ],
)
def test_what_cannot_be_is_one_line(farshore: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    refused = farshore("build", *arguments)
    assert refused.code == code
    assert words in refused.err.splitlines()[-1]
    assert not plans_folder().exists() or list(plans_folder().iterdir()) == []
