"""Reference of guided.cu: K. He and J. Sun, "Fast Guided Filter", arXiv 1505.00996, 2015."""

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import linear, resized

Planes = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

RADIUS = 4
"""Pixels on each side of a window."""
EPSILON = 4e-4
"""Variance of luma that counts as grain rather than as an edge."""
MIDDLE = 0.5
"""From which luma is counted."""


def guide_across(luma: Planes, ab: Planes) -> Planes:
    """Return sums over the windows' rows of luma (1, h, w) and chroma (2, h, w).

    Six planes: luma, its square, a, a x luma, b, b x luma.
    """
    light, (a, b) = luma[0].astype(np.float64) - MIDDLE, ab.astype(np.float64)
    return _sums(np.stack([light, light**2, a, a * light, b, b * light]), 2).astype(np.float32)


def guide_down(sums: Planes) -> Planes:
    """Return slope and offset of a, slope and offset of b, (4, h, w), of what `guide_across` gives."""
    light, square, *chromas = _sums(sums.astype(np.float64), 1) / (2 * RADIUS + 1) ** 2
    fits: list[Wide] = []
    for chroma, product in (chromas[:2], chromas[2:]):
        slope = (product - light * chroma) / (square - light**2 + EPSILON)
        fits += [slope, chroma - slope * light]
    return np.stack(fits).astype(np.float32)


def box_across(planes: Planes) -> Planes:
    """Return means over the windows' rows."""
    return (_sums(planes.astype(np.float64), 2) / (2 * RADIUS + 1)).astype(np.float32)


def box_down(planes: Planes) -> Planes:
    """Return means over the windows' columns."""
    return (_sums(planes.astype(np.float64), 1) / (2 * RADIUS + 1)).astype(np.float32)


def guided_chroma(fits: Planes, luma: Planes, gain: float, offset: float) -> Planes:
    """Return chroma (2, H, W) of smoothed fits (4, h, w) and fine luma (1, H, W): x `gain` + `offset`, in [0, 1]."""
    fine = resized(fits, luma.shape[1], luma.shape[2], linear)
    chroma = fine[[0, 2]] * (luma.astype(np.float64) - MIDDLE) + fine[[1, 3]]
    return np.clip(chroma * gain + offset, 0, 1).astype(np.float32)


def _sums(planes: Wide, axis: int) -> Wide:
    """Return sums over windows of one axis; the planes are mirrored at their first and last pixel."""
    beyond = [(0, 0)] * 3
    beyond[axis] = (RADIUS, RADIUS)
    wide, length = np.pad(planes, beyond, mode="reflect"), planes.shape[axis]
    return np.sum([np.take(wide, range(at, at + length), axis) for at in range(2 * RADIUS + 1)], axis=0)
