"""CIE L* of a film's luma, and working sizes for networks that want it.

L* is that of a grey whose R', G' and B' all equal Y', with the transfer of sRGB (IEC 61966-2-1) and white at 100.
"""

from math import sqrt

import numpy as np

from engine.stages.luma import Plane

NEUTRAL_AB = 128.0 / 255.0
"""a* or b* of grey, as `Frame.chroma` holds it."""

STEPS = 4096
"""Entries of the table; L* is then right to 0.02 of 100 everywhere."""


def lightness(luma: Plane) -> Plane:
    """Return L*/100 of Y' in [0, 1], any shape; exact, and slow."""
    linear = np.where(luma <= 0.04045, luma / 12.92, ((luma + 0.055) / 1.055) ** 2.4)
    cube_root = np.where(linear > 216 / 24389, np.cbrt(linear), (24389 / 27 * linear + 16) / 116)
    return (1.16 * cube_root - 0.16).astype(np.float32)


class LightnessTable:
    """L*/100 by table.

    Parameters
    ----------
    height, width : of the planes
    """

    def __init__(self, height: int, width: int) -> None:
        self._table = lightness(np.linspace(0.0, 1.0, STEPS, dtype=np.float32))
        self._scaled = np.empty((height, width), np.float32)
        self._indices = np.empty((height, width), np.intp)

    def write(self, luma: Plane, out: Plane) -> None:
        """Write L*/100 of Y' into `out`; both (height, width)."""
        np.clip(luma, 0.0, 1.0, out=self._scaled)
        np.multiply(self._scaled, STEPS - 1, out=self._scaled)
        np.rint(self._scaled, out=self._scaled)
        np.copyto(self._indices, self._scaled, casting="unsafe")
        np.take(self._table, self._indices, out=out, mode="clip")


def working_size(height: int, width: int, liked: tuple[int, int] | None, multiple: int) -> tuple[int, int]:
    """Return the size at which a network sees a picture.

    Parameters
    ----------
    height, width : of the picture
    liked : the size whose area the network likes; None: the picture's own
    multiple : what height and width must be multiples of
    """
    scale = 1.0 if liked is None else sqrt(liked[0] * liked[1] / (height * width))
    rows, columns = (max(1, round(size * scale / multiple)) * multiple for size in (height, width))
    return rows, columns
