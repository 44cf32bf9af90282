"""Reference of surfaces_out.cu: numbers to codes, as ITU-R BT.601, BT.709, BT.2020 and ITU-T H.273 define them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernels.reference.surfaces import (
    Codes,
    Coding,
    Planes,
    Real,
    along_axes,
    clipped,
    coded,
    half_to_chroma,
    resizing,
    shrinking,
)

XYZ_TO_RGB = np.array(
    [[3.240479, -1.53715, -0.498535], [-0.969256, 1.875991, 0.041556], [0.055648, -0.204043, 1.057311]]
)
"""CIE XYZ to linear R'G'B' of BT.709's primaries and D65."""

WHITE = np.array([0.950456, 1.0, 1.088754])
"""D65 in XYZ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What pictures are written from.

    size : (rows, columns) after resizing
    area : resize by the mean over what a pixel covers, rather than linearly
    gain, bias : number = value × gain + bias, then clipped to [0, 1]
    """

    size: tuple[int, int]
    area: bool = False
    gain: float = 1.0
    bias: float = 0.0


def write_ycbcr(planes: Planes, made: Made, coding: Coding, *, luma_only: bool, dithered: bool) -> list[Codes]:
    """Return the codes of Y' (H, W), and of Cb and Cr (h, w) unless `luma_only`, of luma or R'G'B' (1 or 3, H, W)."""
    numbers = _numbers(planes, made)
    luma = numbers[0] if len(numbers) == 1 else np.einsum("i,iyx->yx", coding.luma_weights, numbers)
    codes = [_luma_codes(luma, coding, dithered=dithered)]
    if luma_only:
        return codes
    down = shrinking(luma.shape[0], coding.shift_y, coding.siting[1])
    across = shrinking(luma.shape[1], coding.shift_x, coding.siting[0])
    for plane, weight in ((numbers[-1], coding.kb), (numbers[0], coding.kr)):
        away = (plane - luma) / (2.0 - 2.0 * weight)
        codes.append(_chroma_codes(along_axes(away, down, across), coding, dithered=dithered))
    return codes


def write_rgb(planes: Planes, made: Made, peak: int, *, dithered: bool) -> list[Codes]:
    """Return the codes of R', G', B' (H, W), full range, of luma (1, H, W) or R'G'B' (3, H, W)."""
    numbers = _numbers(planes, made)
    return [coded(numbers[min(index, len(numbers) - 1)], peak, 0, 0, peak, dithered=dithered) for index in range(3)]


def write_ycbcr_of_lab(luma: Planes, ab: Planes, coding: Coding, *, dithered: bool) -> list[Codes]:
    """Return the codes of Y', Cb, Cr of luma (H, W) and half-size (ab + 128) / 255 (2, h, w)."""
    height, width = luma.shape
    down = half_to_chroma(height, coding.shift_y, coding.siting[1])
    across = half_to_chroma(width, coding.shift_x, coding.siting[0])
    chroma = [along_axes(plane, down, across) for plane in lab_chroma(luma, ab, coding)]
    codes = [_chroma_codes(plane, coding, dithered=dithered) for plane in chroma]
    return [_luma_codes(clipped(luma), coding, dithered=dithered), *codes]


def write_rgb_of_lab(luma: Planes, ab: Planes, coding: Coding, peak: int, *, dithered: bool) -> list[Codes]:
    """Return the codes of R', G', B', full range, of luma (H, W) and half-size (ab + 128) / 255 (2, h, w)."""
    return [coded(plane, peak, 0, 0, peak, dithered=dithered) for plane in _rgb_of_lab(luma, ab, coding)]


def rgb_of_lab(luma: Planes, ab: Planes, coding: Coding) -> Real:
    """Return R'G'B' (3, H, W), clipped to [0, 1], of luma (H, W) and half-size (ab + 128) / 255 (2, h, w)."""
    return clipped(_rgb_of_lab(luma, ab, coding))


def lab_chroma(luma: Planes, ab: Planes, coding: Coding) -> Real:
    """Return Cb and Cr (2, h, w) of luma (H, W), read as an sRGB-like grey, and half-size ab.

    The mean luma of each 2×2 pixels, the last row and column repeated where they are odd, gives L*; L*, a and b give
    R'G'B'.
    """
    rows, columns = ab.shape[1:]
    beyond = ((0, 2 * rows - luma.shape[0]), (0, 2 * columns - luma.shape[1]))
    whole = np.pad(luma.astype(np.float64), beyond, mode="edge")
    grey = clipped(whole.reshape(rows, 2, columns, 2).mean(axis=(1, 3)))
    linear = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)
    middle = np.where(linear > 216 / 24389, np.cbrt(linear), 7.787 * linear + 16 / 116)
    a, b = ab.astype(np.float64) * 255.0 - 128.0
    xyz = np.stack([_from_lab(middle + a / 500), linear, _from_lab(middle - b / 200)]) * WHITE[:, None, None]
    light = clipped(np.einsum("ij,jyx->iyx", XYZ_TO_RGB, xyz))
    rgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    away = rgb - np.einsum("i,iyx->yx", coding.luma_weights, rgb)
    return np.stack([away[2] / (2.0 - 2.0 * coding.kb), away[0] / (2.0 - 2.0 * coding.kr)])


def _rgb_of_lab(luma: Planes, ab: Planes, coding: Coding) -> Real:
    down, across = (half_to_chroma(size, 0, 0.0) for size in luma.shape)
    chroma = [along_axes(plane, down, across) for plane in lab_chroma(luma, ab, coding)]
    return np.einsum("ij,jyx->iyx", coding.rgb_matrix, np.stack([clipped(luma), *chroma]))


def _numbers(planes: Planes, made: Made) -> Real:
    down, across = (resizing(size, out, area=made.area) for size, out in zip(planes.shape[1:], made.size, strict=True))
    sized = np.stack([along_axes(plane, down, across) for plane in planes])
    return clipped(sized * made.gain + made.bias)


def _luma_codes(luma: Real, coding: Coding, *, dithered: bool) -> Codes:
    low, high = coding.black, coding.black + coding.luma_span
    return coded(luma, coding.luma_span, coding.black, low, high, dithered=dithered)


def _chroma_codes(chroma: Real, coding: Coding, *, dithered: bool) -> Codes:
    low, high = coding.chroma_low, coding.chroma_high
    return coded(chroma, coding.chroma_span, coding.neutral, low, high, dithered=dithered)


def _from_lab(value: npt.NDArray[np.float64]) -> Real:
    edge = 7.787 * (216 / 24389) + 16 / 116
    return np.where(value <= edge, (value - 16 / 116) / 7.787, value**3)
