import numpy as np
import pytest

from bench.quality.metrics import PSNR_CAP, dust_recall, false_alarms, mean_where, psnr, sharpness, ssim_map


def noise(shape: tuple[int, ...] = (40, 50), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_psnr_of_a_known_distance() -> None:
    picture = np.full((8, 8), 100, np.uint8)
    assert psnr(picture + np.uint8(5), picture) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(picture, picture) == PSNR_CAP


def test_psnr_counts_what_the_mask_holds() -> None:
    wanted = np.zeros((10, 10), np.uint8)
    found, mask = wanted.copy(), np.zeros((10, 10), bool)
    found[0], found[5] = 51, 255
    mask[0] = True
    assert psnr(found, wanted, mask) == pytest.approx(20 * np.log10(5))
    assert psnr(found, wanted, np.zeros((10, 10), bool)) is None


def test_ssim_of_flat_pictures_is_their_luminance_term() -> None:
    first, second = np.full((20, 20), 100, np.uint8), np.full((20, 20), 120, np.uint8)
    c1 = (0.01 * 255) ** 2
    wanted = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    np.testing.assert_allclose(ssim_map(first, second), wanted, atol=1e-4)


def test_ssim_is_one_for_the_same_and_small_for_unrelated_pictures() -> None:
    np.testing.assert_allclose(ssim_map(noise(), noise()), 1, atol=1e-4)
    assert abs(float(ssim_map(noise(), noise(seed=1)).mean())) < 0.15
    assert float(ssim_map(noise(), 255 - noise()).mean()) < -0.8


def test_a_mean_needs_enough_of_the_mask() -> None:
    figures = np.arange(200, dtype=np.float32).reshape(10, 20)
    assert mean_where(figures, figures >= 198) == pytest.approx(198.5)
    assert mean_where(figures, figures >= 199) is None


def dusty() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.full((10, 10), 50, np.uint8)
    film, dust = truth.copy(), np.zeros((10, 10), np.float32)
    film[2, :4], dust[2, :4] = 250, 1.0  # four specks' pixels, far brighter than any uint8 may be doubled
    dust[7, 7] = 1.0  # dust that does not show
    return film, truth, dust


def test_dust_is_gone_where_less_than_half_is_left() -> None:
    film, truth, dust = dusty()
    found = film.copy()
    found[2, :2] = 60
    found[2, 2] = 160
    assert dust_recall(film, film, truth, dust) == 0
    assert dust_recall(film, found, truth, dust) == 0.5
    assert dust_recall(film, truth, truth, dust) == 1
    assert dust_recall(truth, truth, truth, dust) is None


def test_false_alarms_are_new_marks_on_sound_pixels() -> None:
    film, truth, dust = dusty()
    found = film.copy()
    found[9, :3] = 100
    assert false_alarms(film, film, truth, dust) == 0
    assert false_alarms(film, found, truth, dust) == pytest.approx(3 / 95)
    assert false_alarms(film, found, truth, np.ones((10, 10), np.float32)) is None


def test_sharpness_falls_with_blur_and_not_with_noise() -> None:
    rng = np.random.default_rng(2)
    truth = np.zeros((2, 60, 60), np.uint8)
    truth[:, :, 30:] = 200
    blurred = truth.astype(float)
    blurred[:, :, 29], blurred[:, :, 30] = 200 / 3, 400 / 3
    grainy = np.clip(truth + rng.normal(0, 8, truth.shape) + 20, 0, 255).astype(np.uint8)
    assert sharpness(truth, truth) == 1
    assert sharpness(blurred.astype(np.uint8), truth) == pytest.approx(1 / 3, abs=0.02)
    assert sharpness(grainy, truth) == pytest.approx(1, abs=0.05)
