"""The check of a GPU, on a simulated one."""

import json
from functools import partial

import numpy as np
import pytest

import bench.gpu.check as check_module
import bench.gpu.models as models_module
import bench.gpu.product_film as product_film_module
from bench.gpu.check import check, check_kernels, conclude, write
from bench.gpu.film import FilmResult
from bench.gpu.kernels import KernelTimes
from bench.gpu.launcher import DeviceLauncher
from bench.gpu.outcome import FOR_PROCESSORS, failures
from bench.gpu.product import PARTS
from bench.gpu.roof import median_seconds
from engine.errors import BuildError, DeviceError, KernelError
from engine.model import builtin_models
from kernels.case import Outcome, cases, run_case
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice


@pytest.fixture
def one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "sources", lambda: ["tiles"])


def test_kernels_are_compared_on_the_device(one_source):
    rows = list(check_kernels(SimulatedDevice()))
    assert {row["element"] for row in rows} == {"float32", "float16"}
    assert all(row["cases"] >= 3 and row["failed"] == [] for row in rows)


def test_a_kernel_that_computes_something_else_is_named():
    class Wrong(DeviceLauncher):
        def launch(self, kernel, domain, arguments, *, reverse):
            super().launch(kernel, (1, 1, 1), arguments, reverse=reverse)

    outcomes = [run_case(case, Wrong(SimulatedDevice(), "float32")) for case in cases("tiles", "float32")]
    assert not all(outcome.passed for outcome in outcomes)


def test_a_kernel_that_cannot_run_is_named_and_the_others_run(one_source):
    first = next(cases("tiles", "float32")).kernel

    class Refusing(SimulatedDevice):
        def launch(self, kernel, *rest):
            if kernel == first:
                raise KernelError("GPU: out of order")
            super().launch(kernel, *rest)

    for row in check_kernels(Refusing()):
        if row["kernel"] == first:
            assert row["error"] is None
            assert len(row["failed"]) == row["cases"]
            assert "out of order" in row["failed"][0]
        else:
            assert row["failed"] == []


def test_a_result_that_is_not_finite_is_no_figure(one_source, monkeypatch):
    monkeypatch.setattr(check_module, "run_case", lambda case, launcher: Outcome(error=np.inf, passed=False))
    rows = list(check_kernels(SimulatedDevice()))
    assert all(row["error"] is None and len(row["failed"]) == row["cases"] for row in rows)


SMALL = {
    "sizes": ((96, 64),),
    "frames": 6,
    "copy_bytes": 1 << 16,
    "side": 16,
    "products": {"fp32": 2, "fp16": 2, "int8": 2},
    "precisions": ("fp16",),
    "least": 0.0,
    "parts": {name: PARTS[name] for name in ("read nv12", "label")},
}
MODELS = ("film-restore", "film-restore-x2-fp16", "film-interpolate", "film-colorize-int8")


