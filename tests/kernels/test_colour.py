"""Colours are converted as the processor's chain does, where that is exact."""

import cv2
import numpy as np
import pytest

from engine.media import lab as media_lab
from engine.media.color import COEFFICIENTS
from engine.stages.lightness import LightnessTable, lightness
from engine.types import Matrix
from kernels.reference.colour import lab_to_rgb, luma_to_lightness, rgb_to_lab, rgb_to_luma_ab
from tests.kernels.surface_formats import scene

TABLE = 0.8 / 255
"""Of ab: `cv2.cvtColor` to L*a*b* reads a table of 33 x 33 x 33 colours and is off by up to 0.7 of 255, by 0.08 on the
mean; the kernels compute."""


@pytest.mark.parametrize("size", [(54, 76), (53, 77)])
def test_planes_of_lab_frames_are_the_processors(size):
    rgb, half = scene(1, (3, *size)), media_lab.half_size(*size)
    luma, chroma = np.empty((1, *size), np.float32), np.empty((2, *half), np.float32)
    media_lab.RgbToLab(*size, Matrix.BT709)(rgb, luma, chroma)
    weights = COEFFICIENTS[Matrix.BT709]
    made_luma, made_ab = rgb_to_luma_ab(rgb, weights.kr, weights.kb)
    assert np.abs(made_luma - luma).max() <= 1e-6
    assert np.abs(made_ab - chroma).max() <= TABLE
    assert np.abs(made_ab - chroma).mean() <= TABLE / 8


def test_lab_becomes_the_same_rgb():
    light = np.random.default_rng(1).random((3, 53, 77), np.float32)
    lab = (
        light * np.array([100, 160, 160], np.float32)[:, None, None] - np.array([0, 80, 80], np.float32)[:, None, None]
    )
    wanted = cv2.cvtColor(np.ascontiguousarray(lab.transpose(1, 2, 0)), cv2.COLOR_Lab2RGB).transpose(2, 0, 1)
    in_memory = np.stack([lab[0] / 100, (lab[1] + 128) / 255, (lab[2] + 128) / 255]).astype(np.float32)
    assert np.abs(lab_to_rgb(in_memory) - wanted).max() <= 1e-4  # OpenCV's gamma is a spline of 1024 pieces


def test_there_and_back_is_the_same_colour():
    rgb = np.random.default_rng(2).random((3, 53, 77)).astype(np.float32)
    assert np.abs(lab_to_rgb(rgb_to_lab(rgb)) - rgb).max() <= 2e-5  # the two matrices have six digits


def test_known_colours():
    rgb = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]], np.float32).T[:, None]
    light, a, b = rgb_to_lab(rgb)[:, 0]
    wanted = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0], [0, 0, 0]]
    found = np.stack([light * 100, a * 255 - 128, b * 255 - 128]).T
    assert np.abs(found - np.array(wanted)).max() < 0.02


def test_lightness_is_the_processors():
    luma, wanted = scene(1, (1, 53, 77)), np.empty((53, 77), np.float32)
    made = luma_to_lightness(luma)[0]
    assert np.abs(made - lightness(luma[0])).max() <= 1e-6
    LightnessTable(53, 77).write(luma[0], wanted)
    assert np.abs(made - wanted).max() <= 6e-4  # half a step of the table of 4096, where L* rises fastest
