"""Reference of motion.cu: motion between two pictures for every pixel, by dense inverse search.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016. Patches of one picture
are looked for in the other; what they find is spread over the pixels that they cover, and refined (`refine.py`).
Flows are float32 (2, H, W), x and y, in pixels: ``origin`` at p looks like ``goal`` at p + flow(p). Pictures are
(H, W) in 0..1. Unlike in the paper, patches try what their neighbours begin with too, and a step that makes a patch
worse is halved rather than taken; patches need not be visited in order for that.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.reference.refine import refine
from kernels.reference.resize import area, linear, resized
from kernels.reference.sampling import bilinear

Plane = npt.NDArray[np.float32]
Flow = npt.NDArray[np.float32]

PATCH, STRIDE = 8, 4
"""Side of a patch, and pixels from one to the next."""

FLAT = np.float32(6.4e-4)
"""Added to a patch's sums of squared slopes, so that what is flat stays where it is thought to be."""

CODE = np.float32(1 / 255)
"""Photometric error below which patches weigh alike."""

NEIGHBOURS = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
"""Rows and columns to the patches whose beginnings a patch tries, in order."""

FINEST, ROUNDS, STEPS = 2, 2, 4
"""Of a pyramid by halves, the level at which the search ends; searches on each level, and Newton steps of one."""


