"""Between frames and a colorizer's tensors on a device: the twin of `engine/stages/chroma_tensors.py`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.backends.base import Array
from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import as_planes, on_device
from engine.frame import Motion
from engine.stages.chroma_tensors import ab_gain, can_be_steadied, film_numbers, half_size, motion_size
from engine.stages.device.guided_filter import DeviceGuidedUpsampler
from engine.stages.device.steadiness import DeviceSteadiness
from engine.stages.exemplars import Exemplar
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import COEFFICIENTS
from engine.types import FrameSpec, PixelFormat, Planes

CHROMA_REDUCTION = 2
"""Pixels of the picture to one of its chroma, in each direction."""


class DeviceChroma:
    """Tensors and scratch for one size of picture; parameters and attributes are those of `ChromaTensors`.

    Planes that methods take and write lie on the device; `look` is page-locked memory of the host.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(
        self, operators: Operators, spec: FrameSpec, size: tuple[int, int], saturation: float, steadiness: float
    ) -> None:
        self._operators, self._gain = operators, ab_gain(saturation)
        self._is_gray, matrix = spec.format is PixelFormat.GRAY, COEFFICIENTS[spec.color.matrix]
        self._matrix = {"kr": matrix.kr, "kb": matrix.kb}
        half = half_size(spec)
        # where an axis grows, what OpenCV calls INTER_AREA is another thing on both
        grows = size[0] > spec.height or size[1] > spec.width
        self._reduce = "resize_area_enlarge" if grows else "resize_area"
        operators.prepare("resize_area", self._reduce, "luma_to_lightness", "tensor_fill_luma", "warp_blend")
        self._lightness = view(operators.zeros(1, 1, *size))
        self.luma: Array = as_planes(self._lightness.array)
        self.look = operators.device.pinned(size, np.float32)
        self._shown = operators.device.event()
        self._small_luma, self._half_luma = view(operators.zeros(1, *size)), view(operators.zeros(1, *half))
        self._full_luma = None if self._is_gray else view(operators.zeros(1, spec.height, spec.width))
        self._upsampler = DeviceGuidedUpsampler(operators, size)
        self._neutral = operators.constant(np.full((2, *half), NEUTRAL_AB, np.float32))
        self.steadies = can_be_steadied(spec, steadiness)
        self._motion_luma = view(operators.zeros(1, *motion_size(spec)))
        self._steadiness = DeviceSteadiness(operators, motion_size(spec), half, steadiness) if self.steadies else None
        self._anchors: dict[Path, tuple[View, DeviceArray]] = {}

    def see(self, pixels: Planes) -> None:
        """Take a picture (C, H, W): fill `luma`."""
        luma, small, lightness = view(on_device(pixels)), self._small_luma, self._lightness
        if self._full_luma is not None:
            self._operators.fill_luma(luma, self._full_luma, **self._matrix)
            luma = self._full_luma
        self._operators.resize(self._reduce, luma, small)
        self._operators.run(
            "luma_to_lightness",
            small.area,
            luma=small,
            lightness=lightness,
            width=small.width,
            height=small.height,
            pitch=small.pitch,
            lightness_pitch=lightness.pitch,
        )
        self._operators.resize("resize_area", luma, self._half_luma)
        if self.steadies:
            self._operators.resize("resize_area", luma, self._motion_luma)

    def show(self) -> None:
        """Copy `luma` to `look`; the host waits for it."""
        device, stream = self._operators.device, self._operators.stream
        device.download(self._lightness.array, self.look, stream)
        stream.record(self._shown)
        self._shown.synchronize()

    def finish(self, ab: Array, out: Planes) -> None:
        """Bring ab of the picture seen to half size along luma's edges and into the film's numbers."""
        self._upsampler.write(
            self._small_luma,
            view(on_device(ab)),
            self._half_luma,
            view(on_device(out)),
            gain=self._gain,
            offset=NEUTRAL_AB,
        )

    def learn(self, exemplars: Sequence[Exemplar]) -> None:
        """Copy references to the device, for `anchor`."""
        constant = self._operators.constant
        if exemplars and self._steadiness is not None:
            self._steadiness.expect_reference()
        for exemplar in exemplars:
            ab = film_numbers(exemplar.fine_ab, self._gain)
            self._anchors[exemplar.path] = (view(constant(exemplar.luma[None])), constant(ab))

    def anchor(self, exemplar: Exemplar) -> None:
        """Let a reference lend its colours from the picture seen on, if it shows that."""
        if self._steadiness is not None:
            self._steadiness.anchor(*self._anchors[exemplar.path])

    def steady(self, chroma: Planes) -> None:
        """Blend the chroma of the picture seen, in the film's numbers, with what came before it in the shot."""
        if self._steadiness is not None:
            self._steadiness.steady(self._motion_luma, on_device(chroma))

    def begin(self) -> None:
        """Begin a shot."""
        if self._steadiness is not None:
            self._steadiness.reset()

    def between(self, motion: Motion, before: Planes, after: Planes, out: Planes) -> None:
        """Write the chroma of both neighbours, carried along the motion, into `out`."""
        flow, target = view(on_device(motion.flow)), view(on_device(out))
        self._operators.blend(
            on_device(before),
            on_device(after),
            flow,
            on_device(motion.mask),
            target,
            cell=motion.cell,
            reduction=CHROMA_REDUCTION,
        )

    def neutral(self, out: Planes) -> None:
        """Write chroma of grey."""
        self._operators.copy(self._neutral, on_device(out))

    def film_luma(self, rgb: Planes, out: Planes) -> None:
        """Write Y' of R'G'B' (3, H, W) into `out` (1, H, W)."""
        self._operators.fill_luma(view(on_device(rgb)), view(on_device(out)), **self._matrix)
