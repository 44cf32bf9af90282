"""Resizing is OpenCV's."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from engine.media.lab import HalfSize, half_size
from engine.stages.picture_tensors import resize_planes
from kernels.reference.resize import (
    resize_area,
    resize_area_enlarge,
    resize_bicubic,
    resize_bilinear,
    resize_lanczos_across,
    resize_lanczos_down,
)
from tests.kernels.surface_formats import scene

HEIGHT, WIDTH = 91, 134
SMALLER = ((45, 67), (37, 53), (90, 134), (1, 1), (91, 44))
LARGER = ((182, 268), (200, 301))


def lanczos(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return resize_lanczos_down(resize_lanczos_across(picture, width), height)


@pytest.mark.parametrize(
    ("made", "flag", "sizes", "error"),
    [
        (resize_area, cv2.INTER_AREA, SMALLER, 1e-6),
        (resize_area_enlarge, cv2.INTER_AREA, (*LARGER, (60, 301), (150, 60)), 1e-6),
        (resize_bilinear, cv2.INTER_LINEAR, SMALLER + LARGER, 1e-6),
        (resize_bicubic, cv2.INTER_CUBIC, SMALLER + LARGER, 2e-6),
        # places in single precision, with weights that divide by the square of a small distance
        (lanczos, cv2.INTER_LANCZOS4, SMALLER + LARGER, 5e-5),
    ],
)
def test_resizing_is_opencvs(
    made: Callable[[np.ndarray, int, int], np.ndarray], flag: int, sizes: tuple[tuple[int, int], ...], error: float
):
    picture = scene(1, (1, HEIGHT, WIDTH))
    for height, width in sizes:
        wanted = cv2.resize(picture[0], (width, height), interpolation=flag)
        assert np.abs(made(picture, height, width)[0] - wanted).max() <= error


def test_upscaling_is_the_enhancers():
    picture = scene(1, (3, HEIGHT, WIDTH))
    wanted = np.empty((3, 2 * HEIGHT, 2 * WIDTH), np.float32)
    resize_planes(picture, wanted)
    assert np.abs(resize_bicubic(picture, 2 * HEIGHT, 2 * WIDTH) - wanted).max() <= 2e-6


def test_halves_of_even_sizes_are_those_of_lab_frames():
    picture, wanted = scene(1, (1, 90, 134)), np.empty(half_size(90, 134), np.float32)
    HalfSize(90, 134)(picture[0], wanted)
    assert np.abs(resize_area(picture, 45, 67)[0] - wanted).max() <= 1e-6


@pytest.mark.parametrize("made", [resize_area, resize_area_enlarge, resize_bilinear, resize_bicubic, lanczos])
def test_the_same_size_is_the_same_picture(made):
    picture = scene(1, (1, 19, 23))
    assert np.abs(made(picture, 19, 23) - picture).max() < 1e-7


def test_places_far_to_the_right_are_exact():
    ramp = np.arange(3001, dtype=np.float32)[None, None] / 3000
    places = (np.arange(7001) + 0.5) * 3001 / 7001 - 0.5
    assert np.abs(resize_bilinear(ramp, 1, 7001)[0, 0] - np.clip(places, 0, 3000) / 3000).max() < 1e-7
