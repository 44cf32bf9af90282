"""Reference of surfaces_in.cu: codes to numbers, as ITU-R BT.601, BT.709, BT.2020 and ITU-T H.273 define them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernels.reference.surfaces import Codes, Coding, Planes, along_axes, clipped, enlarging, resizing


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What pictures are read into.

    size : (rows, columns) of the picture after resizing
    padded : (rows, columns) that are filled
    reflect : beyond the picture mirror it at its last pixel, rather than repeat that
    area : resize by the mean over what a pixel covers, rather than linearly
    gain, bias : for each plane, out = number × gain + bias
    """

    size: tuple[int, int]
    padded: tuple[int, int]
    reflect: bool = False
    area: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)


def read_ycbcr(components: Sequence[Codes], coding: Coding, target: Target) -> Planes:
    """Return planes, float32 (C, rows, columns as padded), of Y' (H, W) alone: luma, or Y', Cb, Cr (h, w): R'G'B'."""
    luma = clipped((components[0].astype(np.float64) - coding.black) / coding.luma_span)
    if len(components) == 1:
        return _finished(luma[None], target)
    height, width = luma.shape
    down = enlarging(height, coding.shift_y, coding.siting[1])
    across = enlarging(width, coding.shift_x, coding.siting[0])
    chroma = [(codes.astype(np.float64) - coding.neutral) / coding.chroma_span for codes in components[1:]]
    ycbcr = np.stack([luma, *(along_axes(plane, down, across) for plane in chroma)])
    return _finished(clipped(np.einsum("ij,jyx->iyx", coding.rgb_matrix, ycbcr)), target)


def read_rgb(
    components: Sequence[Codes], black: float, span: float, luma_weights: npt.NDArray[np.float64] | None, target: Target
) -> Planes:
    """Return planes, float32, of R', G', B' codes (H, W): R'G'B', or luma where weights for it are given."""
    rgb = clipped((np.stack(components).astype(np.float64) - black) / span)
    return _finished(rgb if luma_weights is None else np.einsum("i,iyx->yx", luma_weights, rgb)[None], target)


def _finished(planes: Planes, target: Target) -> Planes:
    """Return planes resized, normalised and padded."""
    (height, width), (rows, columns) = planes.shape[1:], target.size
    down, across = resizing(height, rows, area=target.area), resizing(width, columns, area=target.area)
    sized = np.stack([along_axes(plane, down, across) for plane in planes])
    gain, bias = (np.array(values)[: len(planes), None, None] for values in (target.gain, target.bias))
    beyond = ((0, 0), (0, target.padded[0] - rows), (0, target.padded[1] - columns))
    return np.pad(sized * gain + bias, beyond, mode="reflect" if target.reflect else "edge").astype(np.float32)
