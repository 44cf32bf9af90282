"""Between frames and the tensors of an enhancer that sees luma, with or without half-size chroma.

Where a coloured film meets such a model, only the *change* that the model makes is added to the film's own R'G'B', so
that full-size chroma detail never passes through half-size planes.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from engine.backends.base import Array
from engine.model import Model
from engine.stages.align import Aligner
from engine.stages.luma import HalfChroma, Plane, add_difference, luma_of
from engine.stages.picture_tensors import HostTensors, picture_tensor, resize_planes
from engine.stages.window import Window, write_padded
from engine.types import FrameSpec, Planes

NEUTRAL = 0.5
"""Cb and Cr of grey."""


class LumaTensors(HostTensors):
    """For models of color space `gray` and `ycbcr420`."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        height, width = self.picture_size
        self._luma = self._open_window(picture_tensor(model, model.inputs, "luma"), 1, height, width)
        luma_name = picture_tensor(model, model.outputs, "luma_out" if "luma_out" in model.outputs else "luma")
        self._out_luma = np.zeros((1, 1, height * self._scale, width * self._scale), np.float32)
        self.outputs[luma_name] = self._out_luma
        self._chroma: Window | None = None
        if model.card.color_space == "ycbcr420":
            self._open_chroma(height // 2, width // 2)
        if not self._is_gray:
            self._change = np.empty(self._out_size, np.float32)
            self._plane = np.empty(self._size, np.float32)
        self._keeps_restored = model.card.past == "restored"
        self._aligner: Aligner | None = None
        if model.card.aligned == "window":
            self._aligner = Aligner(*model.card.window, height, width)
            self._followers.append(self._aligner)
            self._moved = {name: np.zeros(window.tensor.shape, np.float32) for name, window in self._windows.items()}

    def aim(self) -> None:
        """Point `inputs` at the pictures now in the window, or at these brought along the motion."""
        super().aim()
        if self._aligner is not None:
            self._aligner.write(self._by_frame(self.inputs), self._by_frame(self._moved))
            self.inputs.update(self._moved)

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
        if self._keeps_restored:
            self._keep_restored()
        self._from_model_range(self._out_luma[0])
        luma = self._in_out_size(self._out_luma[0, 0, : self._made_size[0], : self._made_size[1]])
        resize_planes(film, out)
        if self._is_gray:
            cv2.addWeighted(luma, self._blend, out[0], 1.0 - self._blend, 0.0, dst=out[0])
        else:
            self._add_change(luma, out)
        np.clip(out, 0.0, 1.0, out=out)

    def _keep_restored(self) -> None:
        """Put what the model made where the middle picture stood: as the past of those to come."""
        highest = self._low + self._span
        np.clip(self._out_luma[0, 0], self._low, highest, out=self._luma.tensor[0, self._middle])
        if self._chroma is not None:
            place = np.s_[0, 2 * self._middle : 2 * self._middle + 2]
            np.clip(self._out_chroma[0], self._low, highest, out=self._chroma.tensor[place])

    def _open_chroma(self, height: int, width: int) -> None:
        scale = self._scale
        self._out_chroma = np.zeros((1, 2, height * scale, width * scale), np.float32)
        self.outputs["chroma_out"] = self._out_chroma
        if self._is_gray:
            neutral = self._low + NEUTRAL * self._span
            self.inputs["chroma"] = np.full((1, 2 * self._frames, height, width), neutral, np.float32)
            return
        self._chroma = self._open_window("chroma", 2, height, width)
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
