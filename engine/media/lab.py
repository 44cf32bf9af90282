"""Between L*ab and the Y'CbCr of a film, at half size, so that Y' stays what it was.

`LAB` chain frames keep Y' at full size and carry ab at half size. Y' is read as an sRGB-like grey (R' = G' = B' = Y'),
which gives L*; L* with ab gives R'G'B' at half size, and of that only Cb and Cr are used.
"""

import cv2
import numpy as np
import numpy.typing as npt

from engine.media.chroma import Plane
from engine.media.color import COEFFICIENTS
from engine.types import Matrix, Planes

AB_SCALE, AB_OFFSET = 255.0, 128.0
"""Chain chroma c stands for ab = 255 c - 128."""

_LUMA_CODES = 65535


def lightness(luma: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return L* (0..100) of sRGB-like greys Y' in [0, 1] (IEC 61966-2-1, CIE 15)."""
    encoded = np.asarray(luma, np.float64)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.where(linear > 216 / 24389, 116 * np.cbrt(linear) - 16, linear * 24389 / 27)


def half_size(height: int, width: int) -> tuple[int, int]:
    """Return rows and columns of half-size planes, rounded up."""
    return (height + 1) // 2, (width + 1) // 2


class HalfSize:
    """Average 2×2 pixels; a last odd row or column is averaged with itself."""

    def __init__(self, height: int, width: int) -> None:
        self._is_even = height % 2 == 0 and width % 2 == 0
        rows, columns = half_size(height, width)
        self._padded = None if self._is_even else np.empty((2 * rows, 2 * columns), np.float32)

    def __call__(self, plane: Plane, out: Plane) -> None:
        """Write the half of `plane` (H, W) into `out` (h, w)."""
        source = plane
        if self._padded is not None:
            source, (height, width) = self._padded, plane.shape
            source[:height, :width] = plane
            source[:height, width:] = plane[:, -1:]
            source[height:] = source[height - 1]
        cv2.resize(source, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_AREA)


class LabToChroma:
    """Turn half-size ab into the Cb and Cr that go with an untouched Y'.

    Parameters
    ----------
    height, width : of the full-size picture
    matrix : of the Y'CbCr
    """

    def __init__(self, height: int, width: int, matrix: Matrix) -> None:
        coefficients = COEFFICIENTS[matrix]
        self._cb_weights = _row(-coefficients.kr, -coefficients.kg, 1 - coefficients.kb, coefficients.cb_scale)
        self._cr_weights = _row(1 - coefficients.kr, -coefficients.kg, -coefficients.kb, coefficients.cr_scale)
        shape = half_size(height, width)
        self._halve = HalfSize(height, width)
        self._luma = np.empty(shape, np.float32)
        self._codes = np.empty(shape, np.uint16)
        self._lab_planes = [np.empty(shape, np.float32) for _ in range(3)]
        self._lab = np.empty((*shape, 3), np.float32)
        self._rgb = np.empty((*shape, 3), np.float32)
        self._rgb_planes = [np.empty(shape, np.float32) for _ in range(3)]
        self._lightness = lightness(np.arange(_LUMA_CODES + 1) / _LUMA_CODES).astype(np.float32)

    def __call__(self, luma: Plane, chroma: Planes, out: Planes) -> None:
        """Write Cb and Cr.

        Parameters
        ----------
        luma : float32 (H, W), Y', clipped here to [0, 1]
        chroma : float32 (2, h, w), (ab + 128) / 255
        out : float32 (2, h, w), Cb and Cr in [-0.5, 0.5], sited at the middle of each 2×2 pixels
        """
        self._halve(luma, self._luma)
        cv2.addWeighted(self._luma, _LUMA_CODES, self._luma, 0, 0, dst=self._codes, dtype=cv2.CV_16U)
        light, a, b = self._lab_planes
        cv2.LUT(self._codes, self._lightness, dst=light)
        for plane, source in ((a, chroma[0]), (b, chroma[1])):
            cv2.addWeighted(source, AB_SCALE, source, 0, -AB_OFFSET, dst=plane)
        cv2.merge(self._lab_planes, dst=self._lab)
        cv2.cvtColor(self._lab, cv2.COLOR_Lab2RGB, dst=self._rgb)
        cv2.split(self._rgb, self._rgb_planes)
        red, green, blue = self._rgb_planes
        for plane, weights in ((out[0], self._cb_weights), (out[1], self._cr_weights)):
            cv2.addWeighted(red, weights[0], green, weights[1], 0, dst=plane)
            cv2.scaleAdd(blue, weights[2], plane, dst=plane)


class RgbToLab:
    """Turn R'G'B' planes into the planes of a `LAB` frame: Y' at full size, ab at half size."""

    def __init__(self, height: int, width: int, matrix: Matrix) -> None:
        self._coefficients = COEFFICIENTS[matrix]
        self._halve = HalfSize(height, width)
        self._half = [np.empty(half_size(height, width), np.float32) for _ in range(3)]
        self._lab_planes = [np.empty(half_size(height, width), np.float32) for _ in range(3)]

    def __call__(self, rgb: Planes, luma: Planes, chroma: Planes) -> None:
        """Write Y' into `luma` (1, H, W) and (ab + 128) / 255 into `chroma` (2, h, w); `rgb` is (3, H, W)."""
        weights = self._coefficients
        cv2.addWeighted(rgb[0], weights.kr, rgb[1], weights.kg, 0, dst=luma[0])
        cv2.scaleAdd(rgb[2], weights.kb, luma[0], dst=luma[0])
        for plane, half in zip(rgb, self._half, strict=True):
            self._halve(plane, half)
        lab = cv2.cvtColor(cv2.merge(self._half), cv2.COLOR_RGB2Lab)
        cv2.split(lab, self._lab_planes)
        for source, out in zip(self._lab_planes[1:], chroma, strict=True):
            cv2.addWeighted(source, 1 / AB_SCALE, source, 0, AB_OFFSET / AB_SCALE, dst=out)


def _row(red: float, green: float, blue: float, scale: float) -> tuple[float, float, float]:
    return red / scale, green / scale, blue / scale
