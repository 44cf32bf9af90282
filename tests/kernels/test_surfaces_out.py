"""What is written into surfaces are the codes that the processor's chain writes from the same frames."""

from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from engine.frame import Frame
from engine.media.codes import dither_pattern
from engine.media.convert import FromChain, LabToRgb
from engine.media.lab import LabToChroma, half_size
from engine.media.layout import LAYOUTS, samples
from engine.types import ColorSpace, FrameSpec, Matrix, PixelFormat
from kernels.reference.surfaces import dither
from kernels.reference.surfaces_out import (
    Made,
    lab_chroma,
    rgb_of_lab,
    write_rgb,
    write_rgb_of_lab,
    write_ycbcr,
    write_ycbcr_of_lab,
)
from tests.kernels.surface_formats import COLORS, coding_of, scene

YCBCR = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p12le", "yuv444p16le", "yuyv422", "uyvy422")
GREY = ("gray", "gray10le", "gray16le")
RGB = ("rgb24", "bgr24", "gbrp10le", "rgb48le")
SIZES = ((53, 78), (52, 77), (1, 1))

OTHER = {8: 0.0005, 10: 0.001, 12: 0.002, 16: 0.01}
"""By bits: share of codes that may be one off, because the number lies between two codes to within rounding."""

OTHER_OF_LAB = {8: 0.003, 10: 0.005, 12: 0.015, 16: 1.0}
"""The same for chroma of LAB frames: OpenCV draws the transfer of sRGB as a spline, up to 8e-5 off."""


def on_processor(
    pixels: np.ndarray, format: PixelFormat, chroma: np.ndarray | None, pix_fmt: str, color: ColorSpace
) -> tuple[list[np.ndarray], ColorSpace]:
    """Return the codes of every component of the encoder's picture, and what they mean."""
    height, width = pixels.shape[1:]
    frame = Frame(pixels=pixels, chroma=chroma, format=format, pts=0, time_base=Fraction(1, 24), index=0)
    spec = FrameSpec(
        format=format, width=width, height=height, rate=None, time_base=Fraction(1, 24), color=color, bit_depth=8
    )
    picture, layout = av.VideoFrame(width, height, pix_fmt), LAYOUTS[pix_fmt]
    convert = FromChain(spec, pix_fmt)
    convert(frame, picture)
    views = [samples(picture, layout, index) for index in range(len(layout.components))]
    offsets = [place.offset for place in layout.components]
    codes = [
        (view if view.ndim == 2 else view[..., offset]).astype(np.int64)
        for view, offset in zip(views, offsets, strict=True)
    ]
    return codes, convert.color


