"""What models that judge motion are given."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from engine.stages.given_motion import CELL, GivenMotion


def texture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).random((height, width), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    return (soft - soft.min()) / (soft.max() - soft.min())


def moved(places: Sequence[float], height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Show a picture that lies so many pixels to the right."""
    wide = texture(height, width + 160)
    return [
        cv2.warpAffine(wide, np.array([[1, 0, place - 80], [0, 1, 0]]), (width, height), flags=cv2.INTER_CUBIC)
        for place in places
    ]


def given(pictures: Sequence[np.ndarray], *, is_even: bool = True) -> GivenMotion:
    motion = GivenMotion(*pictures[0].shape)
    for picture in pictures:
        motion.append(picture, is_even=is_even)
    return motion


def inner(planes: np.ndarray) -> np.ndarray:
    return planes[..., 4:-4, 6:-6].mean((-2, -1))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (40, 52)])
@pytest.mark.parametrize("timestep", [0.25, 0.5])
def test_motion_leads_from_the_moment_to_both_pictures(height: int, width: int, timestep: float) -> None:
    motion = given(moved([0.0, 4.0], height, width))
    motion.finish()
    motion.aim(timestep)
    expected = [-4.0 * timestep, 0.0, 4.0 * (1 - timestep), 0.0, 0.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(inner(motion.motion[0]), expected, atol=0.4)
    assert motion.motion.shape == (1, 8, height // CELL, width // CELL)


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
def test_what_speeds_up_lies_off_the_line(timestep: float) -> None:
    places = [4.0 * t + 2.0 * t * t for t in (-1.0, 0.0, 1.0, 2.0)]
    motion = given(moved(places))
    motion.aim(timestep)
    off = 4.0 * timestep + 2.0 * timestep**2 - 6.0 * timestep  # where it is, less where an even motion would have it
    # Motion leads from what is seen at the moment back to the pictures, so it lies off by as much the other way.
    np.testing.assert_allclose(inner(motion.motion[0, 4:]), [-off, 0.0, -off, 0.0], atol=0.25)
    assert (inner(motion.evidence[0, 4:]) > 0.6).all()


def test_what_moves_evenly_lies_on_the_line() -> None:
    motion = given(moved([0.0, 3.0, 6.0, 9.0]))
    motion.aim(0.5)
    np.testing.assert_allclose(inner(motion.motion[0, 4:]), 0.0, atol=0.1)


@pytest.mark.parametrize(("count", "is_known"), [(2, (False, False)), (3, (True, False))])
def test_pictures_that_the_shot_lacks_say_nothing(count: int, is_known: tuple[bool, bool]) -> None:
    motion = given(moved([0.0, 4.0, 12.0][:count]))
    motion.finish()
    motion.aim(0.5)
    assert tuple(bool(value > 0.1) for value in inner(motion.evidence[0, 4:])) == is_known
    assert np.any(motion.motion[0, 4:6]) == is_known[0]
    assert not np.any(motion.motion[0, 6:])


def test_pictures_at_other_distances_in_time_say_nothing() -> None:
    motion = given(moved([0.0, 4.0, 12.0, 24.0]), is_even=False)
    motion.aim(0.5)
    assert not np.any(motion.motion[0, 4:])
    assert not np.any(motion.evidence[0, 4:])


def test_a_new_shot_knows_nothing_of_the_one_before() -> None:
    motion = given(moved([0.0, 9.0, 27.0]))
    motion.clear()
    pictures = moved([0.0, 4.0])
    for picture in pictures:
        motion.append(picture)
    motion.finish()
    motion.aim(0.5)
    alone = given(pictures)
    alone.finish()
    alone.aim(0.5)
    assert np.array_equal(motion.motion, alone.motion)
    assert np.array_equal(motion.evidence, alone.evidence)


def test_a_film_goes_on_as_it_would_from_any_picture() -> None:
    pictures = moved([0.0, 1.0, 4.0, 9.0, 16.0, 20.0])
    whole = given(pictures)
    part = given(pictures[2:])
    for motion in (whole, part):
        motion.aim(0.5)
    np.testing.assert_array_equal(whole.motion, part.motion)
    np.testing.assert_array_equal(whole.evidence, part.evidence)


def test_evidence_says_by_how_much_pictures_differ() -> None:
    first, second = moved([0.0, 6.0])
    motion = given([first, np.clip(second + 0.1, 0, 2)])
    motion.finish()
    motion.aim(0.5)
    apart, still, change, mean = inner(motion.evidence[0, :4])
    assert apart == pytest.approx(0.1, abs=0.02)
    assert still > 1.2 * apart
    assert change == pytest.approx(-0.1, abs=0.02)
    assert mean == pytest.approx(float(first.mean()) + 0.05, abs=0.05)
