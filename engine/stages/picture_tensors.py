"""Between frames and an enhancer's tensors: what models of luma and of R'G'B' have in common.

The window of pictures that the model looks at is kept here; a frame's planes are made of what the model returns in
`luma_tensors.py` and `rgb_tensors.py`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import cv2
import numpy as np

from engine.backends.base import Array
from engine.model import Model, TensorSpec
from engine.stages.luma import Plane
from engine.stages.window import Window, padded_size
from engine.types import FrameSpec, PixelFormat, Planes


class Follower(Protocol):
    """What goes along with a shot: a window, or what aligns one."""

    def repeat(self) -> None:
        """Let the newest picture stand for one that does not exist."""
        ...

    def clear(self) -> None:
        """Begin a shot."""
        ...


class PictureTensors(ABC):
    """Tensors of one enhancer for one size of picture, wherever they lie.

    Parameters
    ----------
    model : the enhancer
    spec : of the frames that come in
    blend : how much of the model's change is taken, 0 to 1
    upscale : size of the frames that go out ÷ size of those that come in; None: the model's scale. What the model makes
        larger is reduced by area
    multiple : the pictures that the model sees are padded to multiples of this

    Attributes
    ----------
    inputs, outputs : arrays by tensor name for the picture in the middle of the window
    multiple : of the height and width of the pictures that the model sees
    picture_size : height and width of the pictures that the model sees
    """

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        card = model.card
        self._is_gray = spec.format is PixelFormat.GRAY
        self._blend, self._scale = blend, card.scale
        self._size = (spec.height, spec.width)
        upscale = upscale or card.scale
        self._made_size = (spec.height * card.scale, spec.width * card.scale)
        self._out_size = (spec.height * upscale, spec.width * upscale)
        self._low, self._span = card.value_range[0], card.value_range[1] - card.value_range[0]
        self.multiple = math.lcm(multiple, 2 if card.color_space == "ycbcr420" else 1)
        self.picture_size = at_least(padded_size(spec.height, spec.width, self.multiple), fixed_size(model))
        self._frames, self._middle = card.window[0] + 1 + card.window[1], card.window[0]
        self._followers: list[Follower] = []
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}

    @abstractmethod
    def append(self, pixels: Planes) -> None:
        """Put a frame's planes at the new end of the window."""

    @abstractmethod
    def finish(self, film: Planes, out: Planes) -> None:
        """Write the planes of the restored frame into `out`.

        Parameters
        ----------
        film : float32 (C, H, W), the frame as it came in
        out : float32 (C, sH, sW), written in place
        """

    @abstractmethod
    def pass_through(self, film: Planes, out: Planes) -> None:
        """Write the film's own planes, in the size of the frames that go out, into `out`; arguments as in `finish`."""

    @abstractmethod
    def aim(self) -> None:
        """Let `inputs` be the pictures now in the window."""

    def repeat(self) -> None:
        """Let the newest picture stand for one that does not exist."""
        for follower in self._followers:
            follower.repeat()

    def clear(self) -> None:
        """Begin a shot."""
        for follower in self._followers:
            follower.clear()


class HostTensors(PictureTensors):
    """Those of the host; the parameters are the same."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        self._matrix = spec.color.matrix
        self._reduced = np.empty(self._out_size if self._out_size != self._made_size else (0, 0), np.float32)
        self._windows: dict[str, Window] = {}

    def pass_through(self, film: Planes, out: Planes) -> None:
        """Copy, or enlarge."""
        resize_planes(film, out)

    def aim(self) -> None:
        """Point `inputs` at the pictures now in the window."""
        for name, window in self._windows.items():
            self.inputs[name] = window.tensor

    def _open_window(self, name: str, channels: int, height: int, width: int) -> Window:
        window = self._windows[name] = Window(self._frames, channels, height, width)
        self._followers.append(window)
        self.inputs[name] = window.tensor
        return window

    def _in_out_size(self, made: Plane) -> Plane:
        """Return what the model made, or that reduced by area; the same scratch at every call."""
        if self._made_size == self._out_size:
            return made
        size = (self._out_size[1], self._out_size[0])
        cv2.resize(made, size, dst=self._reduced, interpolation=cv2.INTER_AREA)
        return self._reduced

    def _to_model_range(self, planes: Planes) -> None:
        if (self._low, self._span) != (0.0, 1.0):
            np.multiply(planes, self._span, out=planes)
            np.add(planes, self._low, out=planes)

    def _from_model_range(self, planes: Planes) -> None:
        if (self._low, self._span) != (0.0, 1.0):
            np.subtract(planes, self._low, out=planes)
            np.multiply(planes, 1.0 / self._span, out=planes)


def picture_tensor(model: Model, tensors: Mapping[str, TensorSpec], name: str) -> str:
    """Return the name of a picture's tensor: as the contract has it, or in a file without metadata its only picture."""
    if name in tensors or not model.card.assumed:
        return name
    return next(name for name, tensor in tensors.items() if len(tensor.shape) == 4)


def fixed_size(model: Model) -> tuple[int | None, int | None]:
    """Return the height and width that an enhancer's file fixes for its (first) picture; None where they may change."""
    shapes = (tensor.shape for tensor in model.inputs.values() if len(tensor.shape) == 4)
    height, width = next(shapes, (None,) * 4)[2:]
    return height, width


def at_least(size: tuple[int, int], least: tuple[int | None, int | None]) -> tuple[int, int]:
    """Return a size, or where a least one is given the larger of both, axis by axis."""
    return max(size[0], least[0] or 0), max(size[1], least[1] or 0)


def resize_planes(planes: Planes, out: Planes) -> None:
    """Write planes (C, h, w) into `out` (C, H, W): copied where the size is the same, else bicubic."""
    if planes.shape == out.shape:
        np.copyto(out, planes)
        return
    for plane, target in zip(planes, out, strict=True):
        cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_CUBIC)
