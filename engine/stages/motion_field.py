"""Motion between two frames of the film, asked of an interpolation model at the scale that suits the film."""

from collections import Counter
from typing import Protocol

import cv2
import numpy as np

from engine.backends.base import Array, Backend
from engine.model import Model, ModelCard
from engine.stages.bisection import Bisection, nearest_moment
from engine.stages.flow_model import FlowModel, still
from engine.stages.luma import Plane, luma_of
from engine.stages.motion_check import Differences, MotionCheck, Verdict
from engine.stages.motion_scale import divisor_for, frame_serves, looks_twice
from engine.stages.warp import Warper
from engine.types import FrameSpec, Planes

DOUBTFUL = 0.05
"""Mean difference along the motion from which it is looked for at half the size too: it may be too large to find."""

BETTER = 0.95
"""Motion found at half the size is taken where along it the pictures differ less than this share of the other."""


class Finder(Protocol):
    """What finds motion between two pictures."""

    frame: Array | None

    def begin(self) -> None:
        """Forget the pair before."""
        ...

    def find(self, timestep: float, out: Planes) -> None:
        """Write the motion from a moment between the two into `out`; the moment's picture, if any, is then `frame`."""
        ...


class MotionField:
    """The motion that a model finds between two pictures of a film.

    Where no scale is asked for, motion that explains little is looked for once more at half the size, where twice as
    much lies within the model's reach; which of the two serves is decided once for each pair of pictures.

    Parameters
    ----------
    model : of role `interpolate`
    backend : what it runs on
    spec : of the film
    scale : size at which the model sees pictures ÷ theirs: 1, 0.5 or 0.25; None chooses

    Attributes
    ----------
    shape : (5, h, w) of the array that `find` writes: flow (4) and mask (1)
    look_ahead : frames that come after the second of a pair before motion between the two is asked for
    cell : full-size pixels per value of it
    verdicts : what was done so far, how often

    Raises
    ------
    UnsupportedModelError
        The model's tensors are not those of an interpolator.
    ConfigError
        A scale below 1 was asked of a model that tells no motion.
    """

    def __init__(self, model: Model, backend: Backend, spec: FrameSpec, *, scale: float | None = None) -> None:
        card = model.card
        self._is_rgb_model = card.color_space == "rgb"
        self._is_middle_model = card.moments == "middle"
        self._matrix = spec.color.matrix
        self._size = (spec.height, spec.width)
        self._low, self._span = card.value_range[0], card.value_range[1] - card.value_range[0]
        self._plane = np.empty(self._size, np.float32)
        divisor = divisor_for(model, backend, spec, scale)
        self._fine = fine = FlowModel(model, backend, self._size, divisor)
        self._find_fine = _finder(fine, card)
        frame = None if fine.frame is None else fine.frame.shape
        self._frame_serves = frame_serves(model, spec, divisor, frame, has_flow=fine.has_flow)
        self.shape, self.cell, self.look_ahead = fine.shape, fine.cell, fine.look_ahead
        self._check = MotionCheck(*fine.padded, self._span)
        self._coarse: CoarseLook | None = None
        if looks_twice(scale, fine.first.shape, has_flow=fine.has_flow):
            self._coarse = CoarseLook(model, backend, fine)
        self._takes_coarse: bool | None = None
        self._frame: Planes | None = None
        self._warper = Warper(*self._size)
        self.verdicts: Counter[Verdict] = Counter()

    @property
    def gives_frame(self) -> bool:
        """Whether the last `find` left a picture of full size that is to be shown, for `write_frame`."""
        return self._frame is not None

    def see(self, pixels: Planes, *, is_even: bool = False) -> None:
        """Take the shot's next frame.

        The pair that motion is asked for is then this frame and the one before it, or with `look_ahead` the one before
        that and the one before it.

        Parameters
        ----------
        pixels : (C, H, W)
        is_even : whether the frame is as far from the one before as that was from the one before it, so that motion
            there says how motion goes on here
        """
        self._fine.advance()
        newest = self._fine.newest[0]
        for channel, target in enumerate(newest):
            self._fine.fill(self._plane_of(pixels, channel), target)
        if (self._low, self._span) != (0.0, 1.0):
            np.multiply(newest, self._span, out=newest)
            np.add(newest, self._low, out=newest)
        self._fine.look(is_even=is_even)
        self._begin_pair()

    def finish(self) -> None:
        """Say that the shot has no further frame; with `look_ahead` the pair is now its last two."""
        self._fine.finish()
        self._begin_pair()

    def clear(self) -> None:
        """Forget the shot."""
        self._fine.clear()

    def _begin_pair(self) -> None:
        second = self._fine.second[0]
        self._check.see(second[len(second) // 2])
        self._find_fine.begin()
        self._takes_coarse = None

    def nearest(self, timestep: float) -> float:
        """Return the moment nearest to `timestep` that the model can serve; 0 and 1 are the two frames themselves."""
        return nearest_moment(timestep) if self._is_middle_model else timestep

    def find(self, timestep: float, out: Planes) -> Verdict:
        """Run the model for a moment between the two frames.

        Parameters
        ----------
        timestep : in (0, 1), a moment that `nearest` gives
        out : float32 `shape`, contiguous; flow and mask are written in place: the motion that is to be used. After
            `HOLD` there is none

        Raises
        ------
        EngineError
            The backend failed.
        """
        verdict = self._judge(timestep, out)
        self.verdicts[verdict] += 1
        if verdict is Verdict.CROSS_FADE:
            still(out, timestep)
        if verdict is not Verdict.FOLLOW:
            self._frame = None
        return verdict

    def parts(self, motion: Planes) -> tuple[Planes, Planes]:
        """Return flow and mask of what `find` wrote."""
        return motion[:4], motion[4:]

    def write(self, first: Planes, second: Planes, motion: Planes, out: Planes) -> None:
        """Write the picture of the last moment found into `out`.

        Parameters
        ----------
        first, second : float32 (C, H, W), of the film
        motion : as `find` wrote it
        out : float32 (C, H, W); aliases neither of them
        """
        if self.gives_frame:
            self.write_frame(out)
            return
        self._warper.aim(*self.parts(motion), self.cell)
        for before, after, target in zip(first, second, out, strict=True):
            self._warper.blend(before, after, target)

    def _judge(self, timestep: float, out: Planes) -> Verdict:
        """Run the model; write its motion into `out` and say whether it can be believed."""
        if self._takes_coarse and self._coarse is not None:
            self._coarse.find(timestep, out)
            self._frame = None
            return self._check.differences(out).verdict
        self._find_fine.find(timestep, out)
        frame = self._find_fine.frame
        self._frame = frame[0] if frame is not None and self._frame_serves else None
        if not self._fine.has_flow:
            return Verdict.FOLLOW
        found = self._check.differences(out)
        if self._coarse is not None and self._takes_coarse is None:
            self._takes_coarse = False
            if found.moved > DOUBTFUL:
                found = self._look_again(self._coarse, timestep, out, found)
        return found.verdict

    def _look_again(self, coarse: "CoarseLook", timestep: float, out: Planes, found: Differences) -> Differences:
        """Look at half the size; write what was found there into `out` where it explains clearly more."""
        coarse.begin()
        coarse.find(timestep, coarse.motion)
        again = self._check.differences(coarse.motion)
        if again.moved >= BETTER * found.moved:
            return found
        np.copyto(out, coarse.motion)
        self._takes_coarse, self._frame = True, None
        return again

    def write_frame(self, out: Planes) -> None:
        """Write the picture that the model made into `out` (C, H, W)."""
        assert self._frame is not None
        height, width = self._size
        if len(out) == 1 and len(self._frame) == 3:
            luma_of(self._frame[:, :height, :width], self._matrix, out[0])
        else:
            np.copyto(out, self._frame[:, :height, :width])
        if (self._low, self._span) != (0.0, 1.0):
            np.subtract(out, self._low, out=out)
            np.multiply(out, 1.0 / self._span, out=out)
        np.clip(out, 0.0, 1.0, out=out)

    def measure(self, threads: int) -> float:
        """Time one run, seconds."""
        return self._fine.measure(threads)

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

    def _plane_of(self, pixels: Planes, channel: int) -> Plane:
        if self._is_rgb_model or len(pixels) == 1:
            return pixels[min(channel, len(pixels) - 1)]
        luma_of(pixels, self._matrix, self._plane)
        return self._plane


class CoarseLook:
    """The same model on the same two pictures at half the size at which another sees them.

    Parameters
    ----------
    model, backend : what to run on what
    fine : whose pictures are looked at, and whose form the motion is given

    Attributes
    ----------
    motion : float32, `fine.shape`; scratch for what is found
    """

    def __init__(self, model: Model, backend: Backend, fine: FlowModel) -> None:
        seen = fine.first.shape[2:]
        self._fine = fine
        self._half = FlowModel(model, backend, (seen[0], seen[1]), 2)
        self._find_half = _finder(self._half, model.card)
        self._found = np.zeros(self._half.shape, np.float32)
        rows, columns = self._half.shape[1:]
        times = self._half.cell // fine.seen_cell
        self._enlarged = np.zeros((rows * times, columns * times), np.float32)
        self.motion = np.zeros(fine.shape, np.float32)

    def begin(self) -> None:
        """Look at the pair of pictures that the other sees now."""
        self._half.look_at(self._fine.first, self._fine.second)
        self._find_half.begin()

    def find(self, timestep: float, out: Planes) -> None:
        """Write the motion as the other would, float32 `fine.shape`, in full-size pixels."""
        self._find_half.find(timestep, self._found)
        rows, columns = out.shape[1:]
        size = (self._enlarged.shape[1], self._enlarged.shape[0])
        for plane, target in zip(self._found, out, strict=True):
            cv2.resize(plane, size, dst=self._enlarged, interpolation=cv2.INTER_LINEAR)
            np.copyto(target, self._enlarged[:rows, :columns])
        self._fine.enlarge(out)

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._half.use_threads(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._half.close()


def _finder(model: FlowModel, card: ModelCard) -> Finder:
    return Bisection(model, card.name) if card.moments == "middle" else model
