"""What pictures between surfaces and planes have in common: coding, chroma's places, resizing, dither.

Every step along an axis is written as a matrix, (samples out, samples in), so that all of them are applied alike.

References: ITU-R BT.601, BT.709, BT.2020 (kr, kb, limited range); ITU-T H.273 (full range, chroma sample locations);
CIE 15 and IEC 61966-2-1 (L*a*b*, transfer of sRGB).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.integer]
"""(H, W), as they are stored."""

Planes = npt.NDArray[np.floating]
"""(C, H, W)."""

Real = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How Y'CbCr is coded: code = span × number + zero.

    kr, kb : weights of red and blue in luma
    black, luma_span : code of luma 0; codes from 0 to 1
    neutral, chroma_span : code of chroma 0; codes from -0.5 to 0.5
    chroma_low, chroma_high : codes that chroma is kept between
    shift_x, shift_y : log2 of the chroma's subsampling
    siting : where chroma samples stand, (x, y): 0 beside the first of the luma samples that they are for, 0.5 in the
        middle, 1 beside the last
    """

    kr: float
    kb: float
    black: float
    luma_span: float
    neutral: float
    chroma_span: float
    chroma_low: float
    chroma_high: float
    shift_x: int = 0
    shift_y: int = 0
    siting: tuple[float, float] = (0.0, 0.5)

    @property
    def luma_weights(self) -> Real:
        """Weights of R', G', B' in Y'."""
        return np.array([self.kr, 1.0 - self.kr - self.kb, self.kb])

    @property
    def rgb_matrix(self) -> Real:
        """R', G', B' (rows) of Y', Cb, Cr (columns)."""
        red, blue = 2.0 - 2.0 * self.kr, 2.0 - 2.0 * self.kb
        _, kg, _ = self.luma_weights
        return np.array([[1, 0, red], [1, -blue * self.kb / kg, -red * self.kr / kg], [1, blue, 0]])


def clipped(values: npt.ArrayLike) -> Real:
    """Return numbers in [0, 1]; what is no number becomes 0."""
    return np.fmin(np.fmax(np.asarray(values, np.float64), 0.0), 1.0)


def along_axes(plane: npt.NDArray[np.floating], down: Real, across: Real) -> Real:
    """Return a plane (H, W) after matrices for its columns (h, H) and its rows (w, W): (h, w).

    What weighs nothing counts for nothing, even where it is no number.
    """
    rows = np.stack([_weighted(weights, plane) for weights in down])
    return np.stack([_weighted(weights, rows.T) for weights in across], axis=1)


def linear(places: npt.ArrayLike, size: int) -> Real:
    """Return the matrix that reads an axis at places, linear between samples, ends repeated."""
    at = np.clip(np.asarray(places, np.float64), 0, size - 1)
    low = at.astype(np.int64)
    matrix = np.zeros((len(at), size))
    lines = np.arange(len(at))
    np.add.at(matrix, (lines, low), 1 - (at - low))
    np.add.at(matrix, (lines, np.minimum(low + 1, size - 1)), at - low)
    return matrix


def resizing(size: int, out: int, *, area: bool) -> Real:
    """Return the matrix that resizes an axis: linear between pixel centres, or the mean over what a pixel covers."""
    if size == out:
        return np.eye(size)
    edges = np.arange(out + 1) * size / out
    if not area:
        return linear((edges[:-1] + edges[1:]) / 2 - 0.5, size)
    first, last = edges[:-1, None], edges[1:, None]
    pixels = np.arange(size)
    return np.maximum(np.minimum(last, pixels + 1) - np.maximum(first, pixels), 0.0) * out / size


def enlarging(size: int, shift: int, siting: float) -> Real:
    """Return the matrix that brings subsampled chroma to an axis of `size` luma samples."""
    factor = 1 << shift
    return linear((np.arange(size) - siting * (factor - 1)) / factor, -(-size >> shift))


def shrinking(size: int, shift: int, siting: float) -> Real:
    """Return the matrix that subsamples an axis of `size` luma samples.

    (1 2 1)/4 around a chroma sample that stands beside a luma sample, the mean of two for one in their middle.
    """
    if shift == 0:
        return np.eye(size)
    weights = (0.0, 0.5, 0.5) if siting == 0.5 else (0.25, 0.5, 0.25)
    samples = np.arange(-(-size >> shift))
    centres = np.minimum((samples << shift) + (siting > 0.5), size - 1)
    matrix = np.zeros((len(samples), size))
    for away, weight in zip((-1, 0, 1), weights, strict=True):
        np.add.at(matrix, (samples, np.clip(centres + away, 0, size - 1)), weight)
    return matrix


def half_to_chroma(size: int, shift: int, siting: float) -> Real:
    """Return the matrix from the half (rounded up) of `size` luma samples to chroma.

    Samples at half size stand in the middle of two luma samples.
    """
    samples = np.arange(-(-size >> shift))
    places = samples + (siting - 0.5) / 2 if shift else (samples - 0.5) / 2
    return linear(places, (size + 1) // 2)


def dither(height: int, width: int) -> Real:
    """Return Bayer's ordered dither of 8×8 (1973), in codes, strictly between -0.5 and 0.5."""
    ranks = np.zeros((1, 1))
    for _ in range(3):
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return np.resize(np.tile((ranks + 0.5) / 64 - 0.5, (1, -(-width // 8)))[:, :width], (height, width))


def coded(
    numbers: npt.NDArray[np.floating], span: float, zero: float, low: float, high: float, *, dithered: bool
) -> npt.NDArray[np.int64]:
    """Return the nearest codes of numbers (H, W), ties to even, from `low` to `high`; what is no number is `low`."""
    # in float32 and this order, as the kernels compute: where a rounding falls is part of what is to be shown
    pattern = dither(*numbers.shape).astype(np.float32) if dithered else np.float32(0)
    wanted = numbers.astype(np.float32) * np.float32(span) + pattern + np.float32(zero)
    return np.rint(np.fmin(np.fmax(wanted, np.float32(low)), np.float32(high))).astype(np.int64)


def _weighted(weights: Real, lines: npt.NDArray[np.floating]) -> Real:
    used = np.flatnonzero(weights)
    return weights[used] @ lines[used].astype(np.float64)
