import cv2
import numpy as np
import pytest

from engine.stages.cuts import LOOK_SIZE, CutDetector, likeness
from tests.support.scenes import scene


def small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, LOOK_SIZE[::-1], interpolation=cv2.INTER_AREA)


def cuts(pictures: list[np.ndarray]) -> list[int]:
    """Return where the detector finds cuts, in use as the stage uses it."""
    detector, shot, found = CutDetector(likeness), [small(pictures[0])], []
    looks = [small(picture) for picture in pictures]
    for number in range(1, len(looks)):
        if detector.is_cut(shot[-3:], looks[number], looks[number + 1 : number + 3]):
            found.append(number)
            shot = []
        shot.append(looks[number])
    return found


def test_a_cut_is_found() -> None:
    assert cuts([*(scene(1, x) for x in range(6)), *(scene(2, x) for x in range(6))]) == [6]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_flash_is_no_cut(frames: int) -> None:
    pictures = [scene(1, x) for x in range(10)]
    for number in range(4, 4 + frames):
        pictures[number] = np.clip(pictures[number] * 0.1 + 0.88, 0, 1)
    assert cuts(pictures) == []


def test_a_flash_of_black_is_no_cut() -> None:
    pictures = [scene(1, x) for x in range(10)]
    pictures[5] = np.zeros_like(pictures[5])
    assert cuts(pictures) == []


def test_flicker_and_fades_are_no_cuts() -> None:
    random = np.random.default_rng(1)
    assert cuts([np.clip(scene(1, x) * random.uniform(0.6, 1.2), 0, 1) for x in range(20)]) == []
    assert cuts([scene(1, x) * (1 - x / 22) for x in range(20)]) == []


def test_a_fast_pan_is_no_cut() -> None:
    assert cuts([scene(1, 14 * x) for x in range(12)]) == []


def test_dust_and_scratches_are_no_cuts() -> None:
    random = np.random.default_rng(1)
    pictures = [scene(1, x).copy() for x in range(20)]
    for picture in pictures:
        for _ in range(5):
            centre = tuple(int(value) for value in random.integers(0, 100, 2))
            cv2.circle(picture, centre, int(random.integers(2, 10)), float(random.random()), -1)
        picture[:, int(random.integers(100)) :][:, :2] = 1.0
    assert cuts(pictures) == []


def test_cuts_to_and_from_black_are_found() -> None:
    black = np.zeros((120, 160), np.float32)
    assert cuts([*[scene(1, 0)] * 5, *[black] * 5, *[scene(2, 0)] * 5]) == [5, 10]


def test_two_cuts_a_frame_apart_are_found() -> None:
    assert cuts([*[scene(1, 0)] * 5, scene(3, 0), *[scene(2, 0)] * 5]) == [5, 6]