def patch_grid(height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of patches in a picture of at least `PATCH` pixels each way."""
    return (height - PATCH) // STRIDE + 1, (width - PATCH) // STRIDE + 1


def motion_smooth(picture: Plane) -> Plane:
    """Return a picture less its grain: the binomial mean of 5x5 pixels, mirrored at the edges."""
    padded = np.pad(picture.astype(np.float64), 2, mode="reflect")
    height, width = picture.shape
    weights = np.array([1, 4, 6, 4, 1]) / 16
    lines = np.sum([weight * padded[:, k : k + width] for k, weight in enumerate(weights)], axis=0)
    return np.sum([weight * lines[k : k + height] for k, weight in enumerate(weights)], axis=0).astype(np.float32)


def motion_start(coarse: Flow, height: int, width: int) -> Flow:
    """Return the motion (2, rows, columns) at the patches' centres of a level of that size, from a coarser one's."""
    rows, columns = patch_grid(height, width)
    down, across = np.float32(coarse.shape[1] / height), np.float32(coarse.shape[2] / width)
    row, column = np.indices((rows, columns))
    x = (column * STRIDE + PATCH // 2).astype(np.float32) * across - np.float32(0.5)
    y = (row * STRIDE + PATCH // 2).astype(np.float32) * down - np.float32(0.5)
    return bilinear(coarse, x, y) / np.array([across, down])[:, None, None]


def sobel(plane: Plane) -> tuple[Plane, Plane]:
    """Return how a plane changes per pixel in x and in y, by Sobel's operator; beyond the edge the edge is repeated."""
    p = np.pad(plane, 1, mode="edge")
    right, left = (p[:-2, k:][:, :w] + 2 * p[1:-1, k:][:, :w] + p[2:, k:][:, :w] for k, w in _both(plane.shape[1]))
    lower, upper = (p[k:, :-2][:h] + 2 * p[k:, 1:-1][:h] + p[k:, 2:][:h] for k, h in _both(plane.shape[0]))
    return ((right - left) / 8).astype(np.float32), ((lower - upper) / 8).astype(np.float32)


def _both(size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (2, size), (0, size)


def motion_search(origin: Plane, goal: Plane, start: Flow, steps: int) -> Flow:
    """Return where each patch of `origin` lies in `goal`.

    Minimised is the squared difference of the patch, less its mean: flicker is no motion. The patch's slopes, and so
    the normal equations of Newton's step, are those of `origin` (inverse compositional: they never change).

    Parameters
    ----------
    start : float32 (2, rows, columns), where patches are thought to lie
    steps : Newton steps
    """
    height, width = origin.shape
    rows, columns = patch_grid(height, width)
    row, column = (places[..., None, None] for places in np.indices((rows, columns)))
    y, x = np.broadcast_arrays(
        row * STRIDE + np.arange(PATCH)[:, None], column * STRIDE + np.arange(PATCH)
    )  # (rows, columns, PATCH, PATCH) each
    seen = origin.astype(np.float32)[y, x]
    slope_x, slope_y = (slope[y, x] for slope in sobel(origin.astype(np.float32)))
    pixels = np.float32(PATCH * PATCH)
    slope_x = slope_x - (_patch_sum(slope_x) / pixels)[..., None, None]
    slope_y = slope_y - (_patch_sum(slope_y) / pixels)[..., None, None]
    xx, yy = _patch_sum(slope_x * slope_x) + FLAT, _patch_sum(slope_y * slope_y) + FLAT
    xy = _patch_sum(slope_x * slope_y)
    determinant = xx * yy - xy * xy

    best = start.copy()
    step = np.zeros_like(start)
    least = np.full((rows, columns), np.inf, np.float32)
    near = np.pad(start, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for turn in range(len(NEIGHBOURS) + steps):
        is_step = turn >= len(NEIGHBOURS)
        if is_step:
            tried = best + step
        else:
            down, across = NEIGHBOURS[turn]
            tried = near[:, 1 + down : 1 + down + rows, 1 + across : 1 + across + columns]
        to_x = x.astype(np.float32) + tried[0][..., None, None]
        apart = bilinear(goal[None], to_x, y.astype(np.float32) + tried[1][..., None, None])[0] - seen
        mean = _patch_sum(apart)
        error = _patch_sum(apart * apart) - mean * mean / pixels
        along_x, along_y = _patch_sum(apart * slope_x), _patch_sum(apart * slope_y)
        newton = np.stack([xy * along_y - yy * along_x, xy * along_x - xx * along_y]) / determinant
        is_better = error < least
        step = np.where(is_better, newton, step / 2 if is_step else step)
        best, least = np.where(is_better, tried, best), np.where(is_better, error, least)
    return best.astype(np.float32)


def _patch_sum(values: npt.NDArray[Any]) -> Plane:
    """Return sums over the last two axes, float32, in the order in which the kernel adds: along rows, then down."""
    across = np.add.accumulate(values, axis=-1, dtype=np.float32)[..., -1]
    return np.add.accumulate(across, axis=-1, dtype=np.float32)[..., -1]


def motion_densify(origin: Plane, goal: Plane, found: Flow) -> Flow:
    """Return the motion of every pixel: the mean of the patches that cover it, by how well they explain this pixel.

    What no patch covers, at the lower and right edge, follows the last one.
    """
    height, width = origin.shape
    rows, columns = patch_grid(height, width)
    y, x = np.indices((height, width))
    total, weights = np.zeros((2, height, width), np.float32), np.zeros((height, width), np.float32)
    last_row, last_column = np.minimum(y // STRIDE, rows - 1), np.minimum(x // STRIDE, columns - 1)
    first_row = np.minimum(np.maximum(y - PATCH + STRIDE, 0) // STRIDE, last_row)
    first_column = np.minimum(np.maximum(x - PATCH + STRIDE, 0) // STRIDE, last_column)
    for down in range(PATCH // STRIDE):
        for across in range(PATCH // STRIDE):
            row, column = first_row + down, first_column + across
            covers = (row <= last_row) & (column <= last_column)
            move = found[:, np.minimum(row, rows - 1), np.minimum(column, columns - 1)]
            apart = bilinear(goal[None], x.astype(np.float32) + move[0], y.astype(np.float32) + move[1])[0] - origin
            weight = np.where(covers, CODE / np.fmax(np.abs(apart), CODE), 0).astype(np.float32)
            weights += weight
            total += weight * move
    return total / weights


def motion_enlarge(flow: Flow, height: int, width: int) -> Flow:
    """Return a flow in the pixels of another size, bilinear between pixel centres."""
    times = np.array([width / flow.shape[2], height / flow.shape[1]], np.float32)
    return resized(flow, height, width, linear) * times[:, None, None]


def motion_compose(way: Flow, step: Flow) -> Flow:
    """Return a way lengthened by a step that begins where it ends."""
    rows, columns = np.indices(way.shape[1:], np.float32)
    return way + bilinear(step, columns + way[0], rows + way[1])


def level_sizes(height: int, width: int, finest: int = FINEST) -> list[tuple[int, int]]:
    """Return the sizes of the levels that are searched for motion between pictures of a size, finest first.

    The coarsest has four patches across its longer side, or one across the shorter, as in OpenCV's DIS.
    """
    longer, shorter = max(height, width) / (4 * PATCH), min(height, width) / PATCH
    coarsest = max(0, min(round(math.log2(longer)), int(math.log2(shorter))))
    return [(max(height >> k, PATCH), max(width >> k, PATCH)) for k in range(min(finest, coarsest), coarsest + 1)]


def find_motion(
    origin: Plane, goal: Plane, height: int, width: int, finest: int = FINEST, *, is_grainy: bool = False
) -> Flow:
    """Return the motion from one picture to another: all launches, in order.

    Beside OpenCV's DIS as `engine.stages.dense_motion` calls it, on 120 pairs of 480x360 (two made pictures and eight
    photographs, shifted, zoomed, turned, half of them with grain of 0.03), the mean error of the motion is 0.44 pixels
    instead of 0.60, and the picture warped along it 0.57 dB nearer; with a finest level of 1, 0.19 pixels and 3.2 dB.
    On 28 pairs of neighbours in film and video, where only the warped picture can be measured, 0.03 and 1.7 dB.
    Without the refinement it is 1.9 dB worse than DIS (48 of the pairs).

    Parameters
    ----------
    origin, goal : of full size
    height, width : of the flow that is returned, in whose pixels it is; at least `PATCH`, at most the pictures' own
    finest : level, by halves of that size, where the search ends
    is_grainy : smooth pictures of that size before the search
    """
    if is_grainy:
        origin, goal = (motion_smooth(plane) for plane in resized(np.stack([origin, goal]), height, width, area))
    sizes = level_sizes(height, width, finest)
    levels = [resized(np.stack([origin, goal]), *sizes[0], area)]
    for size in sizes[1:]:
        levels.append(resized(levels[-1], *size, area))
    flow: Flow | None = None
    for (rows, columns), (first, second) in zip(sizes[::-1], levels[::-1], strict=True):
        if flow is None:
            found = np.zeros((2, *patch_grid(rows, columns)), np.float32)
        else:
            found = motion_start(flow, rows, columns)
        for _ in range(ROUNDS):
            found = motion_search(first, second, found, STEPS)
        flow = refine(first, second, motion_densify(first, second, found))
    assert flow is not None
    return motion_enlarge(flow, height, width)
