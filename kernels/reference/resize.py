"""Reference of resize.cu: every resize is a matrix for the rows and one for the columns."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import floor

import numpy as np
import numpy.typing as npt

from kernels.reference.sampling import cubic_weights

Planes = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
"""float64 (to, from): row i holds the weights of the pixels that make up pixel i."""


def resized(planes: Planes, height: int, width: int, weights: Callable[[int, int], Matrix]) -> Planes:
    """Return planes (C, h, w) as (C, height, width), float32; `weights` makes the matrix of an axis."""
    down, across = weights(planes.shape[1], height), weights(planes.shape[2], width)
    return (down @ planes.astype(np.float64) @ across.T).astype(np.float32)


@cache
def area(length: int, to: int) -> Matrix:
    """Return the matrix of the mean over what each pixel covers, `to` <= `length`."""
    made = np.zeros((to, length))
    for place in range(to):
        start, end = Fraction(place * length, to), Fraction((place + 1) * length, to)
        for source in range(floor(start), min(length, floor(end) + 1)):
            covered = min(end, source + 1) - max(start, source)
            made[place, source] = max(covered, 0) / (end - start)
    return made


@cache
def area_enlarge(length: int, to: int) -> Matrix:
    """Return the matrix of OpenCV's INTER_AREA where an axis grows: pixels that reach over a border are mixed."""
    made = np.zeros((to, length))
    for place in range(to):
        source = floor(Fraction(place * length, to))
        share = max(place + 1 - (source + 1) * Fraction(to, length), 0)
        made[place, source] += 1 - share
        made[place, min(source + 1, length - 1)] += share
    return made


@cache
def linear(length: int, to: int) -> Matrix:
    """Return the matrix of linear interpolation between pixel centres, edges repeated."""
    return _interpolating(length, to, 0, lambda share: np.array([1 - share, share]))


@cache
def cubic(length: int, to: int) -> Matrix:
    """Return the matrix of cubic convolution with a = -0.75, edges repeated."""
    return _interpolating(length, to, 1, cubic_weights)


@cache
def lanczos(length: int, to: int) -> Matrix:
    """Return the matrix of Lanczos interpolation with four lobes, weights divided by their sum, edges repeated."""

    def weights(share: float) -> Matrix:
        distance = share + 3 - np.arange(8)
        made = np.sinc(distance) * np.sinc(distance / 4)
        return made / made.sum()

    return _interpolating(length, to, 3, weights)


def _interpolating(length: int, to: int, before: int, weights: Callable[[float], Matrix]) -> Matrix:
    made = np.zeros((to, length))
    for place in range(to):
        at = Fraction((2 * place + 1) * length - to, 2 * to)
        for number, weight in enumerate(weights(float(at - floor(at)))):
            made[place, min(max(floor(at) - before + number, 0), length - 1)] += weight
    return made


def resize_area(picture: Planes, height: int, width: int) -> Planes:
    """Shrink by the mean over the area that each pixel covers."""
    return resized(picture, height, width, area)


def resize_area_enlarge(picture: Planes, height: int, width: int) -> Planes:
    """Resize as OpenCV's INTER_AREA does where either axis grows."""
    return resized(picture, height, width, area_enlarge)


def resize_bilinear(picture: Planes, height: int, width: int) -> Planes:
    """Resize linearly."""
    return resized(picture, height, width, linear)


def resize_bicubic(picture: Planes, height: int, width: int) -> Planes:
    """Resize by cubic convolution; overshoots at edges."""
    return resized(picture, height, width, cubic)


def resize_lanczos_across(picture: Planes, width: int) -> Planes:
    """Resize columns by Lanczos with four lobes; overshoots at edges."""
    return resized(picture, picture.shape[1], width, lanczos)


def resize_lanczos_down(picture: Planes, height: int) -> Planes:
    """Resize rows by Lanczos with four lobes; overshoots at edges."""
    return resized(picture, height, picture.shape[2], lanczos)
