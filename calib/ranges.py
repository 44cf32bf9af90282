"""Which range of a tensor's values 8 bits should span, from a histogram that grows with the values and not with frames.

A histogram has `BINS` bins over [-reach, reach). A value beyond doubles the reach until it fits, and pairs of bins are
joined; so one pass over the frames suffices, and its memory is that of the bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from calib.graph import Range, Scheme, step_of
from calib.onnx_tools import Values
from engine.errors import CalibrationError

Method = Literal["minmax", "percentile", "entropy", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)

BINS = 4096
"""Even, so that zero is always a bin's edge."""

PERCENTILE = 99.99
"""Of the values that lie within the range, per cent; half of the rest is clamped on each side."""

CANDIDATES = 64
"""Ranges that are tried between an eighth of the largest value and all of it."""

SMALLEST_SHARE = 1 / 8

Counts = npt.NDArray[np.float64]


@dataclass(slots=True)
class Histogram:
    """How often a tensor's values fell where.

    reach : the bins lie evenly over [-reach, reach)
    counts : float64 (BINS,)
    low, high : the smallest and the largest value
    """

    reach: float = 2.0**-10
    counts: Counts = field(default_factory=lambda: np.zeros(BINS))
    low: float = np.inf
    high: float = -np.inf

    @property
    def total(self) -> float:
        """Values counted."""
        return float(self.counts.sum())

    def add(self, values: Values, name: str) -> None:
        """Count the values of one run; `name` is of the tensor, for messages.

        Raises
        ------
        CalibrationError
            A value is infinite or not a number.
        """
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise CalibrationError(
                f"tensor {name}: holds values that are not finite; the model cannot be calibrated on this footage"
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        while self.reach <= max(-low, high):
            self.double()
        flat = np.ascontiguousarray(values, np.float32).reshape(1, -1)
        edge = float(np.nextafter(np.float32(self.reach), np.float32(np.inf)))
        found = cv2.calcHist([flat], [0], None, [BINS], [-self.reach, edge])
        self.counts += np.asarray(found, np.float64).ravel()

    def double(self) -> None:
        """Reach twice as far."""
        half = BINS // 2
        joined = self.counts.reshape(half, 2).sum(axis=1)
        self.counts = np.zeros(BINS)
        self.counts[half // 2 : half // 2 + half] = joined
        self.reach *= 2

    @property
    def centres(self) -> Counts:
        """Return the values that the bins stand for, float64 (BINS,)."""
        width = 2 * self.reach / BINS
        return np.asarray(-self.reach + width * (np.arange(BINS) + 0.5), np.float64)


def choose(histogram: Histogram, method: Method, scheme: Scheme) -> Range:
    """Return the range that a method finds best for a scheme.

    Raises
    ------
    CalibrationError
        Nothing was counted.
    """
    if histogram.total == 0:
        raise CalibrationError("a tensor has no values; give footage that reaches the model")
    whole = Range(low=histogram.low, high=histogram.high)
    if method == "minmax" or whole.high - whole.low <= 0:
        return whole
    if method == "percentile":
        return _percentile(histogram, whole)
    tried = [_shrunk(whole, share) for share in np.linspace(1.0, SMALLEST_SHARE, CANDIDATES)]
    cost = _divergence if method == "entropy" else _squared_error
    return min(tried, key=lambda candidate: cost(histogram, candidate, scheme))


def choose_all(histograms: Mapping[str, Histogram], methods: Mapping[str, Method], scheme: Scheme) -> dict[str, Range]:
    """Return the range of every tensor, each by its own method."""
    return {name: choose(histogram, methods[name], scheme) for name, histogram in histograms.items()}


def _percentile(histogram: Histogram, whole: Range) -> Range:
    below = np.cumsum(histogram.counts) / histogram.total
    tail = (1 - PERCENTILE / 100) / 2
    width = 2 * histogram.reach / BINS
    low = -histogram.reach + width * int(np.searchsorted(below, tail))
    high = -histogram.reach + width * (int(np.searchsorted(below, 1 - tail)) + 1)
    return Range(low=max(low, whole.low), high=min(high, whole.high))


def _shrunk(whole: Range, share: float) -> Range:
    """Return the range with its larger side cut to a share, and the other no larger than that."""
    largest = max(-whole.low, whole.high) * float(share)
    return Range(low=max(whole.low, -largest), high=min(whole.high, largest))


def _quantized(histogram: Histogram, found: Range, scheme: Scheme) -> Counts:
    """Return what each bin's value becomes."""
    step = step_of(found, scheme)
    stored = np.clip(np.rint(histogram.centres / step.scale) + step.zero, scheme.lowest, scheme.highest)
    return (stored - step.zero) * step.scale


def _squared_error(histogram: Histogram, found: Range, scheme: Scheme) -> float:
    """Return the mean squared difference that quantization makes."""
    difference = _quantized(histogram, found, scheme) - histogram.centres
    return float((histogram.counts * difference * difference).sum() / histogram.total)


def _divergence(histogram: Histogram, found: Range, scheme: Scheme) -> float:
    """Return the Kullback-Leibler divergence of the quantized values' distribution from the clamped one.

    As in Migacz, "8-bit Inference with TensorRT" (GTC 2017): each level's counts are spread evenly over those of its
    bins that are not empty; what lies outside the range is counted at its ends.
    """
    step = step_of(found, scheme)
    levels = np.clip(np.rint(histogram.centres / step.scale) + step.zero, scheme.lowest, scheme.highest)
    inside = (histogram.centres >= found.low) & (histogram.centres <= found.high)
    if not inside.any():
        return float("inf")
    positions = np.flatnonzero(inside)
    first, last = int(positions[0]), int(positions[-1])
    clamped = histogram.counts[first : last + 1].copy()
    spread_from = clamped.copy()
    clamped[0] += histogram.counts[:first].sum()
    clamped[-1] += histogram.counts[last + 1 :].sum()
    ids = (levels[first : last + 1] - scheme.lowest).astype(np.int64)
    filled = spread_from > 0
    size = int(scheme.highest - scheme.lowest) + 1
    sums = np.bincount(ids, weights=spread_from, minlength=size)
    bins = np.bincount(ids, weights=filled.astype(np.float64), minlength=size)
    spread = np.where(filled, (sums / np.maximum(bins, 1))[ids], 0.0)
    p, q = clamped / clamped.sum(), spread / max(spread.sum(), 1e-30)
    some = p > 0
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-12))).sum())
