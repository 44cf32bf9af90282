"""Reference of warp.cu."""

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import linear, resized
from kernels.reference.sampling import bicubic, bilinear

Planes = npt.NDArray[np.float32]

LEAST_SEEN = 1e-3
"""What a place that is not seen counts; lets the time decide where both pictures hide it."""

WAY_SHARE, WAY_PIXELS = 0.1, 4.0
"""Square of the distance by which there and back miss at which a place is seen by 1/e: this share of both ways'
squares, and these pixels squared."""


def warp_bilinear(picture: Planes, flow: Planes) -> Planes:
    """Return `picture` (C, H, W) carried along `flow` (2, H, W; x, y in pixels): out(x, y) = picture((x, y) + flow)."""
    rows, columns = np.indices(picture.shape[1:], np.float32)
    return bilinear(picture, columns + flow[0], rows + flow[1])


def warp_bicubic(picture: Planes, flow: Planes) -> Planes:
    """Return the same, bicubic; overshoots at edges."""
    rows, columns = np.indices(picture.shape[1:], np.float32)
    return bicubic(picture, columns + flow[0], rows + flow[1])


def warp_blend(first: Planes, second: Planes, flow: Planes, mask: Planes, cell: int, reduction: int) -> Planes:
    """Return the picture between two: at full size bicubic, clipped to [0, 1], smaller planes bilinear.

    Parameters
    ----------
    first, second : (C, H, W)
    flow : (4, h, w), full-size pixels, x and y to the first picture, x and y to the second
    mask : (1, h, w), weight of the first
    cell : full-size pixels per value of flow and mask, across and down
    reduction : full-size pixels per pixel of the planes
    """
    motion, weight = _motion(flow, first, cell, reduction), _on_picture(mask, first, cell, reduction)
    return _blended(first, second, motion, weight, reduction)


def warp_blend_seen(
    first: Planes, second: Planes, flow: Planes, seen: Planes, timestep: float, cell: int, reduction: int
) -> Planes:
    """Return the picture at `timestep` of the way from `first` to `second`, of what is to be seen in each.

    Parameters are as for `warp_blend`; `seen` (2, h, w) in [0, 1] tells of each place whether the first and the second
    picture show it.
    """
    earlier, later = _on_picture(seen, first, cell, reduction) + LEAST_SEEN
    weight = (1 - timestep) * earlier / ((1 - timestep) * earlier + timestep * later)
    motion = _motion(flow, first, cell, reduction)
    return _blended(first, second, motion, weight, reduction)


def _blended(first: Planes, second: Planes, motion: Planes, weight: Planes, reduction: int) -> Planes:
    carry = warp_bicubic if reduction == 1 else warp_bilinear
    before, after = carry(first, motion[:2]), carry(second, motion[2:])
    mixed = after + (before - after) * weight
    return (np.clip(mixed, 0, 1) if reduction == 1 else mixed).astype(np.float32)


def flow_seen(there: Planes, back: Planes) -> Planes:
    """Return how far each place is to be seen at the end of its way, (1, H, W) in [0, 1].

    From whether the ways `there` and `back` (2, H, W) meet: N. Sundaram, T. Brox and K. Keutzer, "Dense Point
    Trajectories", ECCV 2010. Zero outside the picture, within its last pixel in proportion, and where the way is NaN.
    """
    height, width = there.shape[1:]
    rows, columns = np.indices((height, width), np.float32)
    x, y = columns + there[0], rows + there[1]
    returned = bilinear(back, x, y)
    with np.errstate(invalid="ignore", over="ignore"):
        length = (there**2 + returned**2).sum(axis=0)
        trust = np.exp(-((there + returned) ** 2).sum(axis=0) / (WAY_SHARE * length + WAY_PIXELS))
        inside = np.clip(np.fmin(x + 1, width - x), 0, 1) * np.clip(np.fmin(y + 1, height - y), 0, 1)
    return np.where(np.nan_to_num(inside) > 0, trust * inside, 0)[None].astype(np.float32)


def _motion(flow: Planes, picture: Planes, cell: int, reduction: int) -> Planes:
    """Return a flow for each pixel of a picture, in its pixels."""
    return (_on_picture(flow, picture, cell, reduction) / reduction).astype(np.float32)


def _on_picture(grid: Planes, picture: Planes, cell: int, reduction: int) -> Planes:
    """Return values on a grid (n, h, w) for each pixel of a picture (C, H, W), linearly; it may reach beyond."""
    rows, columns = (-(-length * cell // reduction) for length in grid.shape[1:])
    return resized(grid, rows, columns, linear)[:, : picture.shape[1], : picture.shape[2]]