@pytest.fixture
def films(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What a film would be run with; `test_film.py` runs one."""
    asked: list[tuple] = []

    def check_film(backend, device, film, trace, *, size, least):
        asked.append((backend, film, trace, size, least))
        yield FilmResult(width=96, height=64, film_frames=0, precision="fp16", outcome="failed", reason="GPU: lost")

    monkeypatch.setattr(check_module, "check_film", check_film)
    return asked


@pytest.fixture
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "installed_models", dict)
    known = builtin_models()
    monkeypatch.setattr(check_module, "builtin_models", lambda: {name: known[name] for name in MODELS})
    monkeypatch.setattr(models_module, "COMPARED", (64, 96))
    monkeypatch.setattr(models_module, "median_seconds", partial(median_seconds, runs=1))
    noise = np.random.default_rng(0).random((6, 64, 96), np.float32)
    monkeypatch.setattr(product_film_module, "draw_shots", lambda width, height: [noise])


def test_everything_is_checked_measured_and_written(one_source, small_models, films, tmp_path):
    device = SimulatedDevice()
    saved: list[set[str]] = []
    backends = {"first": SimulatedBackend(device), "second": SimulatedBackend(device)}
    places = {"film": tmp_path / "film.mp4", "traces": tmp_path}
    found = check(
        device, backends, lambda text: None, lambda part: saved.append(set(part["backends"])), **places, **SMALL
    )
    assert saved == [set(), {"first"}, {"first", "second"}]
    path = write(found, tmp_path)
    assert path.name == "simulated.json"
    read = json.loads(path.read_text())
    assert films == [
        (name, tmp_path / "film.mp4", tmp_path / f"simulated-{name}.trace.json.gz", (96, 64), 0.0)
        for name in ("first", "second")
    ]
    assert failures(read) == [f"{name}: film 96x64 fp16: failed: GPU: lost" for name in ("first", "second")]
    times = read["kernel_times"]
    assert (times["width"], times["height"]) == (96, 64)
    assert {row["name"] for row in times["parts"]} == set(SMALL["parts"])
    assert {row["name"] for row in times["kernels"]} == {"read_ycbcr", "draw_label"}
    models = {row["model"]: row for row in read["backends"]["first"]["models"]}
    assert models.keys() == set(MODELS)
    for row in models.values():
        if row["precision"] == "int8":
            assert (row["outcome"], row["reason"], row["timings"]) == ("refused", FOR_PROCESSORS, [])
            continue
        assert (row["outcome"], row["reason"]) == ("right", None)
        assert row["likeness"]["largest_error"] < 1e-5
        (timing,) = row["timings"]
        assert timing["milliseconds"] == pytest.approx(2.0, rel=0.01)
        assert timing["share_of_roof"] > 0
    (chain,) = read["backends"]["first"]["chains"]
    assert {"decode", "upload", "enhance", "interpolate", "colorize", "download", "encode"} <= chain["stages"].keys()
    assert (chain["precision"], chain["frames_per_second"] > 0) == ("fp16", True)


class Refusing(SimulatedBackend):
    """Turns some models down, fails at others."""

    def __init__(self, device, *, refused="", failing=""):
        super().__init__(device)
        self._refused, self._failing = refused, failing

    def open(self, model, profile, threads):
        if model.card.name == self._refused:
            raise BuildError(f"model {model.card.name}: no")
        session = super().open(model, profile, threads)
        if model.card.name == self._failing:
            session._enqueue = self._fail
        return session

    def _fail(self, *given):
        raise DeviceError("GPU: lost")


def test_one_models_failure_leaves_the_others_and_is_counted(one_source, small_models, films, tmp_path):
    device = SimulatedDevice()
    backend = Refusing(device, refused="film-restore", failing="film-interpolate")
    told: list[str] = []
    places = {"film": tmp_path / "film.mp4", "traces": tmp_path}
    found = check(device, {"one": backend}, told.append, lambda part: None, **places, **SMALL)
    write(found, tmp_path)
    rows = {row["model"]: row["outcome"] for row in found["backends"]["one"]["models"]}
    assert (rows["film-restore"], rows["film-interpolate"]) == ("refused", "failed")
    assert rows["film-restore-x2-fp16"] == "right"
    assert found["backends"]["one"]["chains"][0]["outcome"] == "refused"
    assert found["backends"]["one"]["chains"][0]["efficiency"] is None
    lines = failures(found)
    assert any("film-interpolate: failed: GPU: lost" in line for line in lines)
    assert "model film-restore: every backend refuses it" in lines
    assert not any("int8" in line for line in lines)


def found_with(**backends):
    """Return what a check finds where each backend ran one model with this outcome and reason."""
    roof = {"bytes_per_second": 1.0, "operations_per_second": {}, "refused": {}}
    return {
        "kernels": [],
        "kernel_times": KernelTimes(width=96, height=64).to_json(),
        "refused": {},
        "peers": {"reason": None, "rows": []},
        "backends": {
            name: {
                "roof": roof,
                "chains": [],
                "films": [],
                "models": [{"model": "m", "builtin": True, "outcome": outcome, "reason": reason, "timings": []}],
            }
            for name, (outcome, reason) in backends.items()
        },
    }


@pytest.mark.parametrize(
    ("found", "status", "counts"),
    [
        (found_with(a=("right", None), b=("right", None)), 0, "0 refused, 0 failed"),
        (found_with(a=("right", None), b=("refused", "no")), 0, "1 refused, 0 failed"),
        (found_with(a=("refused", "no"), b=("refused", "no")), 1, "2 refused, 1 failed"),
        (found_with(a=("refused", FOR_PROCESSORS), b=("refused", FOR_PROCESSORS)), 0, "2 refused, 0 failed"),
        (found_with(a=("right", None), b=("wrong", "30.0 dB")), 1, "0 refused, 1 failed"),
    ],
)
def test_failures_decide_the_exit_status_and_refusals_are_counted(found, status, counts):
    told: list[str] = []
    assert conclude(found, told.append) == status
    assert told[-1] == counts


def test_a_figure_that_is_not_finite_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write({"device": {"name": "x"}, "figure": float("nan")}, tmp_path)
    assert list(tmp_path.iterdir()) == []
