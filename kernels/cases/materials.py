"""What cases are made of."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.catalogue import Element

SENTINEL = 0.3125
"""What memory holds before a kernel writes; exact in half precision."""


def picture(seed: int, shape: tuple[int, ...], element: Element) -> npt.NDArray[Any]:
    """Return smooth noise in [0, 1] with both ends of the range in it, of the element's type."""
    rng = np.random.default_rng(seed)
    values = rng.random(shape, np.float32)
    values = (values + np.roll(values, 1, -1) + np.roll(values, 1, -2)) / 3
    values.reshape(-1)[0] = 0.0
    values.reshape(-1)[-1] = 1.0
    return values.astype(element)


def padded(planes: npt.NDArray[Any], pitch: int, rows: int, fill: float = SENTINEL) -> npt.NDArray[Any]:
    """Return (C, H, W) in the corner of (C, rows, pitch), the rest filled."""
    out = np.full((planes.shape[0], rows, pitch), fill, planes.dtype)
    out[:, : planes.shape[1], : planes.shape[2]] = planes
    return out


def half_step(element: Element, largest: float = 1.0) -> float:
    """Return how far apart two numbers may be stored that lie closer than any two that the element tells apart.

    That is one step: from the lower of two neighbours, which is at most `largest`, to the next. A rounding that falls
    the other way on a GPU is never more, and a sum kept in half precision is. 0 for float32.
    """
    return float(np.spacing(np.float16(largest))) if element == "float16" else 0.0
