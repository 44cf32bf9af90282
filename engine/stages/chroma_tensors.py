"""Between frames and a colorizer's tensors: luma at the size at which it works, and its ab as the film's chroma."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engine.backends.base import Array
from engine.frame import Motion
from engine.stages.dense_motion import LEAST_SIDE
from engine.stages.exemplars import AB_RANGE, Exemplar
from engine.stages.guided_filter import GuidedUpsampler
from engine.stages.lightness import NEUTRAL_AB, LightnessTable, working_size
from engine.stages.luma import luma_of, reduce_by_area
from engine.stages.steadiness import Steadiness
from engine.stages.warp import Warper
from engine.types import FrameSpec, PixelFormat, Planes

MOTION_SIZE = (256, 336)
"""The size whose area pictures have about, or less, when motion is found for their colour: what the network sees may be
too small for that, or so large that finding it takes longer than the network."""


class ChromaTensors:
    """Tensors and scratch for one size of picture.

    Parameters
    ----------
    spec : of the frames that come in
    size : (height, width) at which the network works
    saturation : by which colour is multiplied
    steadiness : weight of the chroma carried over from the picture before, 0 to 1; 0: none is

    Attributes
    ----------
    luma : float32 (1, 1, h, w), L*/100 of the last picture seen, as the network takes it
    look : float32 (h, w), the same on the host, of the last picture for which `show` was called
    steadies : whether `steady` does anything
    """

    def __init__(self, spec: FrameSpec, size: tuple[int, int], saturation: float, steadiness: float) -> None:
        self._matrix, self._is_gray = spec.color.matrix, spec.format is PixelFormat.GRAY
        self._size, self._gain = size, ab_gain(saturation)
        half = half_size(spec)
        self._small_luma, self.look = np.zeros((2, *size), np.float32)
        self.luma: Array = self.look[None, None]
        self._half_luma = np.empty(half, np.float32)
        self._full_luma = np.empty((spec.height, spec.width) if not self._is_gray else (0, 0), np.float32)
        self._table = LightnessTable(*size)
        self._upsampler = GuidedUpsampler(size, half)
        self._warper = Warper(*half, reduction=2)
        self.steadies = can_be_steadied(spec, steadiness)
        self._motion_luma = np.empty(motion_size(spec), np.float32)
        self._steadiness = Steadiness(motion_size(spec), half, steadiness) if self.steadies else None
        self._anchor_ab: dict[Path, Planes] = {}

    def see(self, pixels: Planes) -> None:
        """Take a picture (C, H, W): fill `luma`."""
        luma = pixels[0]
        if not self._is_gray:
            luma = self._full_luma
            luma_of(pixels, self._matrix, luma)
        height, width = self._size
        cv2.resize(luma, (width, height), dst=self._small_luma, interpolation=cv2.INTER_AREA)
        self._table.write(self._small_luma, self.look)
        reduce_by_area(luma, self._half_luma)
        if self.steadies:
            reduce_by_area(luma, self._motion_luma)

    def show(self) -> None:
        """Let `look` be what `luma` is."""

    def finish(self, ab: Array, out: Planes) -> None:
        """Bring ab of the picture seen to half size along luma's edges and into the film's numbers.

        Parameters
        ----------
        ab : float32 (1, 2, h, w), a*/110 and b*/110, as the network made them
        out : float32 (2, H/2, W/2), written
        """
        self._upsampler.guide(self._small_luma)
        for plane, fine in zip(ab[0], out, strict=True):
            self._upsampler.write(plane, self._half_luma, fine)
        film_numbers(out, self._gain, out)

    def learn(self, exemplars: Sequence[Exemplar]) -> None:
        """Prepare references for `anchor`."""
        for exemplar in exemplars:
            self._anchor_ab[exemplar.path] = film_numbers(exemplar.fine_ab, self._gain)

    def anchor(self, exemplar: Exemplar) -> None:
        """Let a reference lend its colours from the picture seen on, if it shows that."""
        if self._steadiness is not None:
            self._steadiness.anchor(exemplar.luma, self._anchor_ab[exemplar.path])

    def steady(self, chroma: Planes) -> None:
        """Blend the chroma of the picture seen, in the film's numbers, with what came before it in the shot."""
        if self._steadiness is not None:
            self._steadiness.steady(self._motion_luma, chroma)

    def begin(self) -> None:
        """Begin a shot."""
        if self._steadiness is not None:
            self._steadiness.reset()

    def between(self, motion: Motion, before: Planes, after: Planes, out: Planes) -> None:
        """Write the chroma of both neighbours, carried along the motion, into `out`; all float32 (2, H/2, W/2)."""
        self._warper.aim(motion.flow, motion.mask, motion.cell)
        for from_before, from_after, plane in zip(before, after, out, strict=True):
            self._warper.blend(from_before, from_after, plane)

    def neutral(self, out: Planes) -> None:
        """Write chroma of grey."""
        out.fill(NEUTRAL_AB)

    def film_luma(self, rgb: Planes, out: Planes) -> None:
        """Write Y' of R'G'B' (3, H, W) into `out` (1, H, W)."""
        luma_of(rgb, self._matrix, out[0])


def ab_gain(saturation: float) -> float:
    """Return what a*/110 and b*/110 are multiplied by to be in a film's numbers."""
    return AB_RANGE / 255.0 * saturation


def film_numbers(ab: Planes, gain: float, out: Planes | None = None) -> Planes:
    """Return a*/110 and b*/110 as `Frame.chroma` holds them, in [0, 1]; written into `out`, which may be `ab`."""
    out = np.multiply(ab, gain, out=out)
    np.add(out, NEUTRAL_AB, out=out)
    return np.clip(out, 0.0, 1.0, out=out)


def half_size(spec: FrameSpec) -> tuple[int, int]:
    """Return height and width of a film's chroma."""
    return (spec.height + 1) // 2, (spec.width + 1) // 2


def motion_size(spec: FrameSpec) -> tuple[int, int]:
    """Return height and width of the pictures on which motion is found for a film's colour."""
    if spec.height * spec.width <= MOTION_SIZE[0] * MOTION_SIZE[1]:
        return spec.height, spec.width
    return working_size(spec.height, spec.width, MOTION_SIZE, 1)


def can_be_steadied(spec: FrameSpec, steadiness: float) -> bool:
    """Whether colour is carried along motion: where that is asked for, and pictures are large enough to find it."""
    return steadiness > 0.0 and min(motion_size(spec)) >= LEAST_SIDE
