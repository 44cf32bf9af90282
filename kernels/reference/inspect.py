"""Reference of inspect.cu: the numbers by which engine/stages judges repeats and cuts.

Planes are (H, W) in 0..1. `engine.stages.repeats` and `engine.stages.cuts` say why these numbers; the likeness is the
normalised correlation of J. P. Lewis, "Fast Normalized Cross-Correlation", 1995, block by block.
"""

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import area

Plane = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.float32]

BLOCK_ROWS, BLOCK_COLUMNS = 12, 16
"""Blocks in which the largest local difference is looked for."""

LOOK_SIZE, EDGE, SIDE, REACH = (56, 72), 4, 16, 8
"""Size of the pictures compared for cuts; of these: where no block begins, a block's side, how far it moves."""

TEXTURE_CAP = 0.08
"""Deviation of a block from which its weight grows no more."""


def inspect_thin(picture: Plane, step: int) -> Plane:
    """Return every `step`-th pixel of every `step`-th row."""
    return picture[::step, ::step]


def inspect_blocks(first: Plane, second: Plane, level: float) -> Numbers:
    """Return (2, 192): of each block the mean of abs(second - first - level), and the mean of second - first."""
    change = second.astype(np.float64) - first
    down, across = area(change.shape[0], BLOCK_ROWS), area(change.shape[1], BLOCK_COLUMNS)
    return np.stack([(down @ values @ across.T).ravel() for values in (np.abs(change - level), change)]).astype(
        np.float32
    )


def inspect_difference(blocks: Numbers) -> Numbers:
    """Return of these blocks: the mean and the largest absolute difference, and the mean difference."""
    wide = blocks.astype(np.float64)
    return np.array([wide[0].mean(), wide[0].max(), wide[1].mean()], np.float32)


def difference(first: Plane, second: Plane) -> tuple[float, float, float, float]:
    """Return mean, peak, steady mean and steady peak, in that order those of `engine.stages.repeats.Difference`.

    The launches: blocks and difference with a level of zero, then both again with the level found.
    """
    mean, peak, level = inspect_difference(inspect_blocks(first, second, 0.0))
    steady_mean, steady_peak, _ = inspect_difference(inspect_blocks(first, second, level))
    return float(mean), float(peak), float(steady_mean), float(steady_peak)


def inspect_spread(first: Plane, second: Plane) -> Numbers:
    """Return of two pictures of `LOOK_SIZE`: their mean absolute difference, and the standard deviation of each."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    return np.array([np.abs(one - other).mean(), one.std(), other.std()], np.float32)


def inspect_parts(first: Plane, second: Plane, spread: Numbers) -> Numbers:
    """Return (2, 12): the weight of each block of the picture with more texture, and that times its best correlation.

    The correlation is looked for in the other picture, within `REACH` of the block's place and inside the picture, and
    counts from 0; where the other is flat it is 0.
    """
    taken, field = (first, second) if spread[1] >= spread[2] else (second, first)
    taken, field = taken.astype(np.float64), field.astype(np.float64)
    rows, columns = LOOK_SIZE
    parts: list[tuple[float, float]] = []
    for top in range(EDGE, rows - EDGE, SIDE):
        for left in range(EDGE, columns - EDGE, SIDE):
            block = taken[top : top + SIDE, left : left + SIDE]
            near = field[max(0, top - REACH) : top + SIDE + REACH, max(0, left - REACH) : left + SIDE + REACH]
            windows = np.lib.stride_tricks.sliding_window_view(near, (SIDE, SIDE))
            away = windows - windows.mean((2, 3), keepdims=True)
            norm = np.sqrt((away**2).sum((2, 3)) * ((block - block.mean()) ** 2).sum())
            product = (away * (block - block.mean())).sum((2, 3))
            correlation = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
            weight = min(float(block.std()), TEXTURE_CAP)
            parts.append((weight, weight * float(np.clip(correlation.max(), 0, 1))))
    return np.array(parts, np.float32).T


def inspect_likeness(parts: Numbers) -> Numbers:
    """Return (1,): how far one picture continues the other, 0 to 1."""
    weights, weighted = parts.astype(np.float64).sum(1)
    return np.array([weighted / weights if weights > 0 else 0.0], np.float32)


def likeness(first: Plane, second: Plane) -> tuple[float, float, float, float]:
    """Return what `engine.stages.cuts.likeness_of` decides by: difference, both deviations, likeness."""
    spread = inspect_spread(first, second)
    (matched,) = inspect_likeness(inspect_parts(first, second, spread))
    return float(spread[0]), float(spread[1]), float(spread[2]), float(matched)
