import json
from pathlib import Path

import pytest

from engine.chain import build_chain
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.quantized import check_loss
from engine.settings import EnhanceSettings, RuntimeSettings, Settings
from tests.support.onnx_files import METADATA, save_halver

MEASURED = {"loss": 0.02, "max_loss": 0.1, "unit": "dB"}


def model(folder: Path, precision: str, calibration: object = None) -> Model:
    more = {} if calibration is None else {"calibration": json.dumps(calibration)}
    return Model.load(save_halver(folder / "m.onnx", {**METADATA, "precision": precision, **more}))


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_measured_model_within_its_bound_runs(tmp_path: Path, precision: str) -> None:
    check_loss(model(tmp_path, precision, MEASURED), force=False)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_other_precisions_need_no_loss(tmp_path: Path, precision: str) -> None:
    check_loss(model(tmp_path, precision), force=False)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (None, "its card has no measured loss"),
        ({"loss": None, "max_loss": 0.1}, "its card has no measured loss"),
        ({**MEASURED, "loss": 0.3}, "loses 0.3 dB, more than the 0.1 that it may"),
        ({**MEASURED, "loss": float("nan")}, "loses nan dB"),
    ],
)
def test_others_are_refused_unless_forced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, calibration: object, words: str
) -> None:
    made = model(tmp_path, "int8", calibration)
    with pytest.raises(UnsupportedModelError, match=words):
        check_loss(made, force=False)
    check_loss(made, force=True)
    assert words in caplog.text


def test_the_chain_refuses_it_too(tmp_path: Path) -> None:
    path = str(model(tmp_path, "int8").path)
    settings = Settings(enhance=EnhanceSettings(model=path))
    with pytest.raises(UnsupportedModelError, match="--force-int8"):
        build_chain(settings, colorize=False)
    forced = Settings(enhance=EnhanceSettings(model=path), runtime=RuntimeSettings(force_int8=True))
    assert len(build_chain(forced, colorize=False).models) == 1


def test_calibration_facts_that_are_no_object_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="farshore.calibration"):
        model(tmp_path, "int8", [1, 2])
