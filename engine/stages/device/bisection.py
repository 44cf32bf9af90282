"""Any moment from a model that knows only the middle, on a device: the twin of `engine/stages/bisection.py`."""

from dataclasses import dataclass, field

from engine.device.base import DeviceArray
from engine.device.operators import Operators, view
from engine.errors import UnsupportedModelError
from engine.stages.bisection import DEPTH, FAINT, PARTS, halvings
from engine.stages.device.flow_model import DeviceFlowModel


@dataclass(slots=True, kw_only=True)
class _Node:
    """A picture made on the way.

    picture : float32 (1, C, h, w), as the model sees pictures
    motion : float32 (5, h, w) to the two film frames, in pixels that the model sees; None at the film frames themselves
    number : the moment in `PARTS` of the interval; -1 before it was made
    """

    picture: DeviceArray
    motion: DeviceArray | None
    number: int = field(default=-1)


class DeviceBisection:
    """Serves moments between two pictures by repeated halving; keeps one picture per halving and no more.

    Parameters
    ----------
    operators : of the stage's stream
    model : of the middle alone
    name : of it, for errors

    Attributes
    ----------
    flow, mask : float32 (4, h, w) and (1, h, w), the motion of the last moment found, in pixels that the model sees
    frame : float32 (1, C, h, w), its picture

    Raises
    ------
    UnsupportedModelError
        The model makes no picture that could be its own neighbour.
    """

    def __init__(self, operators: Operators, model: DeviceFlowModel, name: str) -> None:
        if model.frame is None or model.frame.shape != model.first.shape:
            raise UnsupportedModelError(
                f"model {name}: makes the middle alone and gives no frame of its input's size; wanted one, from which "
                "other moments could be made"
            )
        operators.prepare("between_compose")
        self._operators, self._model = operators, model
        self._nodes = [
            _Node(picture=operators.zeros(*model.frame.shape), motion=operators.zeros(*model.shape))
            for _ in range(DEPTH)
        ]
        self.flow, self.mask = model.flow, model.mask
        self.frame: DeviceArray | None = model.frame

    def find(self, timestep: float, *, is_new_pair: bool) -> None:
        """Find the moment nearest to `timestep`; parameters and errors are those of `DeviceFlowModel.find`."""
        if is_new_pair:
            for node in self._nodes:
                node.number = -1
        made = {
            0: _Node(picture=self._model.first, motion=None, number=0),
            PARTS: _Node(picture=self._model.second, motion=None, number=PARTS),
        }
        wanted = round(timestep * PARTS)
        for (left, middle, right), node in zip(halvings(wanted), self._nodes, strict=False):
            if node.number != middle:
                self._make(made[left], made[right], node)
                node.number = middle
            made[middle] = node
        self._give(made[wanted])

    def _make(self, left: _Node, right: _Node, node: _Node) -> None:
        """Make the picture between two others, and its motion to the film frames."""
        node.number = -1
        self._model.run(left.picture, right.picture, node.picture)
        if not self._model.has_flow or node.motion is None:
            return
        flow, motion = view(self._model.flow), view(node.motion)
        self._operators.run(
            "between_compose",
            motion.area,
            flow=flow,
            mask=self._model.mask,
            left=left.motion or self._model.flow,  # of a film frame's nothing is read
            right=right.motion or self._model.flow,
            motion=motion,
            width=motion.width,
            height=motion.height,
            is_left_made=int(left.motion is not None),
            is_right_made=int(right.motion is not None),
            scale=1.0 / self._model.seen_cell,
            faint=FAINT,
        )

    def _give(self, node: _Node) -> None:
        self.frame = node.picture
        if self._model.has_flow and node.motion is not None:
            self.flow, self.mask = motion_parts(node.motion)


def motion_parts(motion: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """Return flow (4, h, w) and mask (1, h, w) of motion (5, h, w)."""
    planes, height, width = motion.shape
    flow = motion.view(0, (planes - 1, height, width))
    return flow, motion.view(flow.nbytes, (1, height, width))
