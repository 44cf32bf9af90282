"""Between frames and an enhancer's tensors: one class for models that see luma, one for models that see R'G'B'.

Both keep the window of pictures that the model looks at, and make a frame's planes of what the model returns. Where a
coloured film meets a model of luma, only the *change* that the model makes is added to the film's own R'G'B', so that
full-size chroma detail never passes through half-size planes.
"""

from abc import ABC, abstractmethod

import cv2
import numpy as np

from engine.backends.base import Array
from engine.errors import UnsupportedModelError
from engine.model import Model
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

    Attributes
    ----------
    inputs, outputs : arrays by tensor name for the picture in the middle of the window
    """

    def __init__(self, model: Model, spec: FrameSpec, blend: float) -> None:
        card = model.card
        self._is_gray = spec.format is PixelFormat.GRAY
        self._matrix = spec.color.matrix
        self._blend = blend
        self._scale = card.scale
        self._size = (spec.height, spec.width)
        self._out_size = (spec.height * card.scale, spec.width * card.scale)
        self._low, self._span = card.value_range[0], card.value_range[1] - card.value_range[0]
        multiple = card.size_multiple
        if card.color_space == "ycbcr420":
            multiple = multiple if multiple % 2 == 0 else multiple * 2
        self._padded = padded_size(spec.height, spec.width, multiple)
        self._frames = card.window[0] + 1 + card.window[1]
        self._windows: dict[str, Window] = {}
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the pictures that the model sees."""
        return self._padded

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

    def __init__(self, model: Model, spec: FrameSpec, blend: float) -> None:
        super().__init__(model, spec, blend)
        height, width = self._padded
        self._luma = self._windows["luma"] = Window(self._frames, 1, height, width)
        self.inputs["luma"] = self._luma.tensor
        luma_name = "luma_out" if "luma_out" in model.outputs else "luma"
        self._out_luma = np.zeros((1, 1, height * self._scale, width * self._scale), np.float32)
        self.outputs[luma_name] = self._out_luma
        self._chroma: Window | None = None
        if model.card.color_space == "ycbcr420":
            self._open_chroma(height // 2, width // 2)
        if not self._is_gray:
            self._change = np.empty(self._out_size, np.float32)
            self._plane = np.empty(self._size, np.float32)

    def append(self, pixels: Planes) -> None:
        """Put a frame's luma, and chroma where the model wants it, at the new end of the window."""
        slot = self._luma.append()
        if self._is_gray:
            write_padded(pixels[0], slot[0])
        else:
            luma_of(pixels, self._matrix, self._plane)
            write_padded(self._plane, slot[0])
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
        luma = self._out_luma[0, 0, : self._out_size[0], : self._out_size[1]]
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
        height, width = self._base_chroma.shape[1:]
        for made, base, full in zip(self._out_chroma[0], self._base_chroma, self._chroma_change, strict=True):
            cv2.addWeighted(made[:height, :width], self._blend, base, -self._blend, 0.0, dst=base)
            cv2.resize(base, (full.shape[1], full.shape[0]), dst=full, interpolation=cv2.INTER_LINEAR)
        add_difference(out, self._change, self._chroma_change, self._matrix)


class RgbTensors(PictureTensors):
    """For models of color space `rgb`; a grey film goes in as three equal planes and comes out as their luma."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float) -> None:
        super().__init__(model, spec, blend)
        height, width = self._padded
        self._window = self._windows["frames"] = Window(self._frames, 3, height, width)
        self.inputs["frames"] = self._window.tensor
        self._out = np.zeros((1, 3, height * self._scale, width * self._scale), np.float32)
        self.outputs["frame"] = self._out
        self._plane = np.empty(self._out_size, np.float32)

    def append(self, pixels: Planes) -> None:
        """Put a frame's three planes, or its luma three times, at the new end of the window."""
        slot = self._window.append()
        for channel, target in enumerate(slot):
            write_padded(pixels[min(channel, len(pixels) - 1)], target)
        self._to_model_range(slot)

    def finish(self, film: Planes, out: Planes) -> None:
        """Write the model's picture."""
        self._from_model_range(self._out[0])
        made = self._out[0, :, : self._out_size[0], : self._out_size[1]]
        resize_planes(film, out)
        if self._is_gray:
            luma_of(made, self._matrix, self._plane)
            cv2.addWeighted(self._plane, self._blend, out[0], 1.0 - self._blend, 0.0, dst=out[0])
        else:
            for plane, target in zip(made, out, strict=True):
                cv2.addWeighted(plane, self._blend, target, 1.0 - self._blend, 0.0, dst=target)
        np.clip(out, 0.0, 1.0, out=out)


def picture_tensors(model: Model, spec: FrameSpec, blend: float) -> PictureTensors:
    """Return the tensors that fit the model's color space.

    Raises
    ------
    UnsupportedModelError
        No enhancer can have that color space.
    """
    if model.card.color_space in ("gray", "ycbcr420"):
        return LumaTensors(model, spec, blend)
    if model.card.color_space == "rgb":
        return RgbTensors(model, spec, blend)
    raise UnsupportedModelError(
        f"model {model.card.name}: its color space is {model.card.color_space}; an enhancer's is gray, ycbcr420 or rgb"
    )


def resize_planes(planes: Planes, out: Planes) -> None:
    """Write planes (C, h, w) into `out` (C, H, W): copied where the size is the same, else bicubic."""
    if planes.shape == out.shape:
        np.copyto(out, planes)
        return
    for plane, target in zip(planes, out, strict=True):
        cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_CUBIC)
