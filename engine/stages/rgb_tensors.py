"""Between frames and the tensors of an enhancer that sees R'G'B'."""

import cv2
import numpy as np

from engine.model import Model
from engine.stages.luma import luma_of
from engine.stages.picture_tensors import HostTensors, picture_tensor, resize_planes
from engine.stages.window import write_padded
from engine.types import FrameSpec, Planes


class RgbTensors(HostTensors):
    """For models of color space `rgb`; a grey film goes in as three equal planes and comes out as their luma."""

    def __init__(self, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        height, width = self.picture_size
        self._window = self._open_window(picture_tensor(model, model.inputs, "frames"), 3, height, width)
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
