"""Whether motion between two pictures can be believed: along it they must look alike."""

from dataclasses import dataclass
from enum import Enum, auto

import cv2
import numpy as np

from engine.stages.luma import Plane
from engine.stages.warp import sample
from engine.types import Planes

CHECK_REDUCTION = 4
"""Motion is checked on pictures this many times smaller: a tenth of the cost, and grain averages out."""

MARGIN = 1.15
"""Motion is disbelieved where along it the pictures differ more than this many times as much as standing still."""

NOISE = 0.004
"""Mean difference, of a range of 1, below which two small pictures count as equal."""

STRANGERS = 0.12
"""Mean difference along the motion from which the two pictures show different things, and blending makes a ghost.

Pictures of different films differ by 0.2 to 0.3; neighbours along their motion by 0.01 to 0.05 (see README.md).
"""


class Verdict(Enum):
    """What to do with the motion that a model found."""

    FOLLOW = auto()
    """It explains the second picture at least as well as standing still."""
    CROSS_FADE = auto()
    """It explains less than no motion at all, but the pictures are alike."""
    HOLD = auto()
    """The pictures have nothing in common; only one of them can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """How much two pictures differ in the mean, of a range of 1; the brightness of the whole picture does not count.

    moved : along the motion
    stood : standing still
    """

    moved: float
    stood: float

    @property
    def verdict(self) -> Verdict:
        """What to do with the motion."""
        if min(self.moved, self.stood) > STRANGERS:
            return Verdict.HOLD
        return Verdict.FOLLOW if self.moved <= max(NOISE, MARGIN * self.stood) else Verdict.CROSS_FADE


class MotionCheck:
    """The last two pictures in small, and scratch for moving them.

    Parameters
    ----------
    height, width : of the pictures that motion is told for, pixels
    span : of the pictures' values, from black to white
    """

    def __init__(self, height: int, width: int, span: float) -> None:
        small = (-(-height // CHECK_REDUCTION), -(-width // CHECK_REDUCTION))
        self._size, self._span = (small[1], small[0]), span
        self._pictures = [np.zeros(small, np.float32), np.zeros(small, np.float32)]
        self._maps = np.zeros((4, *small), np.float32)
        self._change = np.zeros(small, np.float32)
        self._warped = np.zeros((2, *small), np.float32)

    def see(self, picture: Plane) -> None:
        """Take one plane of the next picture, of any size."""
        self._pictures.reverse()
        cv2.resize(picture, self._size, dst=self._pictures[1], interpolation=cv2.INTER_AREA)

    def differences(self, motion: Planes) -> Differences:
        """Compare the last two pictures along `motion`, float32 (5, h, w), flow in pixels, and standing still."""
        first, second = self._pictures
        for coarse, target in zip(motion[:4], self._maps, strict=True):
            if coarse.shape == target.shape:
                np.multiply(coarse, 1.0 / CHECK_REDUCTION, out=target)
            else:
                cv2.resize(coarse, self._size, dst=target, interpolation=cv2.INTER_AREA)
                np.multiply(target, 1.0 / CHECK_REDUCTION, out=target)
        flow, warped = self._maps, self._warped
        sample(first, flow[0], flow[1], warped[0])
        sample(second, flow[2], flow[3], warped[1])
        return Differences(moved=self._difference(warped[0], warped[1]), stood=self._difference(first, second))

    def _difference(self, first: Plane, second: Plane) -> float:
        cv2.subtract(first, second, dst=self._change)
        np.subtract(self._change, cv2.mean(self._change)[0], out=self._change)
        return cv2.norm(self._change, cv2.NORM_L1) / (self._span * first.size)
