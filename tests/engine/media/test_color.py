"""Matrices and ranges against values worked out by other means."""

import cv2
import numpy as np
import pytest

from engine.media.color import (
    COEFFICIENTS,
    FFMPEG_OF_MATRIX,
    MATRIX_OF_FFMPEG,
    CodedColor,
    color_space,
    luma_matrix,
    output_color,
    unspecified_matrix,
)
from engine.media.lab import HalfSize, LabToChroma, RgbToLab, half_size, lightness
from engine.stages.luma import COEFFICIENTS as STAGES_COEFFICIENTS
from engine.types import ColorSpace, Matrix, Range

KNOWN_YCBCR = [
    # BT.601 limited 8-bit codes of full-strength primaries, as printed in ITU-R BT.601 (75 % bars scale from them)
    (Matrix.BT601, (1, 0, 0), (81.5, 90.2, 240.0)),
    (Matrix.BT601, (0, 1, 0), (144.6, 53.8, 34.2)),
    (Matrix.BT601, (0, 0, 1), (41.0, 240.0, 109.8)),
    (Matrix.BT709, (1, 0, 0), (62.6, 102.3, 240.0)),
    (Matrix.BT709, (0, 1, 0), (172.6, 41.7, 26.3)),
    (Matrix.BT709, (0, 0, 1), (31.8, 240.0, 117.7)),
    (Matrix.BT2020, (1, 0, 0), (73.5, 96.7, 240.0)),
    # Y' = 0.30 R' + 0.59 G' + 0.11 B' (ITU-R BT.470, System M), 0.212 R' + 0.701 G' + 0.087 B' (SMPTE 240M)
    (Matrix.FCC, (1, 0, 0), (81.7, 90.2, 240.0)),
    (Matrix.FCC, (0, 1, 0), (145.2, 53.8, 33.6)),
    (Matrix.FCC, (0, 0, 1), (40.1, 240.0, 110.4)),
    (Matrix.SMPTE240M, (1, 0, 0), (62.4, 102.0, 240.0)),
    (Matrix.SMPTE240M, (0, 1, 0), (169.5, 42.0, 28.4)),
    (Matrix.SMPTE240M, (0, 0, 1), (35.1, 240.0, 115.6)),
]


@pytest.mark.parametrize(("matrix", "rgb", "codes"), KNOWN_YCBCR)
def test_coefficients_give_the_codes_that_the_standards_print(matrix, rgb, codes):
    weights = COEFFICIENTS[matrix]
    red, green, blue = rgb
    luma = weights.kr * red + weights.kg * green + weights.kb * blue
    cb, cr = (blue - luma) / weights.cb_scale, (red - luma) / weights.cr_scale
    assert (16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr) == pytest.approx(codes, abs=0.06)


@pytest.mark.parametrize(
    ("coded", "height", "matrix"),
    [
        (2, 480, Matrix.BT601),
        (2, 576, Matrix.BT601),
        (2, 720, Matrix.BT709),
        (2, 2160, Matrix.BT709),
        (1, 480, Matrix.BT709),
        (4, 1080, Matrix.FCC),
        (7, 480, Matrix.SMPTE240M),
        (5, 1080, Matrix.BT601),
        (6, 1080, Matrix.BT601),
        (9, 480, Matrix.BT2020),
        (0, 480, Matrix.BT601),
        (14, 1080, Matrix.BT709),
    ],
)
def test_a_matrix_is_taken_from_the_tag_or_the_height(coded, height, matrix):
    color = color_space(CodedColor(matrix=coded), family="yuv", is_full_range=False, height=height, codec="h264")
    assert color.matrix is matrix


@pytest.mark.parametrize(
    ("family", "is_full_range", "tag", "wanted"),
    [
        ("yuv", False, 0, Range.LIMITED),
        ("yuv", False, 1, Range.LIMITED),
        ("yuv", False, 2, Range.FULL),
        ("yuv", True, 0, Range.FULL),
        ("gray", False, 0, Range.FULL),
        ("gray", False, 1, Range.LIMITED),
        ("rgb", False, 0, Range.FULL),
    ],
)
def test_a_range_is_taken_from_the_tag_or_the_format(family, is_full_range, tag, wanted):
    coded = CodedColor(range=tag)
    color = color_space(coded, family=family, is_full_range=is_full_range, height=480, codec="h264")
    assert color.range is wanted


