"""Reference of colour.cu: sRGB (IEC 61966-2-1) and CIE L*a*b* (CIE 15) of white D65."""

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]

TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
TO_RGB = np.array([[3.240479, -1.537150, -0.498535], [-0.969256, 1.875991, 0.041556], [0.055648, -0.204043, 1.057311]])
"""As OpenCV has them, to six digits; they undo each other to 1e-6."""
WHITE = np.array([0.950456, 1.0, 1.088754])[:, None, None]
DARKEST, SLOPE = 216 / 24389, 24389 / 27
"""Share of white below which L* is linear, and its slope there."""


def rgb_to_lab(rgb: Planes) -> Planes:
    """Return L* / 100, (a* + 128) / 255, (b* + 128) / 255 of R'G'B' (3, H, W), which is clipped to [0, 1]; NaN is 0."""
    xyz = np.einsum("ij,jyx->iyx", TO_XYZ, _to_linear(_clipped(rgb))) / WHITE
    x, y, z = np.where(xyz > DARKEST, np.cbrt(xyz), (SLOPE * xyz + 16) / 116)
    return np.stack([1.16 * y - 0.16, (500 * (x - y) + 128) / 255, (200 * (y - z) + 128) / 255]).astype(np.float32)


def lab_to_rgb(lab: Planes) -> Planes:
    """Return R'G'B' of the planes that `rgb_to_lab` makes; colours outside sRGB are clipped."""
    light, a, b = lab.astype(np.float64)
    middle = (light + 0.16) / 1.16
    roots = np.stack([middle + (a * 255 - 128) / 500, middle, middle - (b * 255 - 128) / 200])
    xyz = np.where(roots > 6 / 29, roots**3, (116 * roots - 16) / SLOPE) * WHITE
    linear = _clipped(np.einsum("ij,jyx->iyx", TO_RGB, xyz))
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def rgb_to_luma_ab(rgb: Planes, kr: float, kb: float) -> tuple[Planes, Planes]:
    """Return Y' (1, H, W) and, of the mean of 2 x 2 pixels, (ab + 128) / 255 (2, h, w), h and w the half rounded up."""
    wide = rgb.astype(np.float64)
    luma = np.einsum("i,iyx->yx", np.array([kr, 1 - kr - kb, kb]), wide)[None]
    even = np.pad(wide, ((0, 0), (0, wide.shape[1] % 2), (0, wide.shape[2] % 2)), mode="edge")
    half = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    return luma.astype(np.float32), rgb_to_lab(half.astype(np.float32))[1:]


def luma_to_lightness(luma: Planes) -> Planes:
    """Return L* / 100 of the greys whose R', G' and B' all are Y', which is clipped to [0, 1]; NaN is 0."""
    return rgb_to_lab(np.concatenate([luma, luma, luma]))[:1]


def _clipped(numbers: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.fmin(np.fmax(numbers.astype(np.float64), 0), 1)


def _to_linear(encoded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
