"""Flicker, dust and scratches are found where they were put, and flicker as the restorer is told of it."""

import cv2
import numpy as np
import pytest

from kernels.reference import film

THRESHOLDS = (0.05, 0.09, 0.13)
SIZE = (192, 256)


def _picture(seed: int, detail: int = 16) -> np.ndarray:
    height, width = SIZE
    coarse = np.random.default_rng(seed).random((height // detail + 2, width // detail + 2)).astype(np.float32)
    return 0.2 + 0.6 * np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def _grainy(picture: np.ndarray, seed: int, sigma: float = 0.01) -> np.ndarray:
    return (picture + sigma * np.random.default_rng(seed).normal(size=picture.shape)).astype(np.float32)


def _specks(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places (H, W) that are covered, and what covers them."""
    rng = np.random.default_rng(seed)
    mask, colour = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.float32)
    for number in range(count):
        speck = np.zeros(SIZE, np.uint8)
        place = int(rng.integers(8, SIZE[1] - 8)), int(rng.integers(8, SIZE[0] - 8))
        cv2.circle(speck, place, int(rng.integers(2, 5)), 1, -1)
        mask |= speck
        colour[speck > 0] = number % 2
    return mask > 0, colour


def test_dust_is_found_and_grain_is_not():
    still = _picture(1)
    before, now, after = (_grainy(still, seed) for seed in (1, 2, 3))
    covered, colour = _specks(25, 4)
    now = np.where(covered, colour, now)
    mask = film.film_dust(before, now, after, THRESHOLDS)
    assert (mask[covered] > 0.5).mean() > 0.95
    assert (mask[~covered] > 0).mean() < 0.001


def test_what_is_in_a_neighbour_is_no_dust_of_the_frame():
    still = _picture(2)
    before, now, after = (_grainy(still, seed) for seed in (1, 2, 3))
    covered, colour = _specks(25, 5)
    assert (film.film_dust(np.where(covered, colour, before), now, after, THRESHOLDS) > 0).mean() < 0.001


def test_what_is_in_both_neighbours_is_no_dust_but_what_moves_is():
    still = _picture(3)
    covered, colour = _specks(25, 6)
    shown = np.where(covered, colour, still)
    assert film.film_dust(shown, shown, shown, THRESHOLDS).max() == 0
    passing = film.film_dust(np.roll(still, 40, 1), still, np.roll(still, -40, 1), THRESHOLDS)
    assert (passing > 0).mean() > 0.02  # so neighbours must be brought along the motion first


@pytest.mark.parametrize(("contrast", "width"), [(0.06, 1), (-0.08, 2), (0.05, 3)])
def test_a_scratch_is_found_in_its_columns_and_strips(contrast: float, width: int):
    picture = _grainy(_picture(4, 48), 7, 0.03)
    picture[64:, 100 : 100 + width] += np.float32(contrast)
    lines = film.scratch_lines(film.scratch_columns(picture, 16), 2, 0.02)
    assert lines[6:, 100 : 100 + width].min() > 0.8
    assert lines[:2, 100].max() < 0.5
    elsewhere = np.delete(lines, np.arange(95, 110), axis=1)
    assert (elsewhere > 0.5).mean() < 0.02


def test_flicker_of_the_whole_frame_is_measured_and_taken_away():
    still = _picture(5)
    window = np.stack([_grainy(still, seed) for seed in range(5)])
    window[2] *= np.float32(0.93)
    cells = film.flicker_cells(window, 2)
    (level,) = film.flicker_level(cells)
    assert level == pytest.approx(0.8 * (1 / 0.93 - 1), rel=0.15)  # the frame itself is one of the five
    mended = film.flicker_apply(window[2:3], film.flicker_gain(cells), 1.25)[0]
    assert abs(mended.mean() / still.mean() - 1) < 0.01 < 0.06 < abs(window[2].mean() / still.mean() - 1)
    alone = film.flicker_apply(window[2:3], level[None, None], 1.25)[0]
    np.testing.assert_allclose(alone.mean(), mended.mean(), rtol=0.01)


def test_flicker_of_a_region_is_measured_there():
    still = _picture(6)
    window = np.stack([_grainy(still, seed) for seed in range(3)])
    window[1, :, : SIZE[1] // 2] *= np.float32(0.95)
    gain = film.flicker_gain(film.flicker_cells(window, 1))
    assert gain[:, :4].min() > 0.02
    assert np.abs(gain[:, -4:]).max() < 0.01


@pytest.mark.parametrize(("frames", "middle"), [(5, 2), (3, 1)])
def test_flicker_is_what_the_restorer_is_told(frames: int, middle: int):
    torch = pytest.importorskip("torch", reason="the export extra brings it")
    from export.networks.film_restore import gain_of_neighbours

    window = np.stack([_grainy(_picture(7 + seed % 2), seed) for seed in range(frames)])
    expected = gain_of_neighbours(torch.from_numpy(window)[None], middle)[0, 0].numpy()
    np.testing.assert_allclose(film.flicker_gain(film.flicker_cells(window, middle)), expected, atol=1e-6)
