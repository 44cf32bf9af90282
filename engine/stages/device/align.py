"""Brings a picture's neighbours to where things are in the picture itself: the twin of `engine/stages/align.py`."""

from collections import deque
from collections.abc import Sequence

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.device.motion import DeviceMotion

Way = tuple[DeviceArray, DeviceArray]
"""Motion from a picture to the next one, and back."""


class DeviceAligner:
    """Follows a window of pictures of one size and aligns them to the one in the middle.

    Parameters
    ----------
    operators : of the stage's stream
    past, future : pictures before and after the middle one
    height, width : of the pictures
    has_chroma : whether there are parts of half the size too
    """

    def __init__(
        self, operators: Operators, past: int, future: int, height: int, width: int, *, has_chroma: bool
    ) -> None:
        self._operators = operators
        self._past, self._future, self._length = past, future, past + 1 + future
        self._motion = DeviceMotion(operators, height, width, is_grainy=True)
        operators.prepare("warp_bilinear", "motion_compose", "motion_enlarge")
        small = self._motion.size
        self._spare: deque[Way] = deque(
            (operators.zeros(2, *small), operators.zeros(2, *small)) for _ in range(self._length)
        )
        self._ways: deque[Way | None] = deque()
        self._has_picture = False
        self._way = view(operators.zeros(2, *small))
        sizes = [(height, width), (height // 2, width // 2)][: 1 + has_chroma]
        self._fine = {size: view(operators.zeros(2, *size)) for size in sizes}

    def append(self, luma: View) -> None:
        """Take the newest picture, one plane in 0..1, and find its motion against the one before."""
        self._motion.see(luma)
        if not self._has_picture:
            self._has_picture = True
            return
        self._make_room()
        self._motion.find()
        way = self._spare.popleft()
        self._operators.copy(self._motion.forward, way[0])
        self._operators.copy(self._motion.backward, way[1])
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

    def write(self, window: Sequence[Sequence[View]], out: Sequence[Sequence[View]]) -> None:
        """Write every picture of the window as it looks at the middle one's places.

        Parameters
        ----------
        window : oldest first, for each picture its tensors' parts: luma, and chroma of half the size where there is any
        out : the same, written; the middle one's are copied
        """
        ways, middle = list(self._ways), self._past
        self._copy(window[middle], out[middle])
        before = [way and way[1] for way in reversed(ways[:middle])]
        after = [way and way[0] for way in ways[middle:]]
        has_before = self._follow(before, window[:middle][::-1], out[:middle][::-1])
        has_after = self._follow(after, window[middle + 1 :], out[middle + 1 :])
        for distance in range(1, max(self._past, self._future) + 1):
            for place, have, across in ((-distance, has_before, has_after), (distance, has_after, has_before)):
                if have < distance and 0 <= middle + place < self._length:
                    source = -place if across >= distance else place - (1 if place > 0 else -1)
                    self._copy(out[middle + source], out[middle + place])

    def _follow(
        self, steps: Sequence[DeviceArray | None], window: Sequence[Sequence[View]], out: Sequence[Sequence[View]]
    ) -> int:
        """Align pictures ever further from the middle until there are no more; return how many there are."""
        way, grid = self._way, {"flow_pitch": self._way.pitch, "flow_plane": self._way.plane}
        for number, (step, pictures, targets) in enumerate(zip(steps, window, out, strict=True)):
            if step is None:
                return number
            if number == 0:
                self._operators.copy(step, way.array)
            else:  # lengthen the way by a step that begins where it ends
                size = {"width": way.width, "height": way.height}
                self._operators.run("motion_compose", way.area, way=way, step=step, out=way, **size, **grid)
            for picture, target in zip(pictures, targets, strict=True):
                self._operators.warp(picture, self._way_for(picture), target)
        return len(steps)

    def _way_for(self, picture: View) -> View:
        """Return the way in the size and the pixels of a picture."""
        fine = self._fine[picture.height, picture.width]
        self._operators.enlarge_flow(self._way, fine)
        return fine

    def _copy(self, pictures: Sequence[View], out: Sequence[View]) -> None:
        for picture, target in zip(pictures, out, strict=True):
            self._operators.copy(picture.array, target.array)

    def _make_room(self) -> None:
        if len(self._ways) == self._length - 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        if (way := self._ways.popleft()) is not None:
            self._spare.append(way)