def assert_same_codes(
    made: Sequence[np.ndarray], wanted: Sequence[np.ndarray], shares: Sequence[float], *, most: int = 1
) -> None:
    for index, (mine, its, share) in enumerate(zip(made, wanted, shares, strict=True)):
        away = np.abs(mine - its)
        assert away.max() <= most, f"component {index}: {away.max()} codes off"
        assert np.count_nonzero(away) <= share * away.size, f"component {index}: {np.count_nonzero(away)} off"


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
@pytest.mark.parametrize("pix_fmt", YCBCR)
@pytest.mark.parametrize("planes", [1, 3])
def test_luma_and_rgb_become_the_same_ycbcr(pix_fmt, color, planes):
    bits = LAYOUTS[pix_fmt].bits
    for size in SIZES:
        pixels = scene(3, (planes, *size))
        format = PixelFormat.RGB if planes == 3 else PixelFormat.GRAY
        wanted, meant = on_processor(pixels, format, None, pix_fmt, color)
        coding = coding_of(pix_fmt, meant, size[0])
        made = write_ycbcr(pixels, Made(size=size), coding, luma_only=False, dithered=bits == 8)
        assert_same_codes(made, wanted, [OTHER[bits]] * 3)


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("pix_fmt", GREY)
def test_luma_and_rgb_become_the_same_grey(pix_fmt, planes):
    bits, color = LAYOUTS[pix_fmt].bits, COLORS["BT.601 left"]
    pixels = scene(4, (planes, *SIZES[0]))
    format = PixelFormat.RGB if planes == 3 else PixelFormat.GRAY
    wanted, meant = on_processor(pixels, format, None, pix_fmt, color)
    coding = coding_of(pix_fmt, meant, SIZES[0][0])
    made = write_ycbcr(pixels, Made(size=SIZES[0]), coding, luma_only=True, dithered=bits == 8)
    assert_same_codes(made, wanted, [OTHER[bits]])


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("pix_fmt", RGB)
def test_luma_and_rgb_become_the_same_rgb(pix_fmt, planes):
    bits = LAYOUTS[pix_fmt].bits
    pixels = scene(5, (planes, *SIZES[0]))
    format = PixelFormat.RGB if planes == 3 else PixelFormat.GRAY
    wanted, _ = on_processor(pixels, format, None, pix_fmt, COLORS["BT.601 left"])
    made = write_rgb(pixels, Made(size=SIZES[0]), (1 << bits) - 1, dithered=bits == 8)
    assert_same_codes(made, wanted, [OTHER[bits]] * 3)


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
@pytest.mark.parametrize("pix_fmt", [*YCBCR, *RGB])
def test_lab_frames_become_the_same_codes(pix_fmt, color):
    layout = LAYOUTS[pix_fmt]
    for size in SIZES:
        luma, ab = scene(6, (1, *size)), 0.25 + 0.5 * scene(7, (2, *half_size(*size)))
        wanted, meant = on_processor(luma, PixelFormat.LAB, ab, pix_fmt, color)
        # R'G'B' written from a film's Y' is made by the film's own matrix
        coding = coding_of(pix_fmt, color if layout.family == "rgb" else meant, size[0])
        shares = [OTHER[layout.bits]] + [OTHER_OF_LAB[layout.bits]] * 2
        if layout.family == "yuv":
            made = write_ycbcr_of_lab(luma[0], ab, coding, dithered=layout.bits == 8)
        else:
            made = write_rgb_of_lab(luma[0], ab, coding, (1 << layout.bits) - 1, dithered=layout.bits == 8)
            shares = [OTHER_OF_LAB[layout.bits]] * 3
        assert_same_codes(made, wanted, shares, most=6 if layout.bits == 16 else 1)


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.BT2020])
def test_chroma_of_lab_is_that_of_the_processor(matrix):
    color = ColorSpace(matrix=matrix)
    luma, ab = scene(8, (1, 53, 77))[0] ** 2, scene(9, (2, 27, 39))
    out = np.empty((2, 27, 39), np.float32)
    LabToChroma(53, 77, matrix)(luma, ab, out)
    made = lab_chroma(luma, ab, coding_of("yuv420p", color, 53))
    np.testing.assert_allclose(made, out, rtol=0, atol=1e-4)
    assert np.median(np.abs(made - out)) < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_lab_frames_become_the_same_rgb_planes(size):
    color = COLORS["BT.709 bottom left"]
    luma, ab = scene(6, (1, *size)), 0.25 + 0.5 * scene(7, (2, *half_size(*size)))
    height, width = size
    format, base = PixelFormat.LAB, Fraction(1, 24)
    spec = FrameSpec(format=format, width=width, height=height, rate=None, time_base=base, color=color)
    wanted = np.empty((3, *size), np.float32)
    LabToRgb(spec)(Frame(pixels=luma, chroma=ab, format=format, pts=0, time_base=base, index=0), wanted)
    made = rgb_of_lab(luma[0], ab, coding_of("rgb24", color, height))
    assert wanted.min() >= 0
    assert wanted.max() <= 1
    np.testing.assert_allclose(made, wanted, rtol=0, atol=2e-4)  # OpenCV's spline, up to 8e-5 off in each chroma


def test_the_dither_is_the_processors():
    np.testing.assert_array_equal(dither(21, 35), dither_pattern(21, 35))


@pytest.mark.parametrize("size", [(27, 39), (20, 31)])
def test_a_models_larger_output_is_written_as_the_steps_one_by_one_do(size):
    color = COLORS["BT.601 left"]
    output = scene(10, (3, 54, 78)) * 2.4 - 1.2  # in -1..1, and beyond
    small = np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in output])
    pixels = np.clip(small * 0.5 + 0.5, 0, 1).astype(np.float32)
    wanted, meant = on_processor(pixels, PixelFormat.RGB, None, "yuv420p", color)
    made = Made(size=size, area=True, gain=0.5, bias=0.5)
    codes = write_ycbcr(output, made, coding_of("yuv420p", meant, size[0]), luma_only=False, dithered=True)
    assert_same_codes(codes, wanted, [0.002] * 3)
