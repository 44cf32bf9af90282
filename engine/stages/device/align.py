"""Brings a picture's neighbours to where things are in the picture itself: the twin of `engine/stages/align.py`."""

from collections.abc import Sequence

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.align import WindowAligner
from engine.stages.device.motion import DeviceMotion


class DeviceAligner(WindowAligner[View, DeviceArray]):
    """The aligner of a device: planes of one size together.

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
        self._motion = DeviceMotion(operators, height, width, is_grainy=True)
        operators.prepare("warp_bilinear", "motion_compose", "motion_enlarge")
        small = self._motion.size
        super().__init__(past, future, lambda: operators.zeros(2, *small))
        self._way = view(operators.zeros(2, *small))
        sizes = [(height, width), (height // 2, width // 2)][: 1 + has_chroma]
        self._fine = {size: view(operators.zeros(2, *size)) for size in sizes}

    def _see(self, luma: View) -> None:
        self._motion.see(luma)

    def _find(self, forward: DeviceArray, backward: DeviceArray) -> None:
        self._motion.find()
        self._operators.copy(self._motion.forward, forward)
        self._operators.copy(self._motion.backward, backward)

    def _begin(self, step: DeviceArray) -> None:
        self._operators.copy(step, self._way.array)

    def _lengthen(self, step: DeviceArray) -> None:
        way = self._way
        grid = {"width": way.width, "height": way.height, "flow_pitch": way.pitch, "flow_plane": way.plane}
        self._operators.run("motion_compose", way.area, way=way, step=step, out=way, **grid)

    def _carry(self, picture: Sequence[View], out: Sequence[View]) -> None:
        """Write planes along the way, which is brought into the pixels of each size."""
        for part, target in zip(picture, out, strict=True):
            fine = self._fine[part.height, part.width]
            self._operators.enlarge_flow(self._way, fine)
            self._operators.warp(part, fine, target)

    def _copy(self, part: View, out: View) -> None:
        self._operators.copy(part.array, out.array)
