"""Pillow's bilinear resize of 8-bit pictures, smoothing when it shrinks, in NumPy: some cases went through it."""

import numpy as np
import numpy.typing as npt

BITS = 22


def resize(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Resize uint8 (H, W, C) to (height, width, C): across first, rounded, then down.

    Where the height shrinks and the width grows it is done the other way round, as Pillow 13 does.
    """
    if height < image.shape[0] and width > image.shape[1]:
        return _along_rows(_along_rows(image, height).swapaxes(0, 1), width).swapaxes(0, 1)
    return _along_rows(_along_rows(image.swapaxes(0, 1), width).swapaxes(0, 1), height)


def _along_rows(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    if image.shape[0] == size:
        return image
    weights = (_weights(image.shape[0], size) * (1 << BITS) + 0.5).astype(np.int64)
    total = np.tensordot(weights, image.astype(np.int64), axes=1) + (1 << (BITS - 1))
    return np.clip(total >> BITS, 0, 255).astype(np.uint8)


def _weights(source: int, target: int) -> npt.NDArray[np.float64]:
    """Return (target, source) weights: a triangle as wide as a target pixel, at least one source pixel each way."""
    scale = source / target
    support = max(scale, 1.0)
    weights = np.zeros((target, source))
    for index in range(target):
        centre = (index + 0.5) * scale
        low, high = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), source)
        row = np.maximum(0.0, 1.0 - np.abs((np.arange(low, high) - centre + 0.5) / support))
        weights[index, low:high] = row / row.sum()
    return weights
