"""Reads planes between pixels."""

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]


def bilinear(planes: Planes, x: Planes, y: Planes) -> Planes:
    """Return `planes` (C, H, W) at places `x`, `y` (any shape S): (C, *S), float32.

    Pixel centres lie at whole numbers; beyond the edge the edge is repeated; NaN reads pixel 0.
    """
    height, width = planes.shape[1:]
    # np.fmin and np.fmax take the number where the other is NaN, as fminf and fmaxf do
    x = np.fmin(np.fmax(x, 0), width - 1).astype(np.float32)
    y = np.fmin(np.fmax(y, 0), height - 1).astype(np.float32)
    left, top = x.astype(np.int32), y.astype(np.int32)
    share_x, share_y = x - left.astype(np.float32), y - top.astype(np.float32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    wide = planes.astype(np.float32)
    upper = wide[:, top, left] + (wide[:, top, right] - wide[:, top, left]) * share_x
    lower = wide[:, bottom, left] + (wide[:, bottom, right] - wide[:, bottom, left]) * share_x
    return (upper + (lower - upper) * share_y).astype(np.float32)


def cubic_weights(share: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the weights, float64 (4, *S), of the pixels around places `share` of a pixel beyond the second of them.

    Cubic convolution with a = -0.75, as OpenCV has it (R. Keys, "Cubic convolution interpolation for digital image
    processing", 1981, recommends -0.5).
    """
    a, at = -0.75, np.asarray(share, np.float64)
    distance = np.abs(np.stack([at + 1, at, at - 1, at - 2]))
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, far)


def bicubic(planes: Planes, x: Planes, y: Planes) -> Planes:
    """Return `planes` (C, H, W) at places `x`, `y` (any shape S): (C, *S), float32; edges and NaN as for `bilinear`."""
    height, width = planes.shape[1:]
    wide_x = np.fmin(np.fmax(x, -2), width + 1).astype(np.float64)  # further out all four pixels are the edge
    wide_y = np.fmin(np.fmax(y, -2), height + 1).astype(np.float64)
    left, top = np.floor(wide_x), np.floor(wide_y)
    across, down = cubic_weights(wide_x - left), cubic_weights(wide_y - top)
    total = np.zeros((planes.shape[0], *x.shape))
    for i in range(4):
        row = np.clip(top.astype(np.int64) - 1 + i, 0, height - 1)
        for j in range(4):
            column = np.clip(left.astype(np.int64) - 1 + j, 0, width - 1)
            total += planes[:, row, column] * (down[i] * across[j])
    return total.astype(np.float32)
