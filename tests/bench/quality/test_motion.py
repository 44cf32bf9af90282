import cv2
import numpy as np
import pytest

from bench.quality.motion import Link, carry, flow_between, link, mean_speed, visible, warping_error


def texture(height: int = 96, width: int = 128) -> np.ndarray:
    fine = np.random.default_rng(4).random((height, width), np.float32)
    smooth = cv2.GaussianBlur(fine, (0, 0), 2.5)
    return np.rint((smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255).astype(np.uint8)


def sliding(count: int = 3, step: int = 3) -> np.ndarray:
    wide = texture(width=160)
    return np.stack([wide[:, step * n : step * n + 128] for n in range(count)])


def test_flow_finds_a_slide() -> None:
    first, second = sliding(2)
    inner = flow_between(first, second)[20:-20, 20:-20]
    assert float(np.median(inner[..., 0])) == pytest.approx(-3, abs=0.1)
    assert float(np.median(inner[..., 1])) == pytest.approx(0, abs=0.1)


def test_carry_samples_where_the_flow_points() -> None:
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 1
    np.testing.assert_array_equal(carry(plane, flow)[:, :3], plane[:, 1:])
    np.testing.assert_array_equal(carry(plane, flow)[:, 3], plane[:, 3])


def test_what_is_not_undone_on_the_way_back_is_hidden() -> None:
    forth = np.zeros((10, 10, 2), np.float32)
    back = forth.copy()
    back[:, 5:, 0] = 4
    assert visible(forth, back)[:, :5].all()
    assert not visible(forth, back)[:, 5:].any()


def test_warping_error_of_a_flash_on_still_film_is_its_square() -> None:
    still = Link(flow=np.zeros((6, 8, 2), np.float32), visible=np.ones((6, 8), bool))
    frames = np.stack([np.full((6, 8), level, np.uint8) for level in (100, 100, 151)])
    assert warping_error(frames, [still, still]) == pytest.approx(1e4 * (51 / 255) ** 2 / 2)


def test_hidden_pixels_do_not_count() -> None:
    frames = np.zeros((2, 6, 8), np.uint8)
    frames[1, :, :4] = 200
    half = np.zeros((6, 8), bool)
    half[:, 4:] = True
    assert warping_error(frames, [Link(flow=np.zeros((6, 8, 2), np.float32), visible=half)]) == 0


def test_a_slide_is_steady_and_its_flicker_is_not() -> None:
    frames = sliding(4)
    links = link(frames)
    assert mean_speed(links) == pytest.approx(3, abs=0.5)
    steady = warping_error(frames, links)
    frames[2] = np.clip(frames[2].astype(int) + 30, 0, 255).astype(np.uint8)
    assert warping_error(frames, links) > 20 * steady
