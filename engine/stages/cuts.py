"""Where a shot ends: no part of the new picture continues a part of the old one.

Blocks of one picture are looked for near their place in the other by normalised correlation, which ignores brightness
and contrast (flicker, fades), allows for motion (pans, people), and which dust spoils in few blocks at a time. A flash
is not a cut: what was before it comes again within two frames.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import cv2

from engine.stages.luma import Plane

LOOK_SIZE = (56, 72)
"""Rows and columns of the pictures that are compared."""

EDGE = 4
"""Rows and columns on each side in which no block begins: the film gate's dark edges are alike in all shots."""

BLOCK = 16
"""Rows and columns of a block."""

REACH = 8
"""Rows and columns by which a block may have moved from one frame to the next: a ninth of the width."""

UNTOUCHED = 0.03
"""Mean difference, of a range of 1, below which two pictures need not be looked at: they belong together."""

SIMILAR = 0.6
"""Similarity below which two pictures may belong to different shots.

Over 2700 pairs of neighbours and 1500 pairs of strangers from 20 films: half of the strangers are below 0.41 and 99 in
100 below 0.57, neighbours go down to 0.69 in the fastest pan. Of 332 joints of aged films all are found (README.md).
"""

STANDS_OUT = 0.75
"""A cut is less alike than its more alike neighbour by this factor; in a whip pan every pair is alike as little."""

TEXTURE_CAP = 0.08
"""Deviation of a block, of a range of 1, from which its weight grows no more."""

FLAT = 0.008
"""Deviation of a picture below which it shows nothing (black, white, fog); brightness alone is compared then."""

FLAT_STEP = 0.12
"""Difference in brightness of two flat pictures that makes a cut."""

FLASH = 2
"""Frames that a flash may last."""

MEMORY = FLASH + 1
"""Frames of the shot with which a new one is compared: a flash, and the one before it."""


class Pair(Protocol):
    """What is measured of two pictures. A number is asked for only where it decides."""

    @property
    def difference(self) -> float:
        """Mean absolute difference, of a range of 1."""
        ...

    @property
    def deviations(self) -> tuple[float, float]:
        """Standard deviation of each."""
        ...

    @property
    def matched(self) -> float:
        """How far the blocks of the one with more texture are found in the other, 0 to 1."""
        ...


Picture = TypeVar("Picture")
"""Whatever stands for a picture that `CutDetector` judges."""


class CutDetector(Generic[Picture]):
    """Judges pictures by their likenesses.

    Parameters
    ----------
    likeness : of two pictures, the earlier one first: `likeness`, or what knows it already
    """

    def __init__(self, likeness: Callable[[Picture, Picture], float]) -> None:
        self._likeness = likeness
        self._likeness_before = 1.0

    def is_cut(self, past: Sequence[Picture], picture: Picture, ahead: Sequence[Picture]) -> bool:
        """Judge whether a shot begins; to be called for each frame in turn.

        Parameters
        ----------
        past : the shot's last `MEMORY` pictures, newest last; not empty
        picture : to be judged
        ahead : the `FLASH` pictures behind it, fewer at the film's end
        """
        before = self._likeness_before
        here = self._likeness_before = self._likeness(past[-1], picture)
        if here >= SIMILAR:
            return False
        after = self._likeness(picture, ahead[0]) if ahead else 1.0
        if here >= STANDS_OUT * max(before, after):
            return False
        resumes = any(self._likeness(old, picture) >= SIMILAR for old in past[:-1])
        return not resumes and not any(self._likeness(past[-1], new) >= SIMILAR for new in ahead)


def likeness(first: Plane, second: Plane) -> float:
    """Return how far one picture continues the other, 0 to 1; both float32 of `LOOK_SIZE`, in [0, 1]."""
    return likeness_of(PlanePair(first, second))


def likeness_of(pair: Pair) -> float:
    """Return how far one picture continues the other, 0 to 1, by what was measured of them."""
    difference = pair.difference
    if difference < UNTOUCHED:
        return 1.0
    deviations = pair.deviations
    if max(deviations) < FLAT:
        return 0.0 if difference > FLAT_STEP else 1.0
    if min(deviations) < FLAT:
        return 0.0
    return pair.matched


class PlanePair:
    """Two pictures on the host, measured when asked.

    Parameters
    ----------
    first, second : float32 of `LOOK_SIZE`, in [0, 1]
    """

    def __init__(self, first: Plane, second: Plane) -> None:
        self._first, self._second = first, second
        self._deviations: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """The mean absolute difference."""
        return cv2.norm(self._first, self._second, cv2.NORM_L1) / self._first.size

    @property
    def deviations(self) -> tuple[float, float]:
        """Of each picture."""
        if self._deviations is None:
            self._deviations = float(self._first.std()), float(self._second.std())
        return self._deviations

    @property
    def matched(self) -> float:
        """The mean over blocks, weighted by texture, of the best correlation."""
        one, other = self.deviations
        template, field = (self._first, self._second) if one >= other else (self._second, self._first)
        rows, columns = LOOK_SIZE
        total = weights = 0.0
        for top in range(EDGE, rows - EDGE, BLOCK):
            for left in range(EDGE, columns - EDGE, BLOCK):
                block = template[top : top + BLOCK, left : left + BLOCK]
                near = field[max(0, top - REACH) : top + BLOCK + REACH, max(0, left - REACH) : left + BLOCK + REACH]
                weight = min(float(block.std()), TEXTURE_CAP)
                best = float(cv2.matchTemplate(near, block, cv2.TM_CCOEFF_NORMED).max())
                total += weight * min(max(best, 0.0), 1.0)
                weights += weight
        return total / weights if weights > 0.0 else 0.0
