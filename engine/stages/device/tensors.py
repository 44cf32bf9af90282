"""Between frames and an enhancer's tensors on a device: the twin of `luma_tensors.py` and `rgb_tensors.py`."""

from abc import abstractmethod
from copy import copy
from typing import Self

import numpy as np

from engine.device.operators import Operators, View, view
from engine.device.pool import as_planes, on_device
from engine.model import Model
from engine.stages.device.align import DeviceAligner
from engine.stages.device.window import DeviceWindow
from engine.stages.luma import COEFFICIENTS
from engine.stages.luma_tensors import NEUTRAL
from engine.stages.picture_tensors import PictureTensors, picture_tensor
from engine.types import FrameSpec, Planes


class DeviceTensors(PictureTensors):
    """Those of a device: `inputs`, `outputs` and the planes that methods are given lie there.

    Parameters and attributes are those of `PictureTensors`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(
        self, operators: Operators, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int
    ) -> None:
        super().__init__(model, spec, blend, upscale=upscale, multiple=multiple)
        self._operators, self._model = operators, model
        matrix = COEFFICIENTS[spec.color.matrix]
        self._matrix = {"kr": matrix.kr, "kb": matrix.kb}
        self._to_model = {"gain": self._span, "offset": self._low}
        self._from_model = {"gain": 1.0 / self._span, "offset": -self._low / self._span}
        self._windows: dict[str, DeviceWindow] = {}
        operators.prepare("resize_area", "resize_bicubic")

    def beside(self) -> Self:
        """Return tensors of another lane, of the same pictures, with inputs, outputs and scratch of their own.

        Pictures may be given to either of them. All but `finish` and `pass_through` touches what both share
        (`engine/device/README.md`, 11).
        """
        other = copy(self)
        other._windows = {name: window.beside() for name, window in self._windows.items()}
        other.inputs = self.inputs | {name: as_planes(window.tensor) for name, window in other._windows.items()}
        other.outputs = {}
        other._open_outputs()
        return other

    @abstractmethod
    def _open_outputs(self) -> None:
        """Make what belongs to one lane: the model's outputs, and scratch for what is made of them."""

    def aim(self) -> None:
        """Fill `inputs` with the pictures now in the window."""
        for window in self._windows.values():
            window.gather()

    def pass_through(self, film: Planes, out: Planes) -> None:
        """Copy, or enlarge."""
        source, target = view(on_device(film)), view(on_device(out))
        if (source.height, source.width) == (target.height, target.width):
            self._operators.copy(source.array, target.array)
        else:
            self._operators.resize("resize_bicubic", source, target)

    def _open_window(self, name: str, channels: int, height: int, width: int) -> DeviceWindow:
        window = self._windows[name] = DeviceWindow(self._operators, self._frames, channels, height, width)
        self._followers.append(window)
        self.inputs[name] = as_planes(window.tensor)
        return window

    def _open_output(self, name: str, channels: int, height: int, width: int) -> View:
        array = self._operators.zeros(1, channels, height * self._scale, width * self._scale)
        self.outputs[name] = as_planes(array)
        return view(array)

    def _reducer(self, channels: int, size: tuple[int, int]) -> View | None:
        """Return memory for what the model makes larger than was asked for; None where it makes just that."""
        return None if self._made_size == self._out_size else view(self._operators.zeros(channels, *size))

    def _in_out_size(self, made: View, reduced: View | None) -> View:
        """Return what the model made, or that reduced by area."""
        if reduced is None:
            return made
        self._operators.resize("resize_area", made, reduced)
        return reduced


