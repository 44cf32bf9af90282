from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.loss import TRUTH_PSNR, Judge, loss_in_db  # noqa: E402
from engine.model import Model  # noqa: E402
from tests.support.tiny_models import counting_colorizer, mean_enhancer, pan_interpolator  # noqa: E402


def picture(folder: Path, *runs: dict[str, np.ndarray]) -> Path:
    arrays = {
        f"{index}/{name}": array.astype(np.float32) for index, run in enumerate(runs) for name, array in run.items()
    }
    np.savez(folder / "p.npz", **arrays)
    return folder / "p.npz"


def with_constant(model: Model, name: str, value: object) -> onnx.ModelProto:
    made = onnx.load_model_from_string(model.data)
    tensor = next(tensor for tensor in made.graph.initializer if tensor.name == name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
    return made


def test_a_difference_as_large_as_the_float_models_own_costs_three_decibels() -> None:
    assert loss_in_db(10 ** (-TRUTH_PSNR / 10)) == pytest.approx(3.0103, abs=1e-4)
    assert loss_in_db(10**-5.24) < 0.1 < loss_in_db(10**-5.23)


def test_an_enhancers_pictures_are_compared(tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path)
    path = picture(tmp_path, {"luma": np.full((1, 1, 8, 8), 0.5)})
    assert Judge(model, 1).judge(model.data, [path]).value == 0
    found = Judge(model, 1).judge(with_constant(model, "gain", 1.01), [path])
    assert found.psnr == pytest.approx(-20 * np.log10(0.005), abs=0.01)
    assert found.unit == "dB"


def test_an_interpolators_pictures_are_compared_not_its_vectors(tmp_path: Path) -> None:
    model = pan_interpolator(tmp_path, motion=(4.0, 0.0))
    other = with_constant(model, "full", np.array([6.0, 0, 6.0, 0]).reshape(1, 4, 1, 1))
    flat = np.full((1, 1, 16, 16), 0.5)
    ramp = np.tile(np.linspace(0, 1, 16), (1, 1, 16, 1))
    for pixels, sees in ((flat, False), (ramp, True)):
        path = picture(tmp_path, {"first": pixels, "second": pixels, "timestep": np.array([0.5])})
        assert (Judge(model, 1).judge(other, [path]).value > 0) == sees


def test_a_recurrent_models_drift_is_seen(tmp_path: Path) -> None:
    model = counting_colorizer(tmp_path, references=False)
    runs = [{"luma": np.full((1, 1, 8, 8), 0.6), "count_in": np.full((1, 1, 8, 8), 0.05 * n)} for n in range(6)]
    other = with_constant(model, "step", 0.051)
    judge = Judge(model, 1)
    once = judge.judge(other, [picture(tmp_path, runs[0])]).value
    (tmp_path / "long").mkdir()
    often = judge.judge(other, [picture(tmp_path / "long", *runs)]).value
    assert often > 3 * once > 0
    assert judge.judge(model.data, [picture(tmp_path / "long", *runs)]).unit == "CIEDE2000"
