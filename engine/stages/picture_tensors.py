"""Between frames and an enhancer's tensors: one class for models that see luma, one for models that see R'G'B'.

Both keep the window of pictures that the model looks at, and make a frame's planes of what the model returns. Where a
coloured film meets a model of luma, only the *change* that the model makes is added to the film's own R'G'B', so that
full-size chroma detail never passes through half-size planes.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import cv2
import numpy as np

from engine.backends.base import Array
from engine.errors import UnsupportedModelError
from engine.model import Model, TensorSpec
from engine.stages.align import Aligner
from engine.stages.luma import HalfChroma, Plane, add_difference, luma_of
from engine.stages.window import Window, padded_size, write_padded
from engine.types import FrameSpec, PixelFormat, Planes

NEUTRAL = 0.5
"""Cb and Cr of grey."""


class PictureTensors(ABC):
    """Tensors of one enhancer for one size of picture.

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
        self._matrix = spec.color.matrix
        self._blend = blend
        self._scale = card.scale
        self._size = (spec.height, spec.width)
        upscale = upscale or card.scale
        self._made_size = (spec.height * card.scale, spec.width * card.scale)
        self._out_size = (spec.height * upscale, spec.width * upscale)
        self._reduced = np.empty(self._out_size if upscale != card.scale else (0, 0), np.float32)
        self._low, self._span = card.value_range[0], card.value_range[1] - card.value_range[0]
        self.multiple = math.lcm(multiple, 2 if card.color_space == "ycbcr420" else 1)
        self.picture_size = _at_least(padded_size(spec.height, spec.width, self.multiple), fixed_size(model))
        self._frames = card.window[0] + 1 + card.window[1]
        self._windows: dict[str, Window] = {}
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

    def aim(self) -> None:
        """Point `inputs` at the pictures now in the window."""
        for name, window in self._windows.items():
            self.inputs[name] = window.tensor

    def repeat(self) -> None:
        """Let the newest picture stand for one that does not exist."""
        for window in self._windows.values():
            window.repeat()

    def clear(self) -> None:
        """Begin a shot."""
        for window in self._windows.values():
            window.clear()

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


