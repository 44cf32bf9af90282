"""Small types that every room shares. Imports nothing of ours."""

from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
"""float32 (C, H, W), planar, values in [0, 1]; on the host."""


class PixelFormat(StrEnum):
    """What the planes of a frame hold inside the chain."""

    GRAY = "gray"
    """`pixels` (1, H, W): Y', the film's own gamma-encoded luma."""
    RGB = "rgb"
    """`pixels` (3, H, W): R'G'B'."""
    LAB = "lab"
    """L/ab: `pixels` (1, H, W) is Y' (from which L* follows), `chroma` (2, h, w) is (ab + 128) / 255, h and w the
    half of H and W rounded up. Colouring adds chroma and never alters the film's own luma."""


class Matrix(StrEnum):
    """Luma and chroma coefficients (ITU-T H.273, matrix coefficients)."""

    RGB = "rgb"
    BT601 = "bt601"
    BT709 = "bt709"
    BT2020 = "bt2020"
    FCC = "fcc"
    """Of the NTSC of 1953 (ITU-R BT.470, System M)."""
    SMPTE240M = "smpte240m"
    """Of the first high definition (1988)."""


class Range(StrEnum):
    """Which codes black and white are: limited (16..235 of 255) or full (0..255)."""

    LIMITED = "limited"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorSpace:
    """How a film's numbers mean colours.

    matrix : coefficients between R'G'B' and Y'CbCr
    range : codes of black and white
    primaries, transfer : ITU-T H.273 code points, carried through unchanged; 2 is "unspecified"
    chroma_location : FFmpeg's number of the chroma siting; 0 is "unspecified"
    """

    matrix: Matrix = Matrix.BT709
    range: Range = Range.LIMITED
    primaries: int = 2
    transfer: int = 2
    chroma_location: int = 0


class FrameFlags(Flag):
    """What is known of a frame beyond its pixels."""

    NONE = 0
    SCENE_CUT = auto()
    """The first frame of a shot."""
    REPEATED = auto()
    """Shows the picture of the frame before it again."""
    SYNTHESIZED = auto()
    """Made between two frames of the film, not part of it."""
    CORRUPT = auto()
    """The decoder reported damage in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """What every frame of a run between two stages has in common.

    format : pixel format of the planes
    width, height : of the picture, pixels
    rate : frames per second, exact; None where the rate varies
    time_base : seconds per unit of `pts`, exact
    start : time of the film's first frame, seconds, exact; grids of output times begin here
    color : how the film's numbers mean colours
    sample_aspect : width of a pixel ÷ its height
    bit_depth : of the film the frames come from
    """

    format: PixelFormat
    width: int
    height: int
    rate: Fraction | None
    time_base: Fraction
    start: Fraction = Fraction(0)
    color: ColorSpace = ColorSpace()
    sample_aspect: Fraction = Fraction(1)
    bit_depth: int = 8

    @property
    def pixels_shape(self) -> tuple[int, int, int]:
        """Shape of `Frame.pixels`."""
        return (3 if self.format is PixelFormat.RGB else 1, self.height, self.width)

    @property
    def chroma_shape(self) -> tuple[int, int, int] | None:
        """Shape of `Frame.chroma`; None where the format has no chroma of its own."""
        if self.format is not PixelFormat.LAB:
            return None
        return (2, (self.height + 1) // 2, (self.width + 1) // 2)


class Event(Protocol):
    """The moment after which pixels are valid (a CUDA event); frames on the host carry None instead."""

    def wait(self, cuda_stream: Any) -> None:
        """Make `cuda_stream` wait for this event, without stopping the host."""
        ...

    def synchronize(self) -> None:
        """Stop the host until the event has happened; only whoever releases a frame may call this."""
        ...
