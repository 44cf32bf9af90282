"""Which of several references a frame follows."""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from engine.stages.luma import Plane

NEAREST = 2
"""References with a frame number that are followed at a time: those nearest to the frame."""

LIKENESS_SIZE = (48, 64)
"""Rows and columns to which pictures are reduced before they are compared."""

CELL, ANGLES = 8, 8
"""Side of the squares in which edges are counted, and the directions that are told apart."""

GREYS, SPREAD = 32, 3.0
"""Steps of grey that are counted, and how many standard deviations from the mean they reach."""

FLAT = 1e-3
"""Deviation below which a picture counts as one grey."""


class Choice(Protocol):
    """Says which references are followed.

    Attributes
    ----------
    count : how many at a time, always as many
    compares : whether what a shot shows decides; else `begin` does not look at the picture
    """

    count: int
    compares: bool

    def begin(self, lightness: Plane, frame: int) -> None:
        """Begin a shot whose first picture is `lightness` (h, w), L*/100, source frame `frame`."""
        ...

    def choose(self, frame: int) -> Sequence[int]:
        """Return the places of the references that a source frame follows."""
        ...


class AllAndNearest:
    """References without a frame number always, and of those with one the `NEAREST`.

    Parameters
    ----------
    frames : number of the source frame that each reference shows; None: any
    """

    def __init__(self, frames: Sequence[int | None]) -> None:
        self.compares = False
        self._always = [place for place, number in enumerate(frames) if number is None]
        self._numbered = {place: number for place, number in enumerate(frames) if number is not None}
        self.count = len(self._always) + min(NEAREST, len(self._numbered))

    def begin(self, lightness: Plane, frame: int) -> None:
        """Begin a shot; what it shows does not matter."""

    def choose(self, frame: int) -> Sequence[int]:
        """Return the places of the references that a source frame follows."""
        return [*self._always, *sorted(nearest(self._numbered, frame)[:NEAREST])]


class MostAlike:
    """One reference at a time.

    Of references without a frame number, the one most like the shot's first picture is followed throughout the shot.
    Those with a number are followed nearest first; where there are both, the nearest to the shot's first picture stands
    for them all in the comparison.

    Parameters
    ----------
    frames : number of the source frame that each reference shows; None: any
    pictures : float32 (h, w), L*/100, of each
    """

    def __init__(self, frames: Sequence[int | None], pictures: Sequence[Plane]) -> None:
        self._unnumbered = [place for place, number in enumerate(frames) if number is None]
        self._numbered = {place: number for place, number in enumerate(frames) if number is not None}
        self._looks = [look_of(picture) for picture in pictures] if len(frames) > 1 and self._unnumbered else []
        self._followed = self._unnumbered[0] if self._unnumbered else None
        self.compares = bool(self._looks)
        self.count = min(1, len(frames))

    def begin(self, lightness: Plane, frame: int) -> None:
        """Choose the shot's reference."""
        if not self._looks:
            return
        look = look_of(lightness)
        candidates = [*self._unnumbered, *nearest(self._numbered, frame)[:1]]
        best = max(candidates, key=lambda place: float(look @ self._looks[place]))
        self._followed = None if best in self._numbered else best

    def choose(self, frame: int) -> Sequence[int]:
        """Return the place of the reference that a source frame follows; none where there are none."""
        if self._followed is not None:
            return [self._followed]
        return nearest(self._numbered, frame)[:1]


def nearest(numbered: dict[int, int], frame: int) -> list[int]:
    """Return the places of numbered references, nearest to a source frame first."""
    return sorted(numbered, key=lambda place: abs(numbered[place] - frame))


def look_of(lightness: Plane) -> npt.NDArray[np.float32]:
    """Describe what a picture looks like, whatever its exposure; the product of two such is how alike they are, 0 to 1.

    Half of it is how often each grey occurs, measured from the mean in deviations; half is the directions of edges in
    each of 6×8 squares (Dalal and Triggs, "Histograms of Oriented Gradients", CVPR 2005). Roots are compared, so that
    the product of two distributions is their Bhattacharyya coefficient.

    Parameters
    ----------
    lightness : float32 (h, w), L*/100
    """
    rows, columns = LIKENESS_SIZE
    small = cv2.resize(lightness, (columns, rows), interpolation=cv2.INTER_AREA)
    even = (small - small.mean()) / max(float(small.std()), FLAT)
    greys, _ = np.histogram(np.clip(even, -SPREAD, SPREAD), GREYS, (-SPREAD, SPREAD))
    across, down = cv2.Sobel(even, cv2.CV_32F, 1, 0), cv2.Sobel(even, cv2.CV_32F, 0, 1)
    angle = np.minimum((np.arctan2(down, across) % np.pi) * (ANGLES / np.pi), ANGLES - 1).astype(np.intp)
    edges = np.zeros((rows // CELL, columns // CELL, ANGLES), np.float32)
    y, x = np.indices(LIKENESS_SIZE) // CELL
    np.add.at(edges, (y, x, angle), np.hypot(across, down))
    halves = (np.sqrt(share / max(float(share.sum()), FLAT)) for share in (greys, edges.ravel()))
    return (np.concatenate(list(halves)) * np.sqrt(0.5)).astype(np.float32)
