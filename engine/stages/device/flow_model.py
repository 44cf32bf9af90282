"""An interpolation model at one scale, on a device: the twin of `engine/stages/flow_model.py`."""

from collections.abc import Mapping
from copy import copy
from typing import Self

from engine.backends.base import Backend, Profile
from engine.device.base import DeviceArray, Stream
from engine.device.operators import Operators, View, view
from engine.model import Model
from engine.stages.device.given_motion import DeviceGivenMotion
from engine.stages.device.rotation import Rotation
from engine.stages.flow_model import motion_grid
from engine.stages.sessions import Sessions
from engine.stages.window import padded_size


class DeviceFlowModel:
    """The tensors and sessions of an interpolation model for pictures of one size.

    What a run writes lies always in the same memory, each tensor in its own, so that a session can record the run.

    Parameters
    ----------
    operators : of the stage's stream
    model : of role `interpolate`
    backend : what it runs on
    size : (height, width) of the pictures given to `see`
    divisor : how many times smaller the model sees them
    lanes : that the stage may have

    Attributes
    ----------
    look_ahead : pictures that come after the second before motion is asked for
    flow, mask : float32 (1, 4, h, w) and (1, 1, h, w), written by `find`; flow in pixels that the model sees
    frame : float32 (1, C, h, w), the picture that the last run made; None where the model makes none
    has_flow : whether it tells the motion; where not, `flow` and `mask` are of one value and never written
    shape : (5, h, w) of the motion: flow (4) and mask (1)
    cell, seen_cell : pixels of the given pictures, and pixels that the model sees, per value of it
    padded : (height, width) of what the motion covers, at least `size`

    Raises
    ------
    UnsupportedModelError
        The model's tensors are not those of an interpolator.
    """

    def __init__(
        self,
        operators: Operators,
        model: Model,
        backend: Backend,
        size: tuple[int, int],
        divisor: int = 1,
        *,
        lanes: int = 1,
    ) -> None:
        card = model.card
        self._operators, self._model, self._backend = operators, model, backend
        operators.prepare("tensor_fill", "tensor_fill_luma", "resize_area", "between_moment")
        self.padded = padded_size(*size, card.size_multiple * divisor)
        self._whole = view(operators.zeros(1, *self.padded)) if divisor > 1 else None
        seen = (self.padded[0] // divisor, self.padded[1] // divisor)
        channels = 3 if card.color_space == "rgb" else 1
        is_given_motion = "motion" in model.inputs
        self.look_ahead = int(is_given_motion)
        self._pictures = Rotation(lambda: operators.zeros(1, channels, *seen), 2 + self.look_ahead, lanes)
        self._given = DeviceGivenMotion(operators, *seen) if is_given_motion else None
        shapes = self._open_run()
        self.has_flow, self.shape, self.seen_cell = motion_grid(card.name, shapes, seen)
        self.cell = self.seen_cell * divisor
        self._open_outputs()

    def beside(self) -> Self:
        """Return the model in another lane: it sees the same pictures, with a session and tensors of its own."""
        other = copy(self)
        other._given = None if self._given is None else self._given.beside()
        other._open_run()
        other._open_outputs()
        return other

    def _open_run(self) -> Mapping[str, tuple[int, ...]]:
        """Make inputs of the lane's own and open its session; return the outputs' shapes."""
        self._timestep = self._operators.zeros(1)
        self._inputs = {"first": self.first, "second": self.second}
        if self._model.card.moments == "any":
            self._inputs["timestep"] = self._timestep
        if self._given is not None:
            self._inputs |= {"motion": self._given.motion, "evidence": self._given.evidence}
        profile = Profile({name: array.shape for name, array in self._inputs.items()})
        self._sessions = Sessions(self._model, self._backend, profile)
        return self._sessions.current.output_shapes

    def _open_outputs(self) -> None:
        operators, shapes = self._operators, self._sessions.current.output_shapes
        self._outputs = {name: operators.zeros(*shape) for name, shape in shapes.items()}
        self.frame = self._outputs.get("frame")
        self.flow, self.mask = (
            self._outputs[name] if self.has_flow else operators.zeros(1, planes, 1, 1)
            for name, planes in (("flow", 4), ("mask", 1))
        )

    @property
    def first(self) -> DeviceArray:
        """The first picture of the pair as the model sees it, float32 (1, C, h, w)."""
        return self._pictures[1 + self.look_ahead]

    @property
    def second(self) -> DeviceArray:
        """The second picture, float32 (1, C, h, w)."""
        return self._pictures[self.look_ahead]

    @property
    def newest(self) -> DeviceArray:
        """The last picture that came: the second, or, where the model is given motion, the one after it."""
        return self._pictures[0]

    def see(
        self, picture: View, to_model: Mapping[str, float], matrix: Mapping[str, float], *, is_even: bool = False
    ) -> None:
        """Take the next picture.

        Parameters
        ----------
        picture : a film's planes, or those that a model of the same color space sees
        to_model : `gain` and `offset` that bring them to the model's numbers
        matrix : `kr` and `kb`, by which a model of one plane sees three
        is_even : as for `MotionField.see`
        """
        tensor = view(self._pictures.advance())
        if self._whole is None:
            self._fill(picture, 0, tensor, to_model, matrix)
        else:
            for channel in range(tensor.planes):
                self._fill(picture, channel, self._whole, to_model, matrix)
                self._operators.resize("resize_area", self._whole, tensor.part(channel, 1))
        if self._given is not None:
            self._given.append(tensor.part(0, 1), is_even=is_even)

    def finish(self) -> None:
        """Say that the shot has no further picture."""
        if self._given is not None:
            self._pictures.advance()
            self._given.finish()

    def clear(self) -> None:
        """Forget the shot."""
        if self._given is not None:
            self._given.clear()

    @property
    def checked(self) -> View:
        """The plane of the second picture by which motion is judged."""
        tensor = view(self.second)
        return tensor.part(tensor.planes // 2, 1)

    def begin(self) -> None:
        """Forget the pair before: nothing is kept of it."""

    def find(self, timestep: float) -> None:
        """Run the model for a moment, in (0, 1), between the two pictures.

        Raises
        ------
        EngineError, DeviceError
            The backend failed.
        """
        if self._given is not None:
            self._given.aim(timestep)
        self._operators.run("between_moment", (1, 1, 1), timestep=self._timestep, moment=timestep)
        self.run(self.first, self.second, self.frame)

    def run(self, first: DeviceArray, second: DeviceArray, frame: DeviceArray | None) -> None:
        """Run the model once, on two pictures as it sees them; its picture goes into `frame`, float32 (1, C, h, w).

        Raises
        ------
        EngineError, DeviceError
            The backend failed.
        """
        self._inputs["first"], self._inputs["second"] = first, second
        if frame is not None:
            self._outputs["frame"] = frame
        self._sessions.current.enqueue(self._inputs, self._outputs, self._operators.stream)

    def settle(self, lanes: int) -> None:
        """Give back the memory that only more lanes would need."""
        self._pictures.settle(lanes)

    def try_run(self, stream: Stream) -> None:
        """Run the model once on whatever its tensors hold; nobody looks at the result."""
        self._sessions.current.enqueue(self._inputs, self._outputs, stream)

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._sessions.use(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._sessions.close()

    def _fill(
        self, picture: View, channel: int, target: View, to_model: Mapping[str, float], matrix: Mapping[str, float]
    ) -> None:
        """Write planes of a picture from `channel` on, or its luma, into planes of at least its size."""
        if picture.planes == 3 and view(self.second).planes == 1:
            self._operators.fill_luma(picture, target, **matrix, **to_model)
        else:
            self._operators.fill(picture, target, first=channel, step=1, **to_model)
