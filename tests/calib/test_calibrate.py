"""From a model and films to a quantized model with a bounded loss: the whole road, on tiny things."""

import json
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

import calib.calibrate as module  # noqa: E402
from calib.calibrate import Options, Report, calibrate  # noqa: E402
from calib.collect import collect  # noqa: E402
from calib.loss import Loss  # noqa: E402
from calib.onnx_tools import prepare  # noqa: E402
from calib.placement import place  # noqa: E402
from calib.report import draw, to_json  # noqa: E402
from calib.table import Table, save  # noqa: E402
from engine.errors import CalibrationError, ConfigError  # noqa: E402
from engine.model import Model  # noqa: E402
from tests.calib.conftest import restorer  # noqa: E402
from tests.calib.test_balance import histograms, network  # noqa: E402
from tests.support.films import moving_scene, truncated, write_film  # noqa: E402

SHORT = Options(frames=6, held_apart=3)


@pytest.fixture(scope="module")
def report(small_model: Model, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return calibrate(small_model, [film], tmp_path_factory.mktemp("made") / "small.int8.onnx", SHORT)


def test_the_model_carries_its_loss(report: Report, small_model: Model) -> None:
    card = report.model.card
    assert card.precision == "int8"
    assert card.name == small_model.card.name
    assert card.calibration is not None
    assert 0 <= card.calibration["loss"] <= card.calibration["max_loss"] == 0.1
    assert card.calibration["source_sha256"] == small_model.sha256
    assert card.calibration["footage"][0].startswith("reel.mp4 sha256 ")
    assert card.calibration["layers"] == 4


def test_every_number_of_layers_kept_is_in_the_report(report: Report) -> None:
    assert [len(point.kept) for point in report.search.points] == [0, 1, 2, 3, 4]
    assert {cost.layer for cost in report.search.costs} == {"stem", "one", "two", "up", "last"}
    told = json.loads(json.dumps(to_json(report)))
    assert told["points"][0]["milliseconds"] > 0
    assert told["always_float"] == {"mix": "sees one value per channel"}
    picture = draw(report)
    assert picture.shape == (480, 900, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 4


def test_the_bound_holds_and_costs_layers(small_model: Model, film: Path, tmp_path: Path, report: Report) -> None:
    losses = [point.loss.value for point in report.search.points]
    bound = (losses[0] + min(losses)) / 2
    tight = Options(frames=6, held_apart=3, max_loss=bound)
    found = calibrate(small_model, [film], tmp_path / "tight.onnx", tight)
    assert found.search.chosen > 0
    assert found.search.points[found.search.chosen].loss.value <= bound
    assert found.model.card.calibration is not None
    assert found.model.card.calibration["layers"] == 5 - found.search.chosen


def test_a_bound_that_nothing_keeps_is_an_error_and_leaves_no_file(
    small_model: Model, film: Path, tmp_path: Path
) -> None:
    impossible = Options(frames=6, held_apart=3, max_loss=1e-12)
    with pytest.raises(CalibrationError, match="the least loss with any layer in 8 bits is"):
        calibrate(small_model, [film], tmp_path / "never.onnx", impossible)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_used_again(small_model: Model, film: Path, tmp_path: Path, report: Report, monkeypatch) -> None:
    save(report.table, tmp_path / "kept.json")
    monkeypatch.setattr(module, "collect", None)  # would fail if it were called
    again = calibrate(small_model, [film], tmp_path / "again.onnx", SHORT, table=tmp_path / "kept.json")
    assert again.model.data == report.model.data


def test_calibrating_twice_gives_the_same_file(small_model: Model, film: Path, tmp_path: Path, report: Report) -> None:
    assert calibrate(small_model, [film], tmp_path / "twin.onnx", SHORT).model.data == report.model.data


def test_a_film_that_is_cut_off_ends_it(small_model: Model, tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mkv", moving_scene(64, 48, 30, color=False), options={"crf": "4"})
    with pytest.raises(CalibrationError, match="give a film that reads whole"):
        calibrate(small_model, [truncated(whole, 0.6)], tmp_path / "never.onnx", SHORT)
    assert not (tmp_path / "never.onnx").exists()


def test_memory_does_not_grow_with_pictures(small_model: Model, tmp_path: Path) -> None:
    graph = prepare(small_model.data, "small")
    tensors = place(graph, ("one", "two", "up")).tensors
    pictures = []
    for index in range(20):
        pictures.append(tmp_path / f"{index}.npz")
        np.savez(pictures[-1], **{"0/luma": np.random.default_rng(index).random((1, 1, 96, 96), np.float32)})

    def peak(count: int) -> int:
        tracemalloc.start()
        collect(graph, tensors, pictures[:count], threads=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    assert peak(20) < 1.05 * peak(2)


@pytest.mark.parametrize("wrong", [{"form": "gpu"}, {"method": "best"}, {"frames": 0}, {"max_loss": 0.0}])
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Options(**wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("form", "precision"), [("tensorrt", "int8"), ("fp8", "fp8")])
def test_other_forms_come_from_the_same_table(
    small_model: Model, film: Path, tmp_path: Path, report: Report, form, precision: str
) -> None:
    save(report.table, tmp_path / "kept.json")
    options = Options(form=form, frames=6, held_apart=3, max_loss=3.0)
    found = calibrate(small_model, [film], tmp_path / "other.onnx", options, table=tmp_path / "kept.json")
    assert found.model.card.precision == precision
    assert found.search.points[0].milliseconds is None
    assert found.model.card.calibration is not None
    assert found.model.card.calibration["layers"] == 3  # the first layer stays in floating point


def test_calibrating_a_quantized_model_is_refused(report: Report, film: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="calibrate the float32 model"):
        calibrate(report.model, [film], tmp_path / "never.onnx", SHORT)


def test_a_model_without_metadata_gets_a_card(film: Path, tmp_path: Path) -> None:
    path = restorer(tmp_path / "bare.onnx")
    bare = onnx.load(path)
    del bare.metadata_props[:]
    onnx.save(bare, path)
    found = calibrate(Model.load(path, role="enhance"), [film], tmp_path / "made.onnx", SHORT)
    assert found.model.card.assumed == ()
    assert found.model.card.size_multiple == 2
    assert cv2.imencode(".png", draw(found))[0]


@pytest.mark.parametrize("is_better", [True, False])
def test_what_balancing_scales_keeps_the_method_of_its_tensor(small_model: Model, is_better: bool) -> None:
    class Judge:
        def __init__(self) -> None:
            self.losses = [0.2, 0.1 if is_better else 0.3]

        def judge(self, data: onnx.ModelProto, pictures: object) -> Loss:
            return Loss(value=self.losses.pop(0), worst=1.0, unit="dB", psnr=None, pictures=1)

    work = module._Work(model=small_model, graph=network(), form="cpu", layers=("layer",))
    found = {**histograms(), "y": histograms()["joined"]}
    seen = Table(model="small", sha256="", footage=(), runs=1, histograms=found)
    work.choose(found, {"features": "minmax", "colour": "percentile", "joined": "mse", "y": "mse"})
    before = work.graph
    assert module._balance(work, seen, Judge(), []) == ((True, 0.1) if is_better else (False, 0.2))  # type: ignore[arg-type]
    assert (work.graph is before) != is_better
    assert work.methods.get("colour/times4") == ("percentile" if is_better else None)
    assert set(work.ranges) == set(work.methods)


def test_methods_are_told_tensor_by_tensor(report: Report) -> None:
    card = report.model.card
    assert card.calibration is not None
    assert card.calibration["methods"] == report.methods
    assert sum(report.methods.values()) == len(set(report.table.histograms))


@pytest.mark.parametrize("helps_elsewhere", [True, False])
def test_mixed_methods_are_kept_where_they_help_on_other_pictures_too(
    small_model: Model, monkeypatch: pytest.MonkeyPatch, helps_elsewhere: bool
) -> None:
    pictures = [Path(f"{number}.npz") for number in range(20)]
    asked: list[list[Path]] = []

    class Judge:
        def judge(self, data: onnx.ModelProto, on: list[Path]) -> Loss:
            asked.append(list(on))
            loss = 0.2 if len(asked) == 1 else (0.1 if helps_elsewhere else 0.3)
            return Loss(value=loss, worst=1.0, unit="dB", psnr=None, pictures=len(on))

    found = {**histograms(), "y": histograms()["joined"]}
    work = module._Work(model=small_model, graph=network(), form="cpu", layers=("layer",))
    seen = Table(model="small", sha256="", footage=(), runs=1, histograms=found)
    work.choose(found, dict.fromkeys(found, "minmax"))
    monkeypatch.setattr(module, "mix", lambda base, ranges, groups, loss_of, on_group: dict.fromkeys(found, "mse"))
    module._mix_methods(work, seen, "minmax", Judge(), pictures, lambda *step: None)  # type: ignore[arg-type]
    assert set(work.methods.values()) == {"mse" if helps_elsewhere else "minmax"}
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert not set(asked[0]) & set(module._spread(pictures, module.MIXED_ON))


def test_few_pictures_choose_no_method_for_single_tensors(small_model: Model) -> None:
    found = {**histograms(), "y": histograms()["joined"]}
    work = module._Work(model=small_model, graph=network(), form="cpu", layers=("layer",))
    seen = Table(model="small", sha256="", footage=(), runs=1, histograms=found)
    work.choose(found, dict.fromkeys(found, "minmax"))
    few = [Path(f"{number}.npz") for number in range(2 * module.MIXED_ON - 1)]
    module._mix_methods(work, seen, "minmax", None, few, lambda *step: None)  # type: ignore[arg-type]
    assert set(work.methods.values()) == {"minmax"}
