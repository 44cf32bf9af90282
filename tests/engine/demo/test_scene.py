"""The drawn film: the same for the same seed, moving, in colour, with cuts where they are planned."""

from fractions import Fraction

import numpy as np
import pytest

from engine.demo.lake import Lake
from engine.demo.scene import RATE, Scene, plan_shots


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(160, 120, 1)


def test_shots_take_turns_and_go_on_where_they_were() -> None:
    shots = plan_shots(96)
    assert [(shot.place, shot.frames, shot.begins) for shot in shots] == [("street", 48, 0), ("lake", 48, 0)]
    shots = plan_shots(240)
    assert [shot.place for shot in shots] == ["street", "lake", "street", "lake"]
    assert shots[2].begins == Fraction(60, 24)
    assert sum(shot.frames for shot in plan_shots(101)) == 101
    assert [shot.frames for shot in plan_shots(1)] == [1]


@pytest.mark.parametrize("place", ["street", "lake"])
def test_pictures_move_in_colour(scene: Scene, place: str) -> None:
    first, second = scene.picture(place, 0.0), scene.picture(place, 0.25)
    assert first.shape == (120, 160, 3)
    assert first.dtype == np.uint8
    difference = np.abs(first.astype(int) - second)
    assert 0.5 < difference.mean() < 30
    assert np.ptp(first.astype(int), axis=-1).mean() > 20


def test_the_same_seed_draws_the_same_place_and_another_does_not() -> None:
    first, again, other = (Lake(160, 120, seed).picture(0.5) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_cut_is_a_cut(scene: Scene) -> None:
    street, lake = scene.picture("street", 1.0).astype(int), scene.picture("lake", 0.0).astype(int)
    assert np.abs(street - lake).mean() > 30


def test_long_films_do_not_run_out_of_street(scene: Scene) -> None:
    assert scene.picture("street", 15.0).shape == (120, 160, 3)
    assert scene.picture("lake", 15.0).shape == (120, 160, 3)


def test_a_long_film_walks_through_the_street_more_than_once() -> None:
    shots = plan_shots(2000)
    assert sum(shot.frames for shot in shots) == 2000
    assert max(shot.begins + shot.frames / RATE for shot in shots) <= 15
    last = max((shot for shot in shots if shot.place == "street"), key=lambda shot: shot.begins + shot.frames / RATE)
    assert Scene(64, 48, seed=1).picture("street", float(last.begins + last.frames / RATE)).std() > 10