class DeviceLumaTensors(DeviceTensors):
    """For models of color space `gray` and `ycbcr420`."""

    def __init__(
        self, operators: Operators, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int
    ) -> None:
        super().__init__(operators, model, spec, blend, upscale=upscale, multiple=multiple)
        operators.prepare(
            "tensor_fill",
            "tensor_fill_luma",
            "tensor_fill_chroma",
            "tensor_take",
            "tensor_add_luma",
            "tensor_add_ycbcr",
            "chroma_change",
            "tensor_clip",
        )
        card, (height, width) = model.card, self.picture_size
        self._luma = self._open_window(picture_tensor(model, model.inputs, "luma"), 1, height, width)
        self._chroma: DeviceWindow | None = None
        if card.color_space == "ycbcr420":
            self._open_chroma(height // 2, width // 2)
        self._open_outputs()
        self._keeps_restored = card.past == "restored"
        self._aligner: DeviceAligner | None = None
        if card.aligned == "window":
            self._aligner = DeviceAligner(operators, *card.window, height, width, has_chroma=self._chroma is not None)
            self._followers.append(self._aligner)

    def append(self, pixels: Planes) -> None:
        """Put a frame's luma, and chroma where the model wants it, at the new end of the window."""
        film, slot = view(on_device(pixels)), self._luma.append()
        if self._aligner is not None:
            self._fill(film, slot, {})
            self._aligner.append(slot)
        if self._aligner is None or (self._low, self._span) != (0.0, 1.0):
            self._fill(film, slot, self._to_model)
        if self._chroma is not None:
            slot = self._chroma.append()
            self._operators.run(
                "tensor_fill_chroma",
                slot.area,
                rgb=film,
                tensor=slot,
                width=film.width,
                height=film.height,
                **film.strides(),
                tensor_width=slot.width,
                tensor_height=slot.height,
                **slot.strides("tensor_"),
                **self._matrix,
                **self._to_model,
            )

    def aim(self) -> None:
        """Fill `inputs` with the pictures now in the window, or with these brought along the motion."""
        if self._aligner is None:
            super().aim()
            return
        windows = list(self._windows.values())
        pictures = [list(group) for group in zip(*(window.pictures for window in windows), strict=True)]
        parts = [list(group) for group in zip(*(window.parts() for window in windows), strict=True)]
        self._aligner.write(pictures, parts)

    def finish(self, film: Planes, out: Planes) -> None:
        """Write restored luma, or the film's R'G'B' changed as the model changed luma and chroma."""
        if self._keeps_restored:
            self._keep_restored()
        made = self._in_out_size(self._out_luma.corner(*self._made_size), self._reduced)
        target = view(on_device(out))
        if self._out_size == self._size:
            base = view(on_device(film))
        else:
            self.pass_through(film, out)
            base = target
        common = {"tensor": made, "film": base, "out": target, "width": target.width, "height": target.height}
        common |= {"tensor_pitch": made.pitch, "pitch": target.pitch, "plane": target.plane, "blend": self._blend}
        if self._is_gray:
            self._operators.run(
                "tensor_take", target.domain, planes=1, tensor_plane=made.plane, **common, **self._from_model
            )
        elif self._chroma is None:
            self._operators.run("tensor_add_luma", target.area, **common, **self._matrix, **self._from_model)
        else:
            change = self._change_chroma(base)
            grid = {"chroma_pitch": change.pitch, "chroma_plane": change.plane}
            self._operators.run(
                "tensor_add_ycbcr", target.area, chroma=change, **common, **grid, **self._matrix, **self._from_model
            )

    def _fill(self, film: View, slot: View, numbers: dict[str, float]) -> None:
        if self._is_gray:
            self._operators.fill(film, slot, first=0, step=0, **numbers)
        else:
            self._operators.fill_luma(film, slot, **self._matrix, **numbers)

    def _keep_restored(self) -> None:
        """Put what the model made where the middle picture stood: as the past of those to come."""
        self._clip_into(self._out_luma, self._luma.pictures[self._middle])
        if self._chroma is not None:
            self._clip_into(self._out_chroma, self._chroma.pictures[self._middle])

    def _clip_into(self, made: View, slot: View) -> None:
        self._operators.run(
            "tensor_clip",
            slot.domain,
            **{"in": made, "out": slot, "width": slot.width, "height": slot.height, "planes": slot.planes},
            **slot.strides(),
            low=self._low,
            high=self._low + self._span,
        )

    def _open_chroma(self, height: int, width: int) -> None:
        if self._is_gray:
            neutral = np.full((1, 2 * self._frames, height, width), self._low + NEUTRAL * self._span, np.float32)
            self.inputs["chroma"] = as_planes(self._operators.constant(neutral))
            return
        self._chroma = self._open_window("chroma", 2, height, width)

    def _open_outputs(self) -> None:
        model, (height, width) = self._model, self.picture_size
        luma_out = picture_tensor(model, model.outputs, "luma_out" if "luma_out" in model.outputs else "luma")
        self._out_luma = self._open_output(luma_out, 1, height, width)
        self._reduced = self._reducer(1, self._out_size)
        if model.card.color_space == "ycbcr420":
            self._out_chroma = self._open_output("chroma_out", 2, height // 2, width // 2)
        if self._chroma is not None:
            half = ((self._out_size[0] + 1) // 2, (self._out_size[1] + 1) // 2)
            self._reduced_chroma = self._reducer(2, half)
            self._change = view(self._operators.zeros(2, *half))

    def _change_chroma(self, film: View) -> View:
        """Return by how much the model changed the chroma of `film`, at half its size."""
        half = ((self._made_size[0] + 1) // 2, (self._made_size[1] + 1) // 2)
        made, change = self._in_out_size(self._out_chroma.corner(*half), self._reduced_chroma), self._change
        self._operators.run(
            "chroma_change",
            change.area,
            tensor=made,
            rgb=film,
            change=change,
            width=film.width,
            height=film.height,
            **made.strides("tensor_"),
            **film.strides(),
            **change.strides("change_"),
            blend=self._blend,
            **self._matrix,
            **self._from_model,
        )
        return change


class DeviceRgbTensors(DeviceTensors):
    """For models of color space `rgb`; a grey film goes in as three equal planes and comes out as their luma."""

    def __init__(
        self, operators: Operators, model: Model, spec: FrameSpec, blend: float, *, upscale: int | None, multiple: int
    ) -> None:
        super().__init__(operators, model, spec, blend, upscale=upscale, multiple=multiple)
        operators.prepare("tensor_fill", "tensor_take", "tensor_take_luma")
        height, width = self.picture_size
        self._window = self._open_window(picture_tensor(model, model.inputs, "frames"), 3, height, width)
        self._open_outputs()

    def _open_outputs(self) -> None:
        self._out = self._open_output(picture_tensor(self._model, self._model.outputs, "frame"), 3, *self.picture_size)
        self._reduced = self._reducer(3, self._out_size)

    def append(self, pixels: Planes) -> None:
        """Put a frame's three planes, or its luma three times, at the new end of the window."""
        film, slot = view(on_device(pixels)), self._window.append()
        self._operators.fill(film, slot, first=0, step=1, **self._to_model)

    def finish(self, film: Planes, out: Planes) -> None:
        """Write the model's picture."""
        made = self._in_out_size(self._out.corner(*self._made_size), self._reduced)
        target = view(on_device(out))
        self.pass_through(film, out)
        common = {"tensor": made, "film": target, "out": target, "width": target.width, "height": target.height}
        common |= {"tensor_pitch": made.pitch, "tensor_plane": made.plane, "pitch": target.pitch, "blend": self._blend}
        if self._is_gray:
            self._operators.run("tensor_take_luma", target.area, **common, **self._matrix, **self._from_model)
        else:
            self._operators.run(
                "tensor_take", target.domain, planes=3, plane=target.plane, **common, **self._from_model
            )
