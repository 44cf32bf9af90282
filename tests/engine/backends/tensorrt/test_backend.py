"""Which plan a session runs with, and what happens when the library does not take it."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.base import Profile
from engine.backends.tensorrt import serving
from engine.backends.tensorrt.backend import TensorRtBackend
from engine.backends.tensorrt.device import Gpu, current_gpu
from engine.backends.tensorrt.ensure import Wishes, plan_key
from engine.backends.tensorrt.library import Flavour, Library
from engine.backends.tensorrt.plans import PlanKey, publish_plan, unfinished_path, write_plan
from engine.backends.tensorrt.profiles import Sizes
from engine.backends.tensorrt.serving import own_key, serving_key
from engine.errors import (
    BindingError,
    BuildError,
    ConfigError,
    DeviceError,
    DeviceMemoryError,
    MissingExtraError,
    NoDeviceError,
)
from engine.model import Model, builtin_models
from tests.engine.backends.tensorrt.engines import library as real_library
from tests.engine.backends.tensorrt.fakes import ADA, Bench, make_bench
from tests.support.onnx_files import save_halver
from tests.support.simulated_device import SimulatedDevice

SHAPES = {"luma": (1, 1, 480, 640)}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model.load(save_halver(tmp_path / "m.onnx"))


@pytest.fixture(params=["tensorrt", "rtx"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    flavour: Flavour = request.param
    return make_bench(tmp_path / "plans", flavour, monkeypatch)


def the_library(bench: Bench) -> Library:
    return Library(module=bench.library, name="tensorrt", flavour=bench.flavour, version="10.3.0")


def put(folder: Path, key: PlanKey, data: bytes) -> None:
    """Put a plan into a folder, as `farshore build` does."""
    folder.mkdir(exist_ok=True)
    write_plan(unfinished_path(folder, key), key, data, 0.1)
    publish_plan(unfinished_path(folder, key), key)


def test_an_engine_is_built_once_for_the_sessions_shapes_and_the_usual_others(bench: Bench, model: Model) -> None:
    bench.open(model, SHAPES)
    bench.open(model, SHAPES)
    (key,) = bench.built
    assert key.profile["luma"].usual == (1, 1, 480, 640)
    assert key.profile["luma"].smallest == (1, 1, 64, 64)
    assert key.profile["luma"].largest == (1, 1, 1080, 1920)
    bench.open(model, {"luma": (1, 1, 1440, 1080)})
    assert bench.built[1].profile["luma"].largest == (1, 1, 1440, 1920)


def test_the_plan_of_a_build_for_that_size_is_the_sessions_own(bench: Bench) -> None:
    model = Model.load(builtin_models()["film-restore"])
    built = plan_key(model, the_library(bench), ADA, Wishes(sizes=Sizes(usual=(576, 720))))
    shapes = {"luma": (1, 5, 576, 720), "chroma": (1, 10, 288, 360), "strength": (1,)}
    assert own_key(model, the_library(bench), ADA, shapes) == built


def test_a_plan_for_other_sizes_serves_where_it_takes_these(bench: Bench, model: Model) -> None:
    put(bench.folder, plan_key(model, the_library(bench), ADA, Wishes()), model.data)
    bench.open(model, {"luma": (1, 1, 576, 720)})
    assert bench.built == []
    bench.open(model, {"luma": (1, 1, 576, 2000)})
    assert len(bench.built) == 1


def test_a_plan_for_several_gpus_serves_on_one_of_them(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(tmp_path / "plans", "rtx", monkeypatch)
    own = own_key(model, the_library(bench), ADA, SHAPES)
    assert own.targets.compute_capabilities == ("SM89",)
    both = plan_key(model, the_library(bench), None, Wishes(families=("ampere", "ada")))
    put(bench.folder, both, model.data)
    assert serving_key(own, SHAPES, bench.folder) == both
    bench.open(model, SHAPES)
    assert bench.built == []
    other = replace(own, targets=replace(own.targets, compute_capabilities=("SM120",)))
    assert serving_key(other, SHAPES, bench.folder) == other


def test_plans_of_other_models_versions_and_gpus_do_not_serve(bench: Bench, model: Model) -> None:
    own = own_key(model, the_library(bench), ADA, SHAPES)
    wide = plan_key(model, the_library(bench), ADA, Wishes())
    other_gpu = replace(wide.targets, compute_capabilities=("SM86",) if bench.flavour == "rtx" else (), gpu="another")
    for changed in (
        replace(wide, model_sha256="0" * 64),
        replace(wide, version="9.9"),
        replace(wide, revision=0),
        replace(wide, targets=other_gpu),
    ):
        put(bench.folder, changed, model.data)
    assert serving_key(own, {"luma": (1, 1, 500, 500)}, bench.folder) == own


def test_a_cached_plan_that_the_library_does_not_take_is_built_again_in_the_open(
    bench: Bench, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    put(bench.folder, plan_key(model, the_library(bench), ADA, Wishes()), model.data)
    bench.library.faults.plans = 1
    with caplog.at_level(logging.WARNING, "engine"):
        bench.open(model, {"luma": (1, 1, 576, 720)})
    (told,) = [text for text in caplog.messages if text.endswith("; building it again")]
    assert "Serialization (the version tag does not match)" in told
    assert len(bench.built) == 1
    assert [path.name for path in bench.folder.glob("*.plan")] == [bench.built[0].file_name]


def test_a_plan_that_was_just_built_and_is_not_taken_is_an_error(bench: Bench, model: Model) -> None:
    bench.library.faults.plans = 9
    with pytest.raises(
        BuildError, match=r"plan .*cannot take it: Error Code 1: Serialization .*; it was built just now"
    ):
        bench.open(model, SHAPES)
    assert len(bench.built) == 1


def test_no_second_build_is_tried_and_a_build_that_does_not_help_is_an_error(bench: Bench, model: Model) -> None:
    put(bench.folder, own_key(model, the_library(bench), ADA, SHAPES), model.data)
    bench.library.faults.plans = 9
    with pytest.raises(BuildError, match="it was built just now"):
        bench.open(model, SHAPES)
    assert len(bench.built) == 1


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Cuda Runtime (driver is insufficient)", DeviceError), ("Cuda Runtime (out of memory)", DeviceMemoryError)],
)
def test_a_gpu_that_fails_is_no_reason_to_build_again(
    bench: Bench, model: Model, words: str, kind: type[Exception]
) -> None:
    put(bench.folder, own_key(model, the_library(bench), ADA, SHAPES), model.data)
    bench.library.faults.plans, bench.library.faults.words = 1, words
    with pytest.raises(kind, match="cannot take it"):
        bench.open(model, SHAPES)
    assert bench.built == []


def test_an_engine_of_another_model_is_refused(bench: Bench, model: Model) -> None:
    put(bench.folder, own_key(model, the_library(bench), ADA, SHAPES), builtin_models()["film-colorize"].read_bytes())
    with pytest.raises(BuildError, match=r"its engine has inputs \['luma', .*wanted \['luma'\]"):
        bench.open(model, SHAPES)


def test_a_profile_that_does_not_fit_the_model_is_refused_first(bench: Bench, model: Model) -> None:
    with pytest.raises(BindingError, match="wanted"):
        bench.open(model, {"luma": (1, 3, 8, 8)})
    assert bench.built == []


def test_a_library_that_does_not_start_is_an_error_of_the_device(bench: Bench, model: Model) -> None:
    bench.library.faults.has_runtime = False
    with pytest.raises(DeviceError, match="GPU: TensorRT .* cannot start: CUDA initialization failure"):
        bench.open(model, SHAPES)


def test_the_library_is_the_one_that_serves_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def find(flavour: str | None = None) -> None:
        asked.append(flavour)

    monkeypatch.setattr(serving, "find_library", find)
    for capability in ((8, 6), (12, 0), (9, 0), (8, 7)):
        serving.library_for(Gpu(name="x", compute_capability=capability, driver=""))
    assert asked == [None, None, "tensorrt", "tensorrt"]


def test_where_only_the_library_for_rtx_is_installed_it_tries_any_gpu(
    monkeypatch: pytest.MonkeyPatch, model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rtx = Library(module=None, name="tensorrt_rtx_bindings", flavour="rtx", version="1.7.1")
    installed = {"rtx": rtx}

    def find(flavour: str | None = None) -> Library:
        if flavour in installed:
            return installed[flavour]
        raise ConfigError("not installed") if flavour == "tensorrt" else MissingExtraError("x", "rtx")

    monkeypatch.setattr(serving, "find_library", find)
    h100, h200 = (Gpu(name=name, compute_capability=(9, 0), driver="") for name in ("H100", "H200"))
    with caplog.at_level("WARNING"):
        assert serving.library_for(h200) is rtx
    assert "does not list H200" in caplog.text
    put(tmp_path, own_key(model, rtx, h100, SHAPES), b"")
    own = own_key(model, rtx, h200, SHAPES)
    assert own.targets.compute_capabilities == ("CURRENT",)
    assert serving.serving_key(own, SHAPES, tmp_path) == own, "an engine made on another GPU does not serve"
    installed.clear()
    with pytest.raises(ConfigError, match="not installed"):
        serving.library_for(h200)


def test_without_a_gpu_there_is_no_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.tensorrt.backend.current_gpu", lambda ordinal: None)
    with pytest.raises(NoDeviceError, match="use --backend onnxruntime"):
        TensorRtBackend(SimulatedDevice(), folder=tmp_path)


def test_the_real_library_reads_the_plan_and_says_what_it_lacks(tmp_path: Path, model: Model) -> None:
    """Builds for Ada, and hands the plan to the library's runtime, which wants a GPU."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; comes with the rtx extra")
    if current_gpu() is not None:
        pytest.skip("there is a GPU: what is said without one is not said")
    backend = TensorRtBackend(SimulatedDevice(), library=real_library(), gpu=ADA, folder=tmp_path)
    with pytest.raises(DeviceError, match="TensorRT for RTX 1.* cannot (take it|start): .*(cudaError|CUDA|Cuda)"):
        backend.open(model, Profile({"luma": (1, 1, 64, 64)}), 1)
    assert len(list(tmp_path.glob("*.plan"))) == 1
