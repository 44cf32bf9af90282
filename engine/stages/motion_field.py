"""Motion between two frames of the film, asked of an interpolation model, and whether it can be believed."""

from enum import Enum, auto

import cv2
import numpy as np

from engine.backends.base import Array, Backend, Profile
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.luma import Plane, luma_of
from engine.stages.sessions import Sessions
from engine.stages.warp import sample
from engine.stages.window import padded_size, write_padded
from engine.types import FrameSpec, Planes

CHECK_REDUCTION = 4
"""Motion is checked on pictures this many times smaller: a tenth of the cost, and grain averages out."""

MARGIN = 1.15
"""Motion is disbelieved where along it the pictures differ more than this many times as much as standing still."""

NOISE = 0.004
"""Mean difference, of a range of 1, below which two small pictures count as equal."""

STRANGERS = 0.12
"""Mean difference along the motion from which the two pictures show different things, and blending makes a ghost.

Pictures of different films differ by 0.2 to 0.3; neighbours along their motion by 0.01 to 0.05 (see README.md).
"""


class Verdict(Enum):
    """What to do with the motion that a model found."""

    FOLLOW = auto()
    """It explains the second picture at least as well as standing still."""
    CROSS_FADE = auto()
    """It explains less than no motion at all, but the pictures are alike."""
    HOLD = auto()
    """The pictures have nothing in common; only one of them can be shown."""


