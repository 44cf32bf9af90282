"""Luma and half-size chroma of planar R'G'B' pictures, plane by plane, without temporary pictures.

Y' = kr R' + kg G' + kb B', Cb = (B' - Y') / (2 - 2 kb) + 0.5, Cr = (R' - Y') / (2 - 2 kr) + 0.5
(ITU-T H.273, section 8.3).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.types import Matrix, Planes

Plane = npt.NDArray[np.float32]
"""float32 (H, W)."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Weights of red and blue in luma."""

    kr: float
    kb: float

    @property
    def kg(self) -> float:
        """Weight of green."""
        return 1.0 - self.kr - self.kb


COEFFICIENTS = {
    Matrix.RGB: Coefficients(0.2126, 0.0722),
    Matrix.BT601: Coefficients(0.299, 0.114),
    Matrix.BT709: Coefficients(0.2126, 0.0722),
    Matrix.BT2020: Coefficients(0.2627, 0.0593),
    Matrix.FCC: Coefficients(0.30, 0.11),
    Matrix.SMPTE240M: Coefficients(0.212, 0.087),
}
"""By matrix; a film stored as R'G'B' has no matrix of its own and gets BT.709's."""


def reduce_by_area(plane: Plane, out: Plane) -> None:
    """Write a plane in the smaller size of `out`."""
    cv2.resize(plane, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_AREA)


def luma_of(rgb: Planes, matrix: Matrix, out: Plane) -> None:
    """Write Y' of `rgb` (3, H, W) into `out` (H, W)."""
    k = COEFFICIENTS[matrix]
    cv2.addWeighted(rgb[0], k.kr, rgb[1], k.kg, 0.0, dst=out)
    cv2.scaleAdd(rgb[2], k.kb, out, dst=out)


class HalfChroma:
    """Cb and Cr at half size.

    Parameters
    ----------
    height, width : of the chroma planes; the picture's, halved and rounded up
    matrix : of the film
    """

    def __init__(self, height: int, width: int, matrix: Matrix) -> None:
        self._k = COEFFICIENTS[matrix]
        self._matrix = matrix
        self._size = (width, height)
        self._rgb = np.empty((3, height, width), np.float32)
        self._luma = np.empty((height, width), np.float32)

    def write(self, rgb: Planes, out: Planes) -> None:
        """Write chroma of `rgb` (3, H, W) into `out` (2, height, width), full range, neutral at 0.5."""
        for plane, small in zip(rgb, self._rgb, strict=True):
            cv2.resize(plane, self._size, dst=small, interpolation=cv2.INTER_AREA)
        luma_of(self._rgb, self._matrix, self._luma)
        for channel, weight, target in ((2, self._k.kb, out[0]), (0, self._k.kr, out[1])):
            gain = 1.0 / (2.0 - 2.0 * weight)
            cv2.addWeighted(self._rgb[channel], gain, self._luma, -gain, 0.5, dst=target)


def add_difference(rgb: Planes, luma: Plane, chroma: Planes, matrix: Matrix) -> None:
    """Add a change of Y' (H, W) and of Cb, Cr (2, H, W; zero is no change) to `rgb` (3, H, W), in place."""
    k = COEFFICIENTS[matrix]
    red, blue = 2.0 - 2.0 * k.kr, 2.0 - 2.0 * k.kb
    for plane in rgb:
        cv2.add(plane, luma, dst=plane)
    cv2.scaleAdd(chroma[1], red, rgb[0], dst=rgb[0])
    cv2.scaleAdd(chroma[0], blue, rgb[2], dst=rgb[2])
    cv2.scaleAdd(chroma[1], -red * k.kr / k.kg, rgb[1], dst=rgb[1])
    cv2.scaleAdd(chroma[0], -blue * k.kb / k.kg, rgb[1], dst=rgb[1])
