"""Brings a picture's neighbours in time to where things are in the picture itself.

A restorer that averages over time, or compares a speck with what lay there a moment before, must see the same thing at
the same place; along a camera move or a running horse the frames as they are show something else. Motion between
consecutive pictures is found once in each direction (`dense_motion.py`); longer ways are composed of these.
"""

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from engine.stages.dense_motion import DenseMotion, Flow, Plane
from engine.stages.warp import sample_along


class Aligner:
    """Follows a window of pictures of one size and aligns them to the one in the middle.

    Parameters
    ----------
    past, future : pictures before and after the middle one
    height, width : of the pictures

    Notes
    -----
    Nothing is allocated after the first full window, but what OpenCV holds inside.
    """

    def __init__(self, past: int, future: int, height: int, width: int) -> None:
        self._past, self._length = past, past + 1 + future
        self._motion = DenseMotion(height, width)
        small = self._motion.size
        self._pictures = [np.empty(small, np.uint8) for _ in range(2)]
        self._spare = [np.zeros((*small, 2), np.float32) for _ in range(2 * self._length)]
        self._ways: deque[tuple[Flow, Flow]] = deque()
        self._has_picture = False
        self._way = np.empty((*small, 2), np.float32)
        self._next_way = np.empty((*small, 2), np.float32)
        self._ways_by_size: dict[tuple[int, ...], Flow] = {small: self._way}
        for size in ((height, width), (height // 2, width // 2)):
            self._ways_by_size.setdefault(size, np.empty((*size, 2), np.float32))

    def append(self, luma: Plane) -> None:
        """Take the newest picture, float32 (H, W), 0..1, and find its motion against the one before."""
        self._pictures.reverse()
        newest, before = self._pictures[1], self._pictures[0]
        self._motion.reduce(luma, newest)
        if not self._has_picture:
            self._has_picture = True
            return
        forward, backward = self._take_spare()
        self._motion.find(before, newest, forward)
        self._motion.find(newest, before, backward)
        self._remember(forward, backward)

    def repeat(self) -> None:
        """Let the newest picture stand for one that does not exist: nothing moves."""
        forward, backward = self._take_spare()
        forward.fill(0.0)
        backward.fill(0.0)
        self._remember(forward, backward)

    def clear(self) -> None:
        """Forget everything."""
        while self._ways:
            self._spare.extend(self._ways.popleft())
        self._has_picture = False

    def write(self, window: Sequence[Sequence[Plane]], out: Sequence[Sequence[Plane]]) -> None:
        """Write every picture of the window as it looks at the middle one's places.

        Parameters
        ----------
        window : oldest first, for each picture its planes, float32; a plane of (H, W), or of half the size for chroma
        out : the same number of planes of the same sizes, written in place; the middle one's are copied
        """
        for plane, target in zip(window[self._past], out[self._past], strict=True):
            np.copyto(target, plane)
        ways = list(self._ways)
        for direction, steps in ((1, range(self._past + 1, self._length)), (-1, range(self._past - 1, -1, -1))):
            for number, index in enumerate(steps):
                step = ways[index - 1][0] if direction == 1 else ways[index][1]
                if number == 0:
                    np.copyto(self._way, step)
                else:
                    self._go_on(step)
                self._sample(window[index], out[index])

    def _go_on(self, step: Flow) -> None:
        """Lengthen the way by a step that begins where it ends."""
        sample_along(step, self._way, self._next_way)
        cv2.add(self._way, self._next_way, dst=self._way)

    def _sample(self, planes: Sequence[Plane], out: Sequence[Plane]) -> None:
        """Write planes along the way; the way in the pixels of each size is made once."""
        last: tuple[int, ...] = ()
        for plane, target in zip(planes, out, strict=True):
            way = self._ways_by_size[plane.shape]
            if plane.shape != last and way is not self._way:
                last = plane.shape
                rows, columns = plane.shape
                cv2.resize(self._way, (columns, rows), dst=way, interpolation=cv2.INTER_LINEAR)
                np.multiply(way, (columns / self._way.shape[1], rows / self._way.shape[0]), out=way, casting="unsafe")
            sample_along(plane, way, target)

    def _take_spare(self) -> tuple[Flow, Flow]:
        if len(self._ways) == self._length - 1:
            self._spare.extend(self._ways.popleft())
        return self._spare.pop(), self._spare.pop()

    def _remember(self, forward: Flow, backward: Flow) -> None:
        self._ways.append((forward, backward))
