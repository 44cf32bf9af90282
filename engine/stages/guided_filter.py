"""Brings coarse chroma to a finer size so that its edges lie where luma's edges lie.

References
----------
He and Sun, "Fast Guided Filter", arXiv 1505.00996, 2015: chroma is a linear function of luma within each small window;
its two coefficients are found at the coarse size and applied at the fine one.
"""

import cv2
import numpy as np

from engine.stages.luma import Plane

RADIUS = 4
"""Pixels of the coarse size on each side of a window."""

EPSILON = 4e-4
"""Variance of luma, of a range of 1, that counts as grain rather than as an edge: a deviation of 0.02."""


class GuidedUpsampler:
    """Scratch for one coarse and one fine size.

    Parameters
    ----------
    coarse, fine : (height, width)
    """

    def __init__(self, coarse: tuple[int, int], fine: tuple[int, int]) -> None:
        self._fine_size = (fine[1], fine[0])
        self._mean, self._variance, self._slope, self._offset, self._product = np.empty((5, *coarse), np.float32)
        self._fine_slope, self._fine_offset = np.empty((2, *fine), np.float32)

    def guide(self, luma: Plane) -> None:
        """Take the coarse luma that the next chroma planes belong to; kept by reference."""
        self._luma = luma
        _blur(luma, self._mean)
        np.multiply(luma, luma, out=self._product)
        _blur(self._product, self._variance)
        np.multiply(self._mean, self._mean, out=self._product)
        np.subtract(self._variance, self._product, out=self._variance)
        np.add(self._variance, EPSILON, out=self._variance)

    def write(self, chroma: Plane, fine_luma: Plane, out: Plane) -> None:
        """Write one chroma plane at the fine size into `out`; `chroma` is coarse, `fine_luma` fine."""
        slope, offset, product = self._slope, self._offset, self._product
        np.multiply(self._luma, chroma, out=product)
        _blur(product, slope)
        _blur(chroma, offset)
        np.multiply(self._mean, offset, out=product)
        np.subtract(slope, product, out=slope)
        np.divide(slope, self._variance, out=slope)
        np.multiply(slope, self._mean, out=product)
        np.subtract(offset, product, out=offset)
        for coefficient, fine in ((slope, self._fine_slope), (offset, self._fine_offset)):
            _blur(coefficient, product)
            cv2.resize(product, self._fine_size, dst=fine, interpolation=cv2.INTER_LINEAR)
        np.multiply(self._fine_slope, fine_luma, out=out)
        np.add(out, self._fine_offset, out=out)


def _blur(plane: Plane, out: Plane) -> None:
    side = 2 * RADIUS + 1
    cv2.boxFilter(plane, -1, (side, side), dst=out, borderType=cv2.BORDER_REFLECT_101)
