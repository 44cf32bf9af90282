"""An interpolation model at one scale: its tensors, its sessions, and one run of it."""

from collections.abc import Mapping

import cv2
import numpy as np

from engine.backends.base import Array, Backend, Profile
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.given_motion import GivenMotion
from engine.stages.luma import Plane
from engine.stages.sessions import Sessions
from engine.stages.window import padded_size, write_padded
from engine.types import Planes


class FlowModel:
    """The tensors and sessions of an interpolation model for pictures of one size.

    Parameters
    ----------
    model : of role `interpolate`
    backend : what it runs on
    size : (height, width) of the pictures given to `fill`
    divisor : how many times smaller the model sees them

    Attributes
    ----------
    first, second : float32 (1, C, h, w), the pictures as the model sees them
    newest : float32 (1, C, h, w), the last picture that came, to be filled plane by plane: the second, or, where the
        model is given motion, the one after it
    look_ahead : pictures that come after the second before motion is asked for
    frame : float32 (1, C, h, w), the picture that the last run made; None where the model makes none
    has_flow : whether it tells the motion
    shape : (5, h, w) of the motion that a run writes: flow (4) and mask (1)
    cell : pixels of the given pictures per value of it
    padded : (height, width) of what the motion covers, at least `size`

    Raises
    ------
    UnsupportedModelError
        The model's tensors are not those of an interpolator.
    """

    def __init__(self, model: Model, backend: Backend, size: tuple[int, int], divisor: int = 1) -> None:
        card = model.card
        self._divisor, self._name = divisor, card.name
        channels = 3 if card.color_space == "rgb" else 1
        self.padded = padded_size(*size, card.size_multiple * divisor)
        self._whole = np.empty(self.padded if divisor > 1 else (0, 0), np.float32)
        seen = (self.padded[0] // divisor, self.padded[1] // divisor)
        self.first = np.zeros((1, channels, *seen), np.float32)
        self.second = self.first.copy()
        self._is_given_motion = "motion" in model.inputs
        self.look_ahead = int(self._is_given_motion)
        self.newest = self.first.copy() if self._is_given_motion else self.second
        self._timestep = np.zeros(1, np.float32)
        self._inputs: dict[str, Array] = {"first": self.first, "second": self.second}
        if card.moments == "any":
            self._inputs["timestep"] = self._timestep
        self._given = GivenMotion(*seen) if self._is_given_motion else None
        if self._given is not None:
            self._inputs |= {"motion": self._given.motion, "evidence": self._given.evidence}
        self._sessions = Sessions(model, backend, Profile({name: array.shape for name, array in self._inputs.items()}))
        self._open_outputs(seen)

    def _open_outputs(self, seen: tuple[int, int]) -> None:
        shapes = self._sessions.current.output_shapes
        self._outputs: dict[str, Array] = {}
        self.frame: Array | None = np.zeros(shapes["frame"], np.float32) if "frame" in shapes else None
        self.has_flow, self.shape, self._seen_cell = motion_grid(self._name, shapes, seen)
        self.cell = self._seen_cell * self._divisor
        self._scratch = np.zeros(self.shape, np.float32)
        self._bind(self._scratch, self.frame)
        for name in shapes:
            if name not in self._outputs:
                self._outputs[name] = np.zeros(shapes[name], np.float32)

    def fill(self, plane: Plane, target: Plane) -> None:
        """Write a plane (h, w) of a picture into a plane of `newest`: reflected at the end, reduced."""
        if self._divisor == 1:
            write_padded(plane, target)
            return
        write_padded(plane, self._whole)
        cv2.resize(self._whole, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_AREA)

    def advance(self) -> None:
        """Let the pictures move up by one; `newest` is then to be filled, or the shot has no further one."""
        if self._given is None:
            self.first, self.second = self.second, self.first
            self.newest = self.second
        else:
            self.first, self.second, self.newest = self.second, self.newest, self.first

    def look(self, *, is_even: bool) -> None:
        """Look at the newest picture, now that it is filled; parameters are those of `MotionField.see`."""
        if self._given is not None:
            self._given.append(self.newest[0, 0], is_even=is_even)

    def finish(self) -> None:
        """Say that the shot has no further picture."""
        if self._given is not None:
            self.advance()
            self._given.finish()

    def clear(self) -> None:
        """Forget the shot."""
        if self._given is not None:
            self._given.clear()

    def look_at(self, first: Array, second: Array) -> None:
        """Look at two pictures (1, C, h, w), of the size that `fill` takes, as if the shot had no others."""
        self.clear()
        for picture in (first, second):
            self.advance()
            for plane, target in zip(picture[0], self.newest[0], strict=True):
                self.fill(plane, target)
            self.look(is_even=False)
        self.finish()

    def begin(self) -> None:
        """Forget the pair before: nothing is kept of it."""

    def find(self, timestep: float, out: Planes) -> None:
        """Write the motion from a moment between the two pictures into `out`, in pixels of the given pictures."""
        self.run(self.first, self.second, timestep, out, self.frame)
        self.enlarge(out)

    def run(self, first: Array, second: Array, timestep: float, out: Planes, frame: Array | None) -> None:
        """Run the model once.

        Parameters
        ----------
        first, second : float32 (1, C, h, w), pictures as the model sees them
        timestep : in (0, 1); a model of the middle alone does not look at it
        out : float32 `shape`, contiguous; flow, in pixels of `first`, and mask are written; a cross-fade where the
            model tells no motion
        frame : float32 (1, C, h, w), where the picture goes; None where the model makes none

        Raises
        ------
        EngineError
            The backend failed.
        """
        self._timestep[0] = timestep
        self._inputs["first"], self._inputs["second"] = first, second
        if self._given is not None:
            self._given.aim(timestep)
        self._bind(out, frame)
        if not self.has_flow:
            still(out, timestep)
        self._sessions.current.enqueue(self._inputs, self._outputs)

    def enlarge(self, motion: Planes) -> None:
        """Turn flow in pixels that the model sees into flow in pixels of the given pictures, in place."""
        if self._divisor != 1 and self.has_flow:
            np.multiply(motion[:4], self._divisor, out=motion[:4])

    @property
    def seen_cell(self) -> int:
        """Pixels that the model sees per value of the motion."""
        return self._seen_cell

    def measure(self, threads: int) -> float:
        """Time one run, seconds."""
        self._timestep[0] = 0.5
        self._bind(self._scratch, self.frame)
        return self._sessions.time(threads, self._inputs, self._outputs)

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._sessions.use(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._sessions.close()

    def _bind(self, motion: Planes, frame: Array | None) -> None:
        if self.has_flow:
            self._outputs["flow"] = motion[None, :4]
            self._outputs["mask"] = motion[None, 4:]
        if frame is not None:
            self._outputs["frame"] = frame


def motion_grid(
    name: str, shapes: Mapping[str, tuple[int, ...]], seen: tuple[int, int]
) -> tuple[bool, tuple[int, int, int], int]:
    """Return whether a model tells motion, the shape (5, h, w) of what it tells, and the pixels it sees per value.

    Parameters
    ----------
    name : of the model, for errors
    shapes : of its outputs
    seen : (height, width) of the pictures that it sees

    Raises
    ------
    UnsupportedModelError
        The motion does not lie on a grid of these pictures.
    """
    if "flow" not in shapes or "mask" not in shapes:
        return False, (5, 1, 1), max(seen)
    height, width = shapes["flow"][2:]
    cell = seen[0] // height
    if (height * cell, width * cell) != seen or shapes["mask"][2:] != (height, width):
        raise UnsupportedModelError(
            f"model {name}: flow {shapes['flow']} and mask {shapes['mask']} for pictures of {seen}; wanted both at an "
            "integer fraction of the size"
        )
    return True, (5, height, width), cell


def still(out: Planes, timestep: float) -> None:
    """Write no motion and a plain cross-fade into `out` (5, h, w)."""
    out[:4] = 0.0
    out[4] = 1.0 - timestep
