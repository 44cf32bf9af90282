"""What the inspect stage compares of frames, and the numbers that come of it; the judging is in the stage.

A frame is looked at once. Kept of it are its luma thinned, for finding repeats, and reduced, for finding cuts.
"""

from abc import ABC, abstractmethod
from math import ceil, sqrt

import cv2
import numpy as np

from engine.stages.cuts import LOOK_SIZE, MEMORY, likeness
from engine.stages.luma import Plane
from engine.stages.repeats import Difference, DifferenceMeter
from engine.types import Planes

GRAIN_PIXELS = 320 * 240
"""Size to which pictures are thinned for finding repeats; pixels are dropped, not averaged, so that grain stays."""


class Looks(ABC):
    """Looks at frames, numbered from 0 as they are seen, and knows the last ones.

    The oldest frame that may be asked about is the one with `ahead` + `late` frames behind it; likenesses reach
    `cuts.MEMORY` frames further back.

    Attributes
    ----------
    late : frames to be seen behind one before its numbers are asked for, so that nobody waits for them
    """

    late: int = 0

    @abstractmethod
    def see(self, pixels: Planes) -> int:
        """Look at the next frame and return its number. Of R'G'B' green alone is looked at: it is most of luma."""

    @abstractmethod
    def wait_for(self, number: int) -> bool:
        """Let everything be known of a frame and of those before it; return whether the host had to wait for it."""

    @abstractmethod
    def keep(self, number: int) -> None:
        """Let a frame be the one that `since_kept` compares with: the last new picture."""

    @abstractmethod
    def change(self, number: int) -> Difference:
        """Return a frame's difference to the one before it, which must have been seen."""

    @abstractmethod
    def since_kept(self, number: int) -> Difference:
        """Return a frame's difference to the one kept, which came before it."""

    @abstractmethod
    def likeness(self, first: int, second: int) -> float:
        """Return how far the later of two frames, at most `cuts.MEMORY` apart, continues the earlier, 0 to 1."""


class HostLooks(Looks):
    """On the processor.

    Parameters
    ----------
    height, width : of the frames
    ahead : frames seen behind the one that is judged
    """

    def __init__(self, height: int, width: int, ahead: int) -> None:
        self._step, size = thinned(height, width)
        self._meter = DifferenceMeter(*size)
        slots = MEMORY + 1 + ahead
        self._grains = [np.zeros(size, np.float32) for _ in range(slots)]
        self._smalls = [np.zeros(LOOK_SIZE, np.float32) for _ in range(slots)]
        self._changes: list[Difference | None] = [None] * slots
        self._kept = np.zeros(size, np.float32)
        self._seen = 0

    def see(self, pixels: Planes) -> int:
        """Look at a frame."""
        number, self._seen = self._seen, self._seen + 1
        plane, grain = pixels[len(pixels) // 2], self._grain(number)
        np.copyto(grain, plane[:: self._step, :: self._step])
        cv2.resize(grain, LOOK_SIZE[::-1], dst=self._small(number), interpolation=cv2.INTER_AREA)
        self._changes[number % len(self._changes)] = self._meter.compare(self._grain(number - 1), grain)
        return number

    def wait_for(self, number: int) -> bool:
        """Return False: it is known."""
        return False

    def keep(self, number: int) -> None:
        """Copy what is compared of a frame."""
        np.copyto(self._kept, self._grain(number))

    def change(self, number: int) -> Difference:
        """Return what was measured when the frame was seen."""
        change = self._changes[number % len(self._changes)]
        assert change is not None
        return change

    def since_kept(self, number: int) -> Difference:
        """Measure it."""
        return self._meter.compare(self._kept, self._grain(number))

    def likeness(self, first: int, second: int) -> float:
        """Measure it."""
        return likeness(self._small(first), self._small(second))

    def _grain(self, number: int) -> Plane:
        return self._grains[number % len(self._grains)]

    def _small(self, number: int) -> Plane:
        return self._smalls[number % len(self._smalls)]


def thinned(height: int, width: int) -> tuple[int, tuple[int, int]]:
    """Return every how many-th row and column of a picture stays, and how many rows and columns these are."""
    step = max(1, round(sqrt(height * width / GRAIN_PIXELS)))
    return step, (ceil(height / step), ceil(width / step))
