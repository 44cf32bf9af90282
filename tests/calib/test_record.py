from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.footage import Choice  # noqa: E402
from calib.record import read_runs, record  # noqa: E402
from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.errors import CalibrationError, UnsupportedModelError  # noqa: E402
from engine.model import Model  # noqa: E402
from engine.settings import EnhanceSettings, FacesSettings, Settings  # noqa: E402
from tests.support.faces import YUNET, ScriptedFaces, face_at, identity_face  # noqa: E402
from tests.support.onnx_files import METADATA, save_halver  # noqa: E402
from tests.support.tiny_models import FailingBackend, counting_colorizer, mean_enhancer, pan_interpolator  # noqa: E402

HALVER = {**METADATA, "name": "halver"}


def choice(film: Path, *numbers: int, apart: tuple[int, ...] = ()) -> Choice:
    return Choice(film=film, calibration=numbers, held_apart=apart)


def test_a_window_reaches_an_enhancer_whole(film: Path, tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path, past=1, future=1)
    found = record(model, [choice(film, 5, 9, apart=(28,))], Settings(), OnnxRuntimeBackend(), tmp_path)
    assert (len(found.calibration), len(found.held_apart)) == (2, 1)
    for path in (*found.calibration, *found.held_apart):
        (run,) = read_runs(path)
        assert run["luma"].shape == (1, 3, 48, 64)
        assert np.abs(run["luma"][0, 0] - run["luma"][0, 2]).mean() > 0.001


def test_the_colorizer_sees_restored_frames_and_its_own_states(film: Path, tmp_path: Path) -> None:
    def lightest(name: str, settings: Settings) -> tuple[list[dict[str, np.ndarray]], float]:
        (tmp_path / name).mkdir()
        model = counting_colorizer(tmp_path / name)
        found = record(model, [choice(film, 10)], settings, OnnxRuntimeBackend(), tmp_path / name)
        runs = read_runs(found.calibration[0])
        return runs, float(runs[-1]["luma"].mean())

    halver = save_halver(tmp_path / "halver.onnx", HALVER)
    halved = Settings(enhance=EnhanceSettings(model=str(halver), strength=1.0))
    plain = Settings(enhance=EnhanceSettings(enabled=False))
    runs, dark = lightest("dark", halved)
    _, light = lightest("light", plain)
    assert dark < 0.7 * light
    assert len(runs) > 4  # the frames before it, on which its states came to be
    counts = [float(run["count_in"].max()) for run in runs]
    assert counts == pytest.approx([0.05 * number for number in range(len(runs))])


def test_the_interpolator_sees_pairs_at_several_moments(film: Path, tmp_path: Path) -> None:
    model = pan_interpolator(tmp_path, motion=(1.0, 0.0))
    settings = Settings(enhance=EnhanceSettings(enabled=False))
    found = record(model, [choice(film, 4, 7, 10)], settings, OnnxRuntimeBackend(), tmp_path)
    runs = [read_runs(path)[-1] for path in found.calibration]
    assert sorted(float(run["timestep"][0]) for run in runs) == pytest.approx([0.25, 0.5, 0.75])
    assert all(np.abs(run["first"] - run["second"]).max() > 0.01 for run in runs)


def test_pictures_without_a_face_are_passed_over_and_films_without_any_refused(film: Path, tmp_path: Path) -> None:
    model = identity_face(tmp_path)
    faces = FacesSettings(detector=str(YUNET), smallest=8)
    settings = Settings(enhance=EnhanceSettings(enabled=False), faces=faces)
    wanted = [choice(film, 4, 8, 20, apart=(28,))]
    clip = [()] * 5
    backend = ScriptedFaces(*clip, (face_at(32, 24, 24),))
    found = record(model, wanted, settings, backend, tmp_path)
    assert (len(found.calibration), len(found.held_apart)) == (2, 1)
    assert all(read_runs(path)[-1]["face"].shape == (1, 3, 64, 64) for path in found.calibration)
    for script, part in (((), "chosen to calibrate on"), ((face_at(32, 24, 24),), "kept apart to measure on")):
        backend = ScriptedFaces(*([script] * 9), ())
        with pytest.raises(CalibrationError, match=f"no face to restore was found in the pictures {part}"):
            record(model, wanted, settings, backend, tmp_path)


def test_a_stage_that_fails_on_a_picture_ends_it(film: Path, tmp_path: Path) -> None:
    model = mean_enhancer(tmp_path)
    with pytest.raises(CalibrationError, match="a stage failed on a picture"):
        record(model, [choice(film, 5)], Settings(), FailingBackend([2]), tmp_path)


def test_a_role_that_stands_nowhere_is_refused(small_model: Model, film: Path, tmp_path: Path) -> None:
    detector = replace(small_model, card=replace(small_model.card, role="detect"))
    with pytest.raises(UnsupportedModelError, match="its role is detect; what can be calibrated"):
        record(detector, [choice(film, 5)], Settings(), OnnxRuntimeBackend(), tmp_path)
