"""Whether a frame shows the picture before it again: exactly, or but for the noise of a codec.

Frames differ by motion, grain and flicker; copies differ by what the encoder made of them. How much that is depends on
the film, so a difference is judged beside those of the frames around it: grain that moves is never a copy, and a copy
that a key frame redrew is one only where the film's cadence expects it.
"""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engine.stages.luma import Plane

BLOCKS = (12, 16)
"""Rows and columns in which the largest local difference is looked for: lips may move where nothing else does."""

SAME_MEAN, SAME_PEAK = 0.0012, 0.006
"""Differences, of a range of 1, up to which pictures are the same whatever the film is like: a third of an 8-bit code
on average, one and a half in the worst block."""

DIP_MEAN, DIP_PEAK = 0.25, 0.45
"""Parts of the usual differences below which a frame between others that do move is a copy."""

EXPECTED_MEAN, EXPECTED_PEAK = 0.7, 0.85
"""The same where the cadence expects a copy: key frames redraw copies at half of the usual differences."""

USUAL_OVER = 7
"""New frames of the shot over whose differences the usual is the median."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two pictures, of a range of 1.

    mean : over the picture
    peak : mean over the block where it is largest
    steady_mean, steady_peak : the same after the brightness of the whole picture was made equal
    """

    mean: float
    peak: float
    steady_mean: float
    steady_peak: float

    def is_within(self, mean: float, peak: float) -> bool:
        """Say whether neither mean nor peak is larger."""
        return self.mean <= mean and self.peak <= peak


class DifferenceMeter:
    """Scratch for comparing planes of one size."""

    def __init__(self, height: int, width: int) -> None:
        self._change = np.empty((height, width), np.float32)
        self._absolute = np.empty((height, width), np.float32)
        self._blocks = np.empty(BLOCKS, np.float32)

    def compare(self, first: Plane, second: Plane) -> Difference:
        """Return the difference of two planes."""
        cv2.subtract(second, first, dst=self._change)
        mean, peak = self._measure()
        np.subtract(self._change, cv2.mean(self._change)[0], out=self._change)
        return Difference(mean, peak, *self._measure())

    def _measure(self) -> tuple[float, float]:
        np.abs(self._change, out=self._absolute)
        cv2.resize(self._absolute, BLOCKS[::-1], dst=self._blocks, interpolation=cv2.INTER_AREA)
        return float(self._blocks.mean()), float(self._blocks.max())


class RepeatJudge:
    """Knows what differences are usual in the shot."""

    def __init__(self) -> None:
        self._usual: deque[Difference] = deque(maxlen=USUAL_OVER)

    def reset(self) -> None:
        """Begin a shot."""
        self._usual.clear()

    def note_new(self, difference: Difference) -> None:
        """Take note of a new picture's difference to the frame before it."""
        self._usual.append(difference)

    def is_repeat(self, difference: Difference, ahead: Sequence[Difference], *, is_expected: bool) -> bool:
        """Judge a frame.

        Parameters
        ----------
        difference : to the last new picture
        ahead : of each of the next frames of the shot to the one before it
        is_expected : the cadence says that a copy comes here
        """
        if difference.is_within(SAME_MEAN, SAME_PEAK):
            return True
        if not self._usual and not ahead:
            return False
        mean = peak = float("inf")
        if self._usual:
            mean = statistics.median(known.steady_mean for known in self._usual)
            peak = statistics.median(known.steady_peak for known in self._usual)
        if ahead:
            mean = min(mean, max(coming.steady_mean for coming in ahead))
            peak = min(peak, max(coming.steady_peak for coming in ahead))
        if is_expected:
            return difference.is_within(EXPECTED_MEAN * mean, EXPECTED_PEAK * peak)
        return difference.is_within(DIP_MEAN * mean, DIP_PEAK * peak)
