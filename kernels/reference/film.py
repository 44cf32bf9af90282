"""Reference of film.cu: flicker, dust and scratches. Pictures are in 0..1."""

import numpy as np
import numpy.typing as npt

from kernels.reference.sampling import bilinear

Plane = npt.NDArray[np.floating]
Planes = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.float32]

CELL, WINDOW = 16, 2
"""Pixels to a side over which flicker is measured; cells to each side over which it is averaged."""

LIKENESS, DARK = 16.0, 0.02
"""1 / the difference at which a neighbour counts half; level below which a gain would be noise."""


def flicker_cells(window: Planes, middle: int) -> Numbers:
    """Return what flicker is made of, (2 (T - 1), H / 16, W / 16), whole cells only.

    Flicker changes whole regions. Of 4x4 pixels: by how much each neighbour is brighter than the frame in the middle,
    and how bright that is, both weighted by how alike they are; of each cell the mean of these. It is what
    `export.networks.film_restore.gain_of_neighbours` tells the built-in restorer.

    Parameters
    ----------
    window : (T, H, W), neighbours brought to the places of the one in the middle
    middle : its number
    """
    wide = window.astype(np.float64)
    change = _means(np.delete(wide, middle, 0) - wide[middle], 4)
    level = _means(wide[middle : middle + 1], 4)
    trust = 1 / (1 + (change * LIKENESS) ** 2)
    return np.concatenate([_means(trust * change, 4), _means(trust * level, 4)]).astype(np.float32)


def flicker_gain(cells: Numbers) -> Numbers:
    """Return (H / 16, W / 16): by what share the mean of all frames is brighter than the frame, from 5x5 cells."""
    count, (rows, columns) = len(cells) // 2, cells.shape[1:]
    gain = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            near = cells[:, max(row - WINDOW, 0) : row + WINDOW + 1, max(column - WINDOW, 0) : column + WINDOW + 1]
            brighter, level = np.split(near.astype(np.float64).mean((1, 2)), [count])
            gain[row, column] = (brighter / (level + DARK)).sum() / (count + 1)
    return gain.astype(np.float32)


def flicker_level(cells: Numbers) -> Numbers:
    """Return (1,): the same of the whole frame."""
    brighter, level = np.split(cells.astype(np.float64).mean((1, 2)), 2)
    return np.array([(brighter / (level + DARK)).sum() / (len(brighter) + 1)], np.float32)


def flicker_apply(picture: Planes, gain: Numbers, strength: float) -> Numbers:
    """Return `picture` (C, H, W) brightened by a share of a gain per cell, bilinear between their centres, in 0..1."""
    places = ((np.indices(picture.shape[1:]) + 0.5) / CELL - 0.5).astype(np.float32)
    share = bilinear(gain[None], places[1], places[0])[0]
    # np.fmin and np.fmax take the number where the other is NaN, as the kernel does
    return np.fmin(np.fmax(picture.astype(np.float32) * (1 + np.float32(strength) * share), 0), 1)


def film_dust(before: Plane, now: Plane, after: Plane, thresholds: tuple[float, float, float]) -> Numbers:
    """Return how surely each pixel is dust or dirt, float32 (H, W) in 0..1.

    Rank-ordered differences: Nadenau and Mitra, "Blotch and Scratch Detection in Image Sequences Based on Rank Ordered
    Differences", 1997; Kokaram, "Motion Picture Restoration", 1998. Six pixels, three of the column in each neighbour,
    are ordered; what counts is how far the frame's pixel lies beyond the outermost, the second and the third of them on
    its side of their median. The detector flags what passes a threshold; here 0 passes none, and 1 passes one twice.
    Lines one pixel high pass the third though nothing changed; so the pixel must also lie beyond the same place of both
    neighbours, by the first threshold and on one side (Kokaram's spike detection index SDIp).

    Parameters
    ----------
    before, after : neighbours in time, brought to the frame's places
    thresholds : rising, of a range of 1
    """
    ranks = [np.pad(plane.astype(np.float32), ((1, 1), (0, 0)), mode="edge") for plane in (before, after)]
    height = now.shape[0]
    ranked = np.sort([plane[k : k + height] for plane in ranks for k in range(3)], axis=0)
    here = now.astype(np.float32)
    above = here > np.float32(0.5) * (ranked[2] + ranked[3])
    beyond = np.where(above, here - ranked[:2:-1], ranked[:3] - here)
    score = np.fmax.reduce(beyond / np.array(thresholds, np.float32)[:, None, None])
    places = [plane.astype(np.float32) for plane in (before, after)]
    spike = np.fmin.reduce([np.where(above, here - place, place - here) for place in places])
    score = np.fmin(score, spike / np.float32(thresholds[0]))
    return np.fmin(np.fmax(score - 1, 0), 1)


def scratch_columns(picture: Plane, strip: int) -> Numbers:
    """Return the means of the columns of each strip of rows, float32 (strips, W); the last may be shorter."""
    wide = picture.astype(np.float64)
    return np.array([wide[top : top + strip].mean(0) for top in range(0, len(wide), strip)], np.float32)


def scratch_lines(means: Numbers, reach: int, threshold: float) -> Numbers:
    """Return how much of a line runs through each column of each strip, float32 (strips, W) in 0..1.

    A scratch stands out from the columns beside it over much of the height: Kokaram, "Detection and Removal of Line
    Scratches in Degraded Motion Picture Sequences", EUSIPCO 1996, compares column means with their own median across.
    Lines being all but vertical, strips vote where the paper has a Hough transform.

    Parameters
    ----------
    means : of `scratch_columns`
    reach : strips above and below that have a vote
    threshold : contrast of a whole vote, of a range of 1
    """
    near = np.pad(means, ((0, 0), (4, 4)), mode="edge")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(near, 9, axis=1), axis=-1)
    votes = np.clip((means - medians) / np.float32(threshold), -1, 1).astype(np.float64)
    return np.array(
        [abs(votes[max(strip - reach, 0) : strip + reach + 1].mean(0)) for strip in range(len(votes))], np.float32
    )


def _means(planes: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Return the means over squares of `side` pixels; what makes no whole square is left out."""
    rows, columns = planes.shape[1] // side, planes.shape[2] // side
    whole = planes[:, : rows * side, : columns * side]
    return whole.reshape(-1, rows, side, columns, side).mean((2, 4))
