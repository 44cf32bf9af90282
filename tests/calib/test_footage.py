from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.footage import Look, choose, shared_out, survey, various  # noqa: E402
from engine.errors import CalibrationError  # noqa: E402
from engine.settings import InputSettings  # noqa: E402
from tests.support.films import damaged, moving_scene, truncated, write_film  # noqa: E402


def look(number: int, **values: float) -> Look:
    plain = {"brightness": 0.5, "contrast": 0.2, "motion": 0.01, "shot": 0} | values
    return Look(number=number, **plain)  # pyright: ignore[reportArgumentType]


def test_every_picture_is_looked_at_and_shots_are_told_apart(film: Path) -> None:
    looks = survey(film, InputSettings())
    assert 26 <= len(looks) <= 32  # where nothing moves a picture repeats the one before
    begin = next(index for index, item in enumerate(looks) if item.shot == 1)
    assert [item.shot for item in looks] == [0] * begin + [1] * (len(looks) - begin)
    assert looks[begin].motion == 0.0
    assert looks[begin + 1].motion > 0.0


def test_repeats_are_skipped(tmp_path: Path) -> None:
    pictures = [picture for picture in moving_scene(64, 48, 16, color=False) for _ in range(2)]
    path = write_film(tmp_path / "doubled.mp4", pictures, options={"crf": "2"})
    assert len(survey(path, InputSettings())) <= 18


def test_rare_pictures_are_chosen_before_usual_ones() -> None:
    looks = [look(number) for number in range(60)]
    looks[13] = look(13, brightness=0.9)
    looks[40] = look(40, motion=0.2)
    looks[55] = look(55, shot=1)
    assert {13, 40, 55} <= {item.number for item in various(looks, 4)}


def test_what_is_kept_apart_is_never_calibrated_on(film: Path) -> None:
    found = choose(film, [look(number) for number in range(100)], 20, 5)
    assert len(found.calibration) == 20
    assert len(found.held_apart) == 5
    assert max(found.calibration) + 3 < min(found.held_apart)


def test_pictures_are_shared_out_among_films() -> None:
    assert shared_out(10, 3) == [4, 3, 3]


def test_a_film_that_is_too_short_is_refused(film: Path) -> None:
    with pytest.raises(CalibrationError, match="has 5 different pictures; wanted at least 8"):
        choose(film, [look(number) for number in range(5)], 4, 2)


def test_a_film_that_is_cut_off_or_damaged_is_refused(film: Path, tmp_path: Path) -> None:
    source = write_film(tmp_path / "whole.mkv", moving_scene(64, 48, 30, color=False), options={"crf": "4"})
    for path in (truncated(source, 0.6), damaged(source, seed=1, flips=200, after=0.2)):
        with pytest.raises(CalibrationError, match="give a film that reads whole"):
            survey(path, InputSettings())