@pytest.mark.parametrize(("codec", "location"), [("h264", 1), ("mjpeg", 2), ("dvvideo", 3)])
def test_chroma_siting_follows_the_codec(codec, location):
    color = color_space(CodedColor(), family="yuv", is_full_range=False, height=480, codec=codec)
    assert color.chroma_location == location


def test_every_matrix_is_weighed_alike_wherever_luma_is_made_and_written_as_it_was_read():
    for matrix in set(Matrix) - {Matrix.RGB}:
        media, stages = COEFFICIENTS[matrix], STAGES_COEFFICIENTS[matrix]
        assert (media.kr, media.kb) == (stages.kr, stages.kb)
        assert MATRIX_OF_FFMPEG[FFMPEG_OF_MATRIX[matrix]] is matrix


def test_output_of_an_rgb_film_is_usual_video():
    rgb = ColorSpace(matrix=Matrix.RGB, range=Range.FULL)
    assert output_color(rgb, family="yuv", is_full_range=False, height=1080).matrix is Matrix.BT709
    assert output_color(rgb, family="yuv", is_full_range=False, height=1080).range is Range.LIMITED
    assert output_color(rgb, family="gray", is_full_range=False, height=480).range is Range.FULL
    assert luma_matrix(rgb, 480) is unspecified_matrix(480) is Matrix.BT601


def test_output_keeps_a_films_own_matrix_and_range():
    film = ColorSpace(matrix=Matrix.BT2020, range=Range.FULL, primaries=9, transfer=14, chroma_location=3)
    assert output_color(film, family="yuv", is_full_range=False, height=480) == film
    as_rgb = output_color(film, family="rgb", is_full_range=False, height=480)
    assert (as_rgb.matrix, as_rgb.range, as_rgb.primaries) == (Matrix.RGB, Range.FULL, 9)


def test_lightness_agrees_with_opencv():
    luma = np.linspace(0, 1, 257, dtype=np.float32)
    grey = np.repeat(luma[:, None, None], 3, axis=2)
    expected = cv2.cvtColor(grey, cv2.COLOR_RGB2Lab)[:, 0, 0]
    assert np.abs(lightness(luma) - expected).max() < 0.2  # OpenCV's own tables are that coarse


def test_halves_average_and_repeat_odd_ends():
    plane = np.arange(15, dtype=np.float32).reshape(3, 5)
    out = np.empty((2, 3), np.float32)
    HalfSize(3, 5)(plane, out)
    assert out.tolist() == [[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.BT2020])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_neutral_ab_is_neutral_chroma(matrix, size):
    luma = np.random.default_rng(0).random(size, np.float32)
    out = np.ones((2, *half_size(*size)), np.float32)
    LabToChroma(*size, matrix)(luma, np.full_like(out, 128 / 255), out)
    assert np.abs(out).max() < 1e-3


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709])
def test_rgb_to_lab_and_back_keeps_luma_and_comes_near_in_chroma(matrix):
    weights = COEFFICIENTS[matrix]
    rgb = np.empty((3, 4, 4), np.float32)
    rgb[0], rgb[1], rgb[2] = 0.6, 0.5, 0.45
    luma, ab, chroma = np.empty((1, 4, 4), np.float32), np.empty((2, 2, 2), np.float32), np.empty((2, 2, 2), np.float32)
    RgbToLab(4, 4, matrix)(rgb, luma, ab)
    LabToChroma(4, 4, matrix)(luma[0], ab, chroma)
    expected = weights.kr * 0.6 + weights.kg * 0.5 + weights.kb * 0.45
    assert luma == pytest.approx(expected, abs=1e-6)
    assert chroma[0] == pytest.approx((0.45 - expected) / weights.cb_scale, abs=0.004)
    assert chroma[1] == pytest.approx((0.6 - expected) / weights.cr_scale, abs=0.004)
