import cv2
import numpy as np
import pytest

from bench.quality.colour import (
    colour_distribution_consistency,
    colour_scores,
    half_lab,
    jensen_shannon,
    shown,
    steady_scores,
)


def picture(seed: int = 0) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(rough, (64, 48), interpolation=cv2.INTER_CUBIC)


def test_the_truth_is_no_distance_from_itself_and_grey_is_its_chroma() -> None:
    truth = half_lab(picture())
    assert truth.shape == (3, 24, 32)
    same, grey = colour_scores(truth, truth[1:]), colour_scores(truth, np.zeros_like(truth[1:]))
    assert same["ciede2000"] == 0
    wanted = -10 * np.log10(np.mean((truth[1:].astype(np.float64) / 255) ** 2))
    assert grey["chroma_psnr"] == pytest.approx(wanted, abs=1e-3)
    assert (grey["colourfulness"] or 0) < 0.5 < 20 < (same["colourfulness"] or 0)


def test_lab_is_shown_as_it_came() -> None:
    flat = np.empty((4, 6, 3), np.uint8)
    flat[:] = (180, 90, 40)
    lab = half_lab(flat)
    assert abs(shown(lab[0], lab[1:]).astype(int) - (180, 90, 40)).max() <= 1


def test_jensen_shannon_of_known_distributions() -> None:
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(np.log(2))
    assert jensen_shannon(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert jensen_shannon(np.array([1.0, 0]), np.array([0.5, 0.5])) == pytest.approx(
        0.5 * np.log(1 / 0.75) + 0.5 * (0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25))
    )


def test_cdc_of_a_clip_that_changes_its_colour_once() -> None:
    # Red goes from 0 to 255 in the middle of eight frames: of 7, 6 and 4 pairs 1, 2 and 4 have nothing in common.
    clip = np.zeros((8, 4, 4, 3), np.uint8)
    clip[4:, ..., 0] = 255
    wanted = np.log(2) / 3 * (1 / 7 + 2 / 6 + 4 / 4) / 3
    assert colour_distribution_consistency(list(clip)) == pytest.approx(wanted)
    assert colour_distribution_consistency(list(clip[:4])) == 0
    assert colour_distribution_consistency(list(clip[:1])) is None


def test_the_last_quarter_is_told_apart() -> None:
    truth = [half_lab(picture())] * 8
    good, bad = truth[0][1:], np.zeros_like(truth[0][1:])
    scores = steady_scores(truth, [good] * 6 + [bad] * 2)
    grey = colour_scores(truth[0], bad)["ciede2000"] or 0
    assert scores["last_ciede2000"] == pytest.approx(grey)
    assert scores["ciede2000"] == pytest.approx(grey / 4)
