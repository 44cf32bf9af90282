"""Compiled kernels beside the plan, over the fake TensorRT for RTX."""

import logging
from pathlib import Path

import pytest

from engine.model import Model
from tests.engine.backends.tensorrt.fakes import Bench, make_bench
from tests.support.onnx_files import save_halver

SHAPES = {"luma": (1, 1, 64, 64)}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model.load(save_halver(tmp_path / "m.onnx"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return make_bench(tmp_path / "plans", "rtx", monkeypatch)


def kernels(bench: Bench) -> Path:
    (path,) = bench.folder.glob("*.kernels")
    return path


def test_kernels_are_compiled_once_and_taken_from_the_disk_from_then_on(bench: Bench, model: Model) -> None:
    bench.open(model, SHAPES)
    assert bench.library.calls.compiled == 1
    written = kernels(bench).read_bytes()
    assert kernels(bench).with_suffix(".plan").exists()
    bench.open(model, SHAPES).close()
    assert bench.library.calls.compiled == 1
    assert kernels(bench).read_bytes() == written
    assert {path.suffix for path in bench.folder.iterdir()} == {".plan", ".kernels"}


def test_kernels_for_other_sizes_are_kept_beside_the_first(bench: Bench, model: Model) -> None:
    wide = {"luma": (1, 1, 64, 96)}
    bench.open(model, SHAPES)
    bench.open(model, wide)
    assert bench.library.calls.compiled == 2
    for shapes in (SHAPES, wide):
        bench.open(model, shapes)
    assert bench.library.calls.compiled == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_never_given_to_the_library(
    bench: Bench, model: Model, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.open(model, SHAPES)
    whole = kernels(bench).read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    kernels(bench).write_bytes({"cut": whole[:-4], "flipped": flipped, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING, "engine"):
        bench.open(model, SHAPES)
    assert bench.library.calls.kernels_taken == []
    assert [text for text in caplog.messages if text.endswith("damaged; compiling them again")]
    assert kernels(bench).read_bytes() == whole


def test_what_the_library_does_not_take_is_compiled_again(bench: Bench, model: Model) -> None:
    bench.open(model, SHAPES)
    bench.library.faults.kernels = False
    bench.open(model, SHAPES)
    assert bench.library.calls.compiled == 2


def test_a_folder_that_takes_no_file_costs_a_warning_and_nothing_else(
    bench: Bench, model: Model, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with caplog.at_level(logging.WARNING, "engine"):
        bench.open(model, SHAPES)
    (told,) = [text for text in caplog.messages if text.startswith("kernels ")]
    assert told.endswith("not kept: Permission denied; they will be compiled at each start")
