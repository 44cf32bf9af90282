"""Reference of carry.cu."""

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import linear, resized
from kernels.reference.sampling import bilinear

Planes = npt.NDArray[np.float32]

MISFIT = 0.03
"""Difference of luma, in the mean of a window, at which trust has fallen to 1/e."""
WINDOW = 2
"""Pixels to each side over which the difference is averaged."""
FIRM = 0.01
"""Trust from which what is sure stays so."""


def luma_change(luma: Planes, before: Planes, flow: Planes, block: tuple[int, int]) -> tuple[Planes, Planes]:
    """Return luma's (1, H, W) difference along the flow to the picture before, and its sums over blocks.

    Parameters
    ----------
    block : width and height of the blocks whose sums are returned, row by row
    """
    change = luma.astype(np.float64) - _moved(before, flow)
    height, width = change.shape[1:]
    rows, columns = range(0, height, block[1]), range(0, width, block[0])
    sums = [change[:, y : y + block[1], x : x + block[0]].sum() for y in rows for x in columns]
    return change.astype(np.float32), np.array(sums, np.float32)


def mean_change(sums: Planes, pixels: int) -> Planes:
    """Return the mean (1,) of `pixels` numbers whose partial sums there are."""
    return np.array([sums.astype(np.float64).sum() / pixels], np.float32)


def carry_trust(
    change: Planes, mean: float, seen: Planes, sure_before: Planes, sure_already: Planes, flow: Planes, strength: float
) -> tuple[Planes, Planes]:
    """Return the weight of what is carried, and how far all is sure by now, (1, H, W) each; parameters alike."""
    height, width = change.shape[1:]
    steady = np.pad(change[0].astype(np.float64) - mean, WINDOW, mode="reflect")
    side = range(2 * WINDOW + 1)
    total = np.sum([steady[y : y + height, x : x + width] for y in side for x in side], axis=0)
    trust = seen * np.exp(-((total / len(side) ** 2 / MISFIT) ** 2))
    sure = np.minimum(trust, FIRM) / FIRM * _moved(sure_before, flow)
    weight = np.maximum(trust * strength, sure)
    return weight.astype(np.float32), np.maximum(sure, sure_already).astype(np.float32)


def carry_chroma(before: Planes, now: Planes, flow: Planes, trust: Planes) -> Planes:
    """Return chroma `now` (C, H, W) mixed by `trust` (1, h, w) with `before` along `flow` (2, h, w, its own pixels)."""
    height, width = now.shape[1:]
    scale = np.array([width / flow.shape[2], height / flow.shape[1]])[:, None, None]
    fine = (resized(flow, height, width, linear) * scale).astype(np.float32)
    now = now.astype(np.float32)
    return (now + (_moved(before, fine) - now) * resized(trust, height, width, linear)).astype(np.float32)


def _moved(planes: Planes, flow: Planes) -> Planes:
    rows, columns = np.indices(planes.shape[1:], np.float32)
    return bilinear(planes, columns + flow[0], rows + flow[1])
