"""Motion between two frames on a device: the twin of `engine/stages/motion_field.py`.

What the processor decides between two runs of the model is decided on the device behind them: the host gives all work
of a moment to the stream at once, and never learns what became of it before the picture leaves. So motion is looked for
at half the size always, not only where there is doubt, and a picture that holds is made like any other.
"""

from collections import Counter
from collections.abc import Mapping
from copy import copy
from typing import Self

from engine.backends.base import Backend
from engine.device.base import DeviceArray, Stream
from engine.device.operators import Operators, View, view
from engine.device.pool import as_planes, on_device
from engine.model import Model, ModelCard
from engine.stages.bisection import nearest_moment
from engine.stages.device.bisection import DeviceBisection, motion_parts
from engine.stages.device.flow_model import DeviceFlowModel
from engine.stages.device.motion_check import DeviceMotionCheck
from engine.stages.luma import COEFFICIENTS
from engine.stages.motion_check import Verdict
from engine.stages.motion_field import BETTER, DOUBTFUL
from engine.stages.motion_scale import divisor_for, frame_serves, looks_twice
from engine.types import FrameSpec, Planes

HALF = 2
"""Pixels to one of the second look."""

UNCHANGED = {"gain": 1.0, "offset": 0.0}


class DeviceMotionField:
    """The motion that a model finds between two pictures of a film.

    Parameters and attributes are those of `MotionField`; planes lie on the device.

    Parameters
    ----------
    operators : of the stage's stream
    lanes : that the stage may have
    """

    def __init__(
        self,
        operators: Operators,
        model: Model,
        backend: Backend,
        spec: FrameSpec,
        *,
        scale: float | None = None,
        lanes: int = 1,
    ) -> None:
        low, high = model.card.value_range
        k = COEFFICIENTS[spec.color.matrix]
        self._operators, self._matrix = operators, {"kr": k.kr, "kb": k.kb}
        self._to_model = {"gain": high - low, "offset": low}
        self._from_model = {"gain": 1.0 / (high - low), "offset": -low / (high - low)}
        operators.prepare("between_motion", "between_take", "warp_blend")
        self._divisor = divisor_for(model, backend, spec, scale)
        size, self._card = (spec.height, spec.width), model.card
        self._fine = fine = DeviceFlowModel(operators, model, backend, size, self._divisor, lanes=lanes)
        self._find_fine = _finder(operators, fine, model.card)
        self._is_middle_model = model.card.moments == "middle"
        frame = None if fine.frame is None else fine.frame.shape
        self._frame_serves = frame_serves(model, spec, self._divisor, frame, has_flow=fine.has_flow)
        self.shape, self.cell, self.look_ahead = fine.shape, fine.cell, fine.look_ahead
        self._coarse: DeviceCoarseLook | None = None
        if looks_twice(scale, fine.first.shape, has_flow=fine.has_flow):
            self._coarse = DeviceCoarseLook(operators, model, backend, fine, lanes=lanes)
        self._again = fine.flow if self._coarse is None else self._coarse.motion
        self._check = DeviceMotionCheck(
            operators,
            *fine.padded,
            high - low,
            divisor=self._divisor,
            looks_twice=self._coarse is not None,
            doubtful=DOUBTFUL,
            better=BETTER,
            lanes=lanes,
        )
        self._is_new_pair = True
        self._pictures_alone = 0

    def beside(self) -> Self:
        """Return the field of another lane: it sees the same pictures; all that follows of a pair is its own.

        Pictures are given to either: the newest to that which is then asked about the pair. `see` and `finish` touch
        what both share (`engine/device/README.md`, 11).
        """
        other = copy(self)
        other._fine = fine = self._fine.beside()
        other._find_fine = _finder(self._operators, fine, self._card)
        other._coarse = None if self._coarse is None else self._coarse.beside(fine)
        other._again = fine.flow if other._coarse is None else other._coarse.motion
        other._check = self._check.beside()
        other._is_new_pair, other._pictures_alone = True, 0
        return other

    def settle(self, lanes: int) -> None:
        """Say how many lanes there are; called once, before the first picture comes."""
        for part in (self._fine, self._check, self._coarse):
            if part is not None:
                part.settle(lanes)

    def try_run(self, stream: Stream) -> None:
        """Run the model once on whatever its tensors hold; nobody looks at the result."""
        self._fine.try_run(stream)

    @property
    def verdicts(self) -> Counter[Verdict]:
        """What was done, how often, as far as the device has come."""
        if not self._fine.has_flow:
            return Counter({Verdict.FOLLOW: self._pictures_alone})
        return self._check.verdicts

    def see(self, pixels: Planes, *, is_even: bool = False) -> None:
        """Take the shot's next frame; parameters are those of `MotionField.see`."""
        self._fine.see(view(on_device(pixels)), self._to_model, self._matrix, is_even=is_even)
        if self._coarse is not None:
            self._coarse.see(self._matrix)
        self._begin_pair()

    def finish(self) -> None:
        """Say that the shot has no further frame; with `look_ahead` the pair is now its last two."""
        self._fine.finish()
        if self._coarse is not None:
            self._coarse.finish()
        self._begin_pair()

    def clear(self) -> None:
        """Forget the shot."""
        self._fine.clear()
        if self._coarse is not None:
            self._coarse.clear()

    def _begin_pair(self) -> None:
        self._check.see(self._fine.checked)
        self._find_fine.begin()
        if self._coarse is not None:
            self._coarse.begin()
        self._is_new_pair = True

    def nearest(self, timestep: float) -> float:
        """Return the moment nearest to `timestep` that the model can serve; 0 and 1 are the two frames themselves."""
        return nearest_moment(timestep) if self._is_middle_model else timestep

    def find(self, timestep: float, out: Planes) -> Verdict:
        """Run the model for a moment between the two frames; write the motion that is to be used.

        Parameters and errors are those of `MotionField.find`.

        Returns
        -------
        What is to be done with `out` and with the picture of the moment: always `FOLLOW`. Where the device decides
        otherwise, `out` holds what is followed then: no motion, and a mask that fades, or shows the nearer picture.
        """
        self._find_fine.find(timestep)
        flow, mask = view(self._find_fine.flow), view(self._find_fine.mask)
        if self._coarse is not None:
            self._coarse.find(timestep)
        if self._fine.has_flow:
            self._check.decide(flow, self._again, is_new_pair=self._is_new_pair)
        else:
            self._pictures_alone += 1
        self._operators.run(
            "between_motion",
            flow.area,
            flow=flow,
            mask=mask,
            again=self._again,
            decision=self._check.decision,
            motion=on_device(out),
            width=flow.width,
            height=flow.height,
            is_told=int(self._fine.has_flow),
            times=float(self._divisor),
            timestep=timestep,
        )
        self._is_new_pair = False
        return Verdict.FOLLOW

    def parts(self, motion: Planes) -> tuple[Planes, Planes]:
        """Return flow and mask of what `find` wrote."""
        flow, mask = motion_parts(on_device(motion))
        return as_planes(flow), as_planes(mask)

    def write(self, first: Planes, second: Planes, motion: Planes, out: Planes) -> None:
        """Write the picture of the last moment found into `out`; parameters are those of `MotionField.write`."""
        target = view(on_device(out))
        if self._fine.has_flow:
            self._blend(view(on_device(first)), view(on_device(second)), on_device(motion), target)
        if self._frame_serves and self._find_fine.frame is not None:
            self._take(view(self._find_fine.frame), target)

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._fine.use_threads(threads)
        if self._coarse is not None:
            self._coarse.use_threads(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._fine.close()
        if self._coarse is not None:
            self._coarse.close()

    def _blend(self, first: View, second: View, motion: DeviceArray, target: View) -> None:
        flow, mask = (view(part) for part in motion_parts(motion))
        self._operators.blend(first.array, second.array, flow, mask.array, target, cell=self.cell)

    def _take(self, made: View, target: View) -> None:
        """Write the picture that the model made, if its motion is followed."""
        self._operators.run(
            "between_take",
            target.area,
            tensor=made,
            decision=self._check.decision,
            out=target,
            width=target.width,
            height=target.height,
            planes=target.planes,
            tensor_planes=made.planes,
            **made.strides("tensor_"),
            **target.strides(),
            **self._matrix,
            **self._from_model,
        )


class DeviceCoarseLook:
    """The same model on the same two pictures at half the size at which another sees them.

    Parameters
    ----------
    operators : of the stage's stream
    model, backend : what to run on what
    fine : whose pictures are looked at, and whose form the motion is given
    lanes : that the stage may have

    Attributes
    ----------
    motion : float32, `fine.shape`: what was found, in pixels that `fine` sees
    """

    def __init__(
        self, operators: Operators, model: Model, backend: Backend, fine: DeviceFlowModel, *, lanes: int = 1
    ) -> None:
        operators.prepare("between_enlarge")
        height, width = fine.second.shape[2:]
        self._operators, self._fine, self._card = operators, fine, model.card
        self._half = DeviceFlowModel(operators, model, backend, (height, width), HALF, lanes=lanes)
        self._find_half = _finder(operators, self._half, model.card)
        self._times = self._half.cell // fine.seen_cell
        self.motion = operators.zeros(*fine.shape)

    def beside(self, fine: DeviceFlowModel) -> Self:
        """Return the look of another lane, beside the model of that lane."""
        other = copy(self)
        other._fine, other._half = fine, self._half.beside()
        other._find_half = _finder(self._operators, other._half, self._card)
        other.motion = self._operators.zeros(*self.motion.shape)
        return other

    def settle(self, lanes: int) -> None:
        """Give back the memory that only more lanes would need."""
        self._half.settle(lanes)

    def see(self, matrix: Mapping[str, float]) -> None:
        """Take the newest picture that the other sees; what surrounds a pair is left out, as on the processor."""
        self._half.see(view(self._fine.newest), UNCHANGED, matrix)

    def finish(self) -> None:
        """Say that the shot has no further picture."""
        self._half.finish()

    def clear(self) -> None:
        """Forget the shot."""
        self._half.clear()

    def begin(self) -> None:
        """Forget the pair before."""
        self._find_half.begin()

    def find(self, timestep: float) -> None:
        """Write `motion` for a moment between the two."""
        self._find_half.find(timestep)
        flow, motion = view(self._find_half.flow), view(self.motion)
        self._operators.run(
            "between_enlarge",
            motion.domain,
            flow=flow,
            mask=self._find_half.mask,
            motion=motion,
            from_width=flow.width,
            from_height=flow.height,
            times=self._times,
            width=motion.width,
            height=motion.height,
            gain=float(HALF),
        )

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._half.use_threads(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._half.close()


def _finder(operators: Operators, model: DeviceFlowModel, card: ModelCard) -> DeviceFlowModel | DeviceBisection:
    return DeviceBisection(operators, model, card.name) if card.moments == "middle" else model
