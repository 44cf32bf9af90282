"""Any moment from a model that knows only the middle, on a device: the twin of `engine/stages/bisection.py`."""

from engine.device.base import DeviceArray
from engine.device.operators import Operators, view
from engine.stages.bisection import FAINT, Halving, Node
from engine.stages.device.flow_model import DeviceFlowModel


class DeviceBisection:
    """Any moment of a model on a device; parameters, beside the stream's `operators`, and errors: `Halving`'s.

    Attributes
    ----------
    flow, mask : float32 (4, h, w) and (1, h, w), the motion of the last moment found, in pixels that the model sees
    frame : float32 (1, C, h, w), its picture
    """

    def __init__(self, operators: Operators, model: DeviceFlowModel, name: str) -> None:
        self._operators, self._model = operators, model
        self._halving = Halving[DeviceArray](model, name, lambda shape: operators.zeros(*shape))
        operators.prepare("between_compose")
        self.flow, self.mask = model.flow, model.mask
        self.frame: DeviceArray | None = model.frame

    def begin(self) -> None:
        """Forget the pair before."""
        self._halving.begin()

    def find(self, timestep: float) -> None:
        """Find the moment nearest to `timestep`; errors are those of `DeviceFlowModel.find`."""
        node = self._halving.find(timestep, self._make)
        self.frame = node.picture
        if self._model.has_flow and node.motion is not None:
            self.flow, self.mask = motion_parts(node.motion)

    def _make(self, left: Node[DeviceArray], right: Node[DeviceArray], node: Node[DeviceArray]) -> None:
        """Make the picture between two others, and its motion to the film frames."""
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


def motion_parts(motion: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """Return flow (4, h, w) and mask (1, h, w) of motion (5, h, w)."""
    planes, height, width = motion.shape
    flow = motion.view(0, (planes - 1, height, width))
    return flow, motion.view(flow.nbytes, (1, height, width))