class LumaTensors(PictureTensors):
    """For models of color space `gray` and `ycbcr420`."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        height, width = self.picture_size
        luma_input = picture_tensor(model, model.inputs, "luma")
        self._luma = self._windows[luma_input] = Window(self._frames, 1, height, width)
        self.inputs[luma_input] = self._luma.tensor
        luma_name = picture_tensor(model, model.outputs, "luma_out" if "luma_out" in model.outputs else "luma")
        self._out_luma = np.zeros((1, 1, height * self._scale, width * self._scale), np.float32)
        self.outputs[luma_name] = self._out_luma
        self._chroma: Window | None = None
        if model.card.color_space == "ycbcr420":
            self._open_chroma(height // 2, width // 2)
        if not self._is_gray:
            self._change = np.empty(self._out_size, np.float32)
            self._plane = np.empty(self._size, np.float32)
        self._aligner: Aligner | None = None
        if model.card.aligned == "window":
            self._aligner = Aligner(*model.card.window, height, width)
            self._moved = {name: np.zeros(window.tensor.shape, np.float32) for name, window in self._windows.items()}

    def aim(self) -> None:
        """Point `inputs` at the pictures now in the window, or at these brought along the motion."""
        super().aim()
        if self._aligner is not None:
            self._aligner.write(self._by_frame(self.inputs), self._by_frame(self._moved))
            self.inputs.update(self._moved)

    def repeat(self) -> None:
        """Let the newest picture stand for one that does not exist."""
        super().repeat()
        if self._aligner is not None:
            self._aligner.repeat()

    def clear(self) -> None:
        """Begin a shot."""
        super().clear()
        if self._aligner is not None:
            self._aligner.clear()

    def _by_frame(self, tensors: Mapping[str, Array]) -> list[list[Plane]]:
        """Return each frame's planes, of luma and chroma together."""
        windows = [tensors[name][0] for name in self._windows]
        counts = [len(window) // self._frames for window in windows]
        return [
            [
                plane
                for window, count in zip(windows, counts, strict=True)
                for plane in window[k * count : (k + 1) * count]
            ]
            for k in range(self._frames)
        ]

    def append(self, pixels: Planes) -> None:
        """Put a frame's luma, and chroma where the model wants it, at the new end of the window."""
        slot = self._luma.append()
        if self._is_gray:
            write_padded(pixels[0], slot[0])
        else:
            luma_of(pixels, self._matrix, self._plane)
            write_padded(self._plane, slot[0])
        if self._aligner is not None:
            self._aligner.append(slot[0])
        self._to_model_range(slot)
        if self._chroma is not None:
            self._small_chroma.write(pixels, self._film_chroma)
            slot = self._chroma.append()
            for plane, target in zip(self._film_chroma, slot, strict=True):
                write_padded(plane, target)
            self._to_model_range(slot)

    def finish(self, film: Planes, out: Planes) -> None:
        """Write restored luma, or the film's R'G'B' changed as the model changed luma and chroma."""
        self._from_model_range(self._out_luma[0])
        luma = self._in_out_size(self._out_luma[0, 0, : self._made_size[0], : self._made_size[1]])
        resize_planes(film, out)
        if self._is_gray:
            cv2.addWeighted(luma, self._blend, out[0], 1.0 - self._blend, 0.0, dst=out[0])
        else:
            self._add_change(luma, out)
        np.clip(out, 0.0, 1.0, out=out)

    def _open_chroma(self, height: int, width: int) -> None:
        scale = self._scale
        self._out_chroma = np.zeros((1, 2, height * scale, width * scale), np.float32)
        self.outputs["chroma_out"] = self._out_chroma
        if self._is_gray:
            neutral = self._low + NEUTRAL * self._span
            self.inputs["chroma"] = np.full((1, 2 * self._frames, height, width), neutral, np.float32)
            return
        self._chroma = self._windows["chroma"] = Window(self._frames, 2, height, width)
        self.inputs["chroma"] = self._chroma.tensor
        small = ((self._size[0] + 1) // 2, (self._size[1] + 1) // 2)
        self._film_chroma = np.empty((2, *small), np.float32)
        self._small_chroma = HalfChroma(*small, self._matrix)
        small = ((self._out_size[0] + 1) // 2, (self._out_size[1] + 1) // 2)
        self._base_chroma = np.empty((2, *small), np.float32)
        self._reduced_chroma = np.empty(small, np.float32)
        self._base_half = HalfChroma(*small, self._matrix)
        self._chroma_change = np.empty((2, *self._out_size), np.float32)

    def _add_change(self, luma: Plane, out: Planes) -> None:
        """Add the difference between the model's luma and chroma and those of `out` to `out`."""
        luma_of(out, self._matrix, self._change)
        cv2.addWeighted(luma, self._blend, self._change, -self._blend, 0.0, dst=self._change)
        if self._chroma is None:
            for plane in out:
                cv2.add(plane, self._change, dst=plane)
            return
        self._from_model_range(self._out_chroma[0])
        self._base_half.write(out, self._base_chroma)
        height, width = ((side + 1) // 2 for side in self._made_size)
        for plane, base, full in zip(self._out_chroma[0], self._base_chroma, self._chroma_change, strict=True):
            made = plane[:height, :width]
            if made.shape != base.shape:
                size = (base.shape[1], base.shape[0])
                made = cv2.resize(made, size, dst=self._reduced_chroma, interpolation=cv2.INTER_AREA)
            cv2.addWeighted(made, self._blend, base, -self._blend, 0.0, dst=base)
            cv2.resize(base, (full.shape[1], full.shape[0]), dst=full, interpolation=cv2.INTER_LINEAR)
        add_difference(out, self._change, self._chroma_change, self._matrix)


class RgbTensors(PictureTensors):
    """For models of color space `rgb`; a grey film goes in as three equal planes and comes out as their luma."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        height, width = self.picture_size
        frames = picture_tensor(model, model.inputs, "frames")
        self._window = self._windows[frames] = Window(self._frames, 3, height, width)
        self.inputs[frames] = self._window.tensor
        self._out = np.zeros((1, 3, height * self._scale, width * self._scale), np.float32)
        self.outputs[picture_tensor(model, model.outputs, "frame")] = self._out
        self._plane = np.empty(self._made_size, np.float32)

    def append(self, pixels: Planes) -> None:
        """Put a frame's three planes, or its luma three times, at the new end of the window."""
        slot = self._window.append()
        for channel, target in enumerate(slot):
            write_padded(pixels[min(channel, len(pixels) - 1)], target)
        self._to_model_range(slot)

    def finish(self, film: Planes, out: Planes) -> None:
        """Write the model's picture."""
        self._from_model_range(self._out[0])
        made = self._out[0, :, : self._made_size[0], : self._made_size[1]]
        resize_planes(film, out)
        if self._is_gray:
            luma_of(made, self._matrix, self._plane)
            luma = self._in_out_size(self._plane)
            cv2.addWeighted(luma, self._blend, out[0], 1.0 - self._blend, 0.0, dst=out[0])
        else:
            for plane, target in zip(made, out, strict=True):
                cv2.addWeighted(self._in_out_size(plane), self._blend, target, 1.0 - self._blend, 0.0, dst=target)
        np.clip(out, 0.0, 1.0, out=out)


def picture_tensors(
    model: Model, spec: FrameSpec, blend: float, *, upscale: int | None = None, multiple: int | None = None
) -> PictureTensors:
    """Return the tensors that fit the model's color space; the parameters are those of `PictureTensors`.

    Without `multiple` pictures are padded to the card's `size_multiple`.

    Raises
    ------
    UnsupportedModelError
        No enhancer can have that color space.
    """
    multiple = multiple or model.card.size_multiple
    if model.card.color_space in ("gray", "ycbcr420"):
        return LumaTensors(model, spec, blend, upscale=upscale, multiple=multiple)
    if model.card.color_space == "rgb":
        return RgbTensors(model, spec, blend, upscale=upscale, multiple=multiple)
    raise UnsupportedModelError(
        f"model {model.card.name}: its color space is {model.card.color_space}; an enhancer's is gray, ycbcr420 or rgb"
    )


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


def _at_least(size: tuple[int, int], least: tuple[int | None, int | None]) -> tuple[int, int]:
    return max(size[0], least[0] or 0), max(size[1], least[1] or 0)


def resize_planes(planes: Planes, out: Planes) -> None:
    """Write planes (C, h, w) into `out` (C, H, W): copied where the size is the same, else bicubic."""
    if planes.shape == out.shape:
        np.copyto(out, planes)
        return
    for plane, target in zip(planes, out, strict=True):
        cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_CUBIC)