class MotionField:
    """The tensors and sessions of an interpolation model for one size of picture.

    Parameters
    ----------
    model : of role `interpolate`
    backend : what it runs on
    spec : of the film

    Attributes
    ----------
    shape : (5, h, w) of the array that `find` writes: flow (4) and mask (1)
    cell : full-size pixels per value of it
    gives_frame : whether the model makes the picture by itself

    Raises
    ------
    UnsupportedModelError
        The model's tensors are not those of an interpolator.
    """

    def __init__(self, model: Model, backend: Backend, spec: FrameSpec) -> None:
        card = model.card
        self._is_rgb_model = card.color_space == "rgb"
        self._matrix = spec.color.matrix
        channels = 3 if self._is_rgb_model else 1
        height, width = padded_size(spec.height, spec.width, card.size_multiple)
        self._size = (spec.height, spec.width)
        self._low, self._span = card.value_range[0], card.value_range[1] - card.value_range[0]
        self._plane = np.empty(self._size, np.float32)
        first = np.zeros((1, channels, height, width), np.float32)
        self._timestep = np.zeros(1, np.float32)
        self._inputs: dict[str, Array] = {"first": first, "second": first.copy(), "timestep": self._timestep}
        profile = Profile({name: array.shape for name, array in self._inputs.items()})
        self._sessions = Sessions(model, backend, profile)
        self._outputs: dict[str, Array] = {}
        self._open_outputs(model, (height, width), film_channels=spec.pixels_shape[0])
        self._open_check(height, width)

    def _open_outputs(self, model: Model, padded: tuple[int, int], film_channels: int) -> None:
        shapes, name = self._sessions.current.output_shapes, model.card.name
        self._frame: Planes | None = None
        if "frame" in shapes:
            frame = np.zeros(shapes["frame"], np.float32)
            self._outputs["frame"] = frame
            self._frame = frame[0]
        self.has_flow = "flow" in shapes and "mask" in shapes
        self.gives_frame = self._frame is not None and len(self._frame) >= film_channels
        if self.has_flow:
            height, width = shapes["flow"][2:]
            self.cell = padded[0] // height
            if (height * self.cell, width * self.cell) != padded or shapes["mask"][2:] != (height, width):
                raise UnsupportedModelError(
                    f"model {name}: flow {shapes['flow']} and mask {shapes['mask']} for pictures of {padded}; wanted "
                    "both at an integer fraction of the size"
                )
            self.shape = (5, height, width)
        elif self.gives_frame:
            self.cell, self.shape = max(padded), (5, 1, 1)
        else:
            raise UnsupportedModelError(
                f"model {name}: gives {sorted(shapes)}; wanted flow and mask, or a frame with {film_channels} planes"
            )
        self._scratch = np.zeros(self.shape, np.float32)
        self._bind(self._scratch)
        self._spare = [key for key in shapes if key not in self._outputs]
        for key in self._spare:
            self._outputs[key] = np.zeros(shapes[key], np.float32)

    def _open_check(self, height: int, width: int) -> None:
        small = (-(-height // CHECK_REDUCTION), -(-width // CHECK_REDUCTION))
        self._small = [np.zeros(small, np.float32), np.zeros(small, np.float32)]
        self._small_maps = np.zeros((4, *small), np.float32)
        self._small_change = np.zeros(small, np.float32)
        self._small_warped = np.zeros((2, *small), np.float32)

    def see(self, pixels: Planes) -> None:
        """Make the last frame seen the first, and `pixels` (C, H, W) the second."""
        first, second = self._inputs["second"], self._inputs["first"]
        self._inputs["first"], self._inputs["second"] = first, second
        for channel, target in enumerate(second[0]):
            write_padded(self._plane_of(pixels, channel), target)
        if (self._low, self._span) != (0.0, 1.0):
            np.multiply(second, self._span, out=second)
            np.add(second, self._low, out=second)
        self._small.reverse()
        small = self._small[1]
        middle = second[0, len(second[0]) // 2]
        cv2.resize(middle, (small.shape[1], small.shape[0]), dst=small, interpolation=cv2.INTER_AREA)

    def find(self, timestep: float, out: Planes) -> None:
        """Run the model for a moment between the two frames.

        Parameters
        ----------
        timestep : in (0, 1)
        out : float32 `shape`, contiguous; flow and mask are written in place

        Raises
        ------
        EngineError
            The backend failed.
        """
        self._timestep[0] = timestep
        if self.has_flow:
            self._bind(out)
        else:
            still(out, timestep)
        self._sessions.current.enqueue(self._inputs, self._outputs)

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

    def differences(self, found: Planes) -> tuple[float, float]:
        """Return the mean difference of the two frames along the motion found, and standing still; of a range of 1.

        A difference in the brightness of the whole picture, flicker, does not count.
        """
        first, second = self._small
        size = (first.shape[1], first.shape[0])
        for coarse, target in zip(found[:4], self._small_maps, strict=True):
            if coarse.shape == target.shape:
                np.multiply(coarse, 1.0 / CHECK_REDUCTION, out=target)
            else:
                cv2.resize(coarse, size, dst=target, interpolation=cv2.INTER_AREA)
                np.multiply(target, 1.0 / CHECK_REDUCTION, out=target)
        flow, warped = self._small_maps, self._small_warped
        sample(first, flow[0], flow[1], warped[0])
        sample(second, flow[2], flow[3], warped[1])
        return self._difference(warped[0], warped[1]), self._difference(first, second)

    def judge(self, found: Planes) -> Verdict:
        """Say what to do with the motion in `found`, as `find` wrote it; a picture without motion is trusted."""
        if not self.has_flow:
            return Verdict.FOLLOW
        moved, stood = self.differences(found)
        is_believable = moved <= max(NOISE, MARGIN * stood)
        if min(moved, stood) > STRANGERS:
            return Verdict.HOLD
        return Verdict.FOLLOW if is_believable else Verdict.CROSS_FADE

    def measure(self, threads: int) -> float:
        """Time one run, seconds."""
        self._timestep[0] = 0.5
        self._bind(self._scratch)
        return self._sessions.time(threads, self._inputs, self._outputs)

    def use_threads(self, threads: int) -> None:
        """Run on that many threads from now on."""
        self._sessions.use(threads)

    def close(self) -> None:
        """Close the sessions."""
        self._sessions.close()

    def _difference(self, first: Plane, second: Plane) -> float:
        cv2.subtract(first, second, dst=self._small_change)
        np.subtract(self._small_change, cv2.mean(self._small_change)[0], out=self._small_change)
        return cv2.norm(self._small_change, cv2.NORM_L1) / (self._span * first.size)

    def _plane_of(self, pixels: Planes, channel: int) -> Plane:
        if self._is_rgb_model or len(pixels) == 1:
            return pixels[min(channel, len(pixels) - 1)]
        luma_of(pixels, self._matrix, self._plane)
        return self._plane

    def _bind(self, array: Planes) -> None:
        if self.has_flow:
            self._outputs["flow"] = array[None, :4]
            self._outputs["mask"] = array[None, 4:]


def still(out: Planes, timestep: float) -> None:
    """Write no motion and a plain cross-fade into `out` (5, h, w)."""
    out[:4] = 0.0
    out[4] = 1.0 - timestep
