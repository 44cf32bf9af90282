"""Brings a picture's neighbours in time to where things are in the picture itself.

A restorer that averages over time, or compares a speck with what lay there a moment before, must see the same thing at
the same place; along a camera move or a running horse the frames as they are show something else. Motion between
consecutive pictures is found once in each direction (`dense_motion.py`); longer ways are composed of these.

Where a shot has no picture on one side, the one as far away on the other side stands for it: it shows other grain and
other dust than the picture itself, which the picture repeated would not.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import cv2
import numpy as np

from engine.stages.dense_motion import DenseMotion, Flow, Plane
from engine.stages.warp import sample, sample_along
from engine.types import Planes

SMOOTHING = 5
"""Side in reduced pixels of what grain is blurred with before motion is looked for: 0.04 dB more of damage is gone."""


Part = TypeVar("Part")
"""What a picture is made of and is aligned at once: one plane on the host, planes of one size on a device."""

Step = TypeVar("Step")
"""Motion from one picture to the next, in reduced pixels."""


class WindowAligner(ABC, Generic[Part, Step]):
    """Follows a window of pictures of one size and aligns them to the one in the middle, wherever they lie.

    Parameters
    ----------
    past, future : pictures before and after the middle one
    make_step : makes memory for one motion
    """

    def __init__(self, past: int, future: int, make_step: Callable[[], Step]) -> None:
        self._past, self._future, self._length = past, future, past + 1 + future
        self._spare = deque((make_step(), make_step()) for _ in range(self._length))
        self._ways: deque[tuple[Step, Step] | None] = deque()  # to the next picture and back from it, oldest first
        self._has_picture = False

    def append(self, luma: Part) -> None:
        """Take the newest picture, float32 (H, W), 0..1, and find its motion against the one before."""
        self._see(luma)
        if not self._has_picture:
            self._has_picture = True
            return
        self._make_room()
        way = self._spare.popleft()
        self._find(*way)
        self._ways.append(way)

    def repeat(self) -> None:
        """Say that the window goes on where the shot has no picture."""
        self._make_room()
        self._ways.append(None)

    def clear(self) -> None:
        """Forget everything."""
        while self._ways:
            self._forget_oldest()
        self._has_picture = False

    def write(self, window: Sequence[Sequence[Part]], out: Sequence[Sequence[Part]]) -> None:
        """Write every picture of the window as it looks at the middle one's places.

        Parameters
        ----------
        window : oldest first, for each picture its parts, float32: luma (H, W), and chroma of half the size where there
            is any; what stands where the shot has no picture is not looked at
        out : the same number of parts of the same sizes, written in place; the middle one's are copied
        """
        ways, middle = list(self._ways), self._past
        self._copy_picture(window[middle], out[middle])
        before = [way and way[1] for way in reversed(ways[:middle])]
        after = [way and way[0] for way in ways[middle:]]
        has_before = self._follow(before, window[:middle][::-1], out[:middle][::-1])
        has_after = self._follow(after, window[middle + 1 :], out[middle + 1 :])
        for distance in range(1, max(self._past, self._future) + 1):
            for place, have, across in ((-distance, has_before, has_after), (distance, has_after, has_before)):
                if have < distance and 0 <= middle + place < self._length:
                    source = -place if across >= distance else place - (1 if place > 0 else -1)
                    self._copy_picture(out[middle + source], out[middle + place])

    @abstractmethod
    def _see(self, luma: Part) -> None:
        """Make a picture the newest, and the last one seen the one before."""

    @abstractmethod
    def _find(self, forward: Step, backward: Step) -> None:
        """Write the motion from the picture before to the newest one, and back from that."""

    @abstractmethod
    def _begin(self, step: Step) -> None:
        """Make a step the way."""

    @abstractmethod
    def _lengthen(self, step: Step) -> None:
        """Add a step that begins where the way ends."""

    @abstractmethod
    def _carry(self, picture: Sequence[Part], out: Sequence[Part]) -> None:
        """Write a picture's parts along the way."""

    @abstractmethod
    def _copy(self, part: Part, out: Part) -> None:
        """Copy one part."""

    def _follow(
        self, steps: Sequence[Step | None], window: Sequence[Sequence[Part]], out: Sequence[Sequence[Part]]
    ) -> int:
        """Align pictures ever further from the middle until there are no more; return how many there are."""
        for number, (step, picture, target) in enumerate(zip(steps, window, out, strict=True)):
            if step is None:
                return number
            if number == 0:
                self._begin(step)
            else:
                self._lengthen(step)
            self._carry(picture, target)
        return len(steps)

    def _copy_picture(self, picture: Sequence[Part], out: Sequence[Part]) -> None:
        for part, target in zip(picture, out, strict=True):
            self._copy(part, target)

    def _make_room(self) -> None:
        if len(self._ways) == self._length - 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        if (way := self._ways.popleft()) is not None:
            self._spare.append(way)


class Aligner(WindowAligner[Plane, Flow]):
    """The aligner of the host: OpenCV's motion, planes apart.

    Parameters
    ----------
    past, future : pictures before and after the middle one
    height, width : of the pictures

    Notes
    -----
    Nothing is allocated after the first full window, but what OpenCV holds inside.
    """

    def __init__(self, past: int, future: int, height: int, width: int) -> None:
        self._motion = DenseMotion(height, width)
        small = self._motion.size
        super().__init__(past, future, lambda: np.zeros((*small, 2), np.float32))
        self._pictures = [np.empty(small, np.uint8) for _ in range(2)]
        self._way = np.empty((*small, 2), np.float32)
        self._next_way = np.empty((*small, 2), np.float32)
        self._parts = np.empty((2, *small), np.float32)
        self._maps = {size: np.empty((2, *size), np.float32) for size in ((height, width), (height // 2, width // 2))}

    def _see(self, luma: Plane) -> None:
        self._pictures.reverse()
        newest = self._pictures[1]
        self._motion.reduce(luma, newest)
        cv2.GaussianBlur(newest, (SMOOTHING, SMOOTHING), 0, dst=newest)

    def _find(self, forward: Flow, backward: Flow) -> None:
        before, newest = self._pictures
        self._motion.find(before, newest, forward)
        self._motion.find(newest, before, backward)

    def _begin(self, step: Flow) -> None:
        np.copyto(self._way, step)

    def _lengthen(self, step: Flow) -> None:
        sample_along(step, self._way, self._next_way)
        cv2.add(self._way, self._next_way, dst=self._way)

    def _carry(self, picture: Sequence[Plane], out: Sequence[Plane]) -> None:
        """Write planes along the way; the way in the pixels of each size is made once."""
        last: tuple[int, ...] = ()
        for plane, target in zip(picture, out, strict=True):
            maps = self._maps[plane.shape]
            if plane.shape != last:
                last = plane.shape
                self._write_maps(maps)
            sample(plane, maps[0], maps[1], target)

    def _copy(self, part: Plane, out: Plane) -> None:
        np.copyto(out, part)

    def _write_maps(self, maps: Planes) -> None:
        """Write the way, x and y apart, in the size and the pixels of `maps` (2, h, w)."""
        cv2.split(self._way, list(self._parts))
        for part, fine, axis in zip(self._parts, maps, (1, 0), strict=True):
            times = fine.shape[axis] / part.shape[axis]
            if times != 1:
                np.multiply(part, np.float32(times), out=part)
            cv2.resize(part, fine.shape[::-1], dst=fine, interpolation=cv2.INTER_LINEAR)
