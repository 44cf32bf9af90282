"""Neighbours are brought to where things are in the middle picture, whatever the size, direction and ends of a shot."""

import cv2
import numpy as np
import pytest

from engine.stages.align import Aligner
from engine.stages.dense_motion import DenseMotion


def _scene(height: int, width: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    canvas = rng.random((3 * height // 8, 3 * width // 8)).astype(np.float32)
    return cv2.resize(canvas, (3 * width, 3 * height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _pan(count: int, height: int, width: int, step: tuple[float, float]) -> list[np.ndarray]:
    canvas = _scene(height, width)
    frames = []
    for k in range(count):
        matrix = np.array([[1, 0, -width + step[0] * k], [0, 1, -height + step[1] * k]], np.float64)
        frames.append(cv2.warpAffine(canvas, matrix, (width, height), flags=cv2.INTER_LINEAR))
    return frames


def _aligned(aligner: Aligner, window: list[np.ndarray]) -> list[np.ndarray]:
    out = [np.empty_like(picture) for picture in window]
    aligner.write([[picture] for picture in window], [[picture] for picture in out])
    return out


def _error(found: np.ndarray, wanted: np.ndarray, margin: int = 20) -> float:
    return float(np.sqrt(np.mean((found - wanted)[margin:-margin, margin:-margin] ** 2)))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (91, 133)])
@pytest.mark.parametrize("step", [(3.0, 0.0), (-2.5, 1.5)])
def test_a_pan_stands_still_once_aligned(height: int, width: int, step: tuple[float, float]) -> None:
    window = _pan(5, height, width, step)
    aligner = Aligner(2, 2, height, width)
    for picture in window:
        aligner.append(picture)
    for picture, moved in zip(window, _aligned(aligner, window), strict=True):
        assert _error(moved, window[2]) < 0.02
        assert picture is window[2] or _error(picture, window[2]) > 0.08


def test_the_middle_is_left_as_it_is() -> None:
    window = _pan(3, 64, 80, (2.0, 0.0))
    aligner = Aligner(1, 1, 64, 80)
    for picture in window:
        aligner.append(picture)
    assert np.array_equal(_aligned(aligner, window)[1], window[1])


def test_the_window_slides() -> None:
    frames = _pan(7, 96, 128, (2.0, 1.0))
    aligner = Aligner(1, 2, 96, 128)
    for newest, picture in enumerate(frames):
        aligner.append(picture)
        if newest >= 3:
            window = frames[newest - 3 : newest + 1]
            assert all(_error(moved, window[1]) < 0.02 for moved in _aligned(aligner, window))


def test_beyond_the_end_of_a_shot_stands_what_lies_as_far_the_other_way() -> None:
    frames = _pan(3, 96, 128, (3.0, 0.0))
    aligner = Aligner(2, 2, 96, 128)
    for picture in frames:
        aligner.append(picture)
    aligner.repeat()
    aligner.repeat()
    nothing = np.full_like(frames[0], np.nan)
    oldest, before, middle, after, newest = _aligned(aligner, [*frames, nothing, nothing])
    assert np.array_equal(after, before)
    assert np.array_equal(newest, oldest)
    assert not np.array_equal(oldest, before)
    assert max(_error(oldest, middle), _error(before, middle)) < 0.02


def test_before_the_beginning_of_a_shot_too() -> None:
    frames = _pan(2, 96, 128, (3.0, 0.0))
    aligner = Aligner(2, 1, 96, 128)
    aligner.append(frames[0])
    aligner.repeat()
    aligner.repeat()
    aligner.append(frames[1])
    nothing = np.full_like(frames[0], np.nan)
    oldest, before, _, after = _aligned(aligner, [nothing, nothing, *frames])
    assert np.array_equal(before, after)
    assert np.array_equal(oldest, before)  # nothing is two frames away: the nearer one again


def test_a_shot_of_one_frame_is_a_still() -> None:
    (frame,) = _pan(1, 96, 128, (0.0, 0.0))
    aligner = Aligner(1, 2, 96, 128)
    aligner.append(frame)
    for _ in range(3):
        aligner.repeat()
    nothing = np.full_like(frame, np.nan)
    assert all(np.array_equal(moved, frame) for moved in _aligned(aligner, [nothing, frame, nothing, nothing]))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (50, 128)])
def test_chroma_of_half_size_goes_along(height: int, width: int) -> None:
    luma = _pan(3, height, width, (4.0, 0.0))
    chroma = [cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for picture in luma]
    aligner = Aligner(1, 1, height, width)
    for picture in luma:
        aligner.append(picture)
    window = [[a, b] for a, b in zip(luma, chroma, strict=True)]
    out = [[np.empty_like(a), np.empty_like(b)] for a, b in window]
    aligner.write(window, out)
    assert _error(out[0][1], chroma[1], 10) < 0.03 < 0.06 < _error(chroma[0], chroma[1], 10)


def test_nothing_is_carried_over_a_cut() -> None:
    first, second = _pan(3, 64, 80, (2.0, 0.0)), _pan(3, 64, 80, (0.0, -2.0))
    aligner = Aligner(1, 1, 64, 80)
    for picture in first:
        aligner.append(picture)
    aligner.clear()
    for picture in second:
        aligner.append(picture)
    fresh = Aligner(1, 1, 64, 80)
    for picture in second:
        fresh.append(picture)
    for after_cut, alone in zip(_aligned(aligner, second), _aligned(fresh, second), strict=True):
        assert np.array_equal(after_cut, alone)


def test_flicker_is_not_taken_for_motion() -> None:
    still = _pan(1, 96, 128, (0.0, 0.0))[0] * 0.8
    motion = DenseMotion(96, 128)
    pictures = [np.empty(motion.size, np.uint8) for _ in range(2)]
    motion.reduce(still, pictures[0])
    motion.reduce(still * 1.15, pictures[1])
    found = np.zeros((*motion.size, 2), np.float32)
    motion.find(*pictures, found)
    assert np.abs(found).mean() < 0.1


def test_motion_is_in_reduced_pixels_and_scale_says_so() -> None:
    first, second = _pan(2, 120, 161, (6.0, -4.0))
    motion = DenseMotion(120, 161)
    pictures = [np.empty(motion.size, np.uint8) for _ in range(2)]
    for picture, out in zip((first, second), pictures, strict=True):
        motion.reduce(picture, out)
    found = np.zeros((*motion.size, 2), np.float32)
    motion.find(*pictures, found)
    full = found[15:-15, 15:-15].mean((0, 1)) * motion.scale
    np.testing.assert_allclose(full, [6.0, -4.0], atol=0.25)


def test_motion_does_not_depend_on_what_was_found_before() -> None:
    frames = [*_pan(2, 96, 128, (3.0, 0.0)), *_pan(2, 96, 128, (-5.0, 4.0))]
    motion = DenseMotion(96, 128)
    pictures = [np.empty(motion.size, np.uint8) for _ in frames]
    for picture, out in zip(frames, pictures, strict=True):
        motion.reduce(picture, out)
    found = np.zeros((*motion.size, 2), np.float32)
    motion.find(pictures[0], pictures[1], found)
    alone = found.copy()
    motion.find(pictures[2], pictures[3], found)
    motion.find(pictures[0], pictures[1], found)
    assert np.array_equal(found, alone)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 300)])
def test_small_pictures_are_aligned_too(height: int, width: int) -> None:
    window = _pan(3, height, width, (0.0, 0.0))
    aligner = Aligner(1, 1, height, width)
    for picture in window:
        aligner.append(picture)
    assert all(_error(moved, window[1], 2) < 0.02 for moved in _aligned(aligner, window))
