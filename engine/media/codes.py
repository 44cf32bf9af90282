"""Which code stands for which number: black, white and neutral chroma at every depth and range."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.media.layout import Layout
from engine.types import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How one component is coded: code = span × number + zero.

    span : codes from 0 to 1; for chroma from -0.5 to 0.5
    zero : code of 0
    low, high : codes of the ends of the nominal range
    is_chroma : numbers are in [-0.5, 0.5] rather than [0, 1]
    """

    span: float
    zero: int
    low: int
    high: int
    is_chroma: bool = False


def scales(layout: Layout, code_range: Range) -> list[Scale]:
    """Return the scale of each component (ITU-R BT.601, BT.709, BT.2020; full range as in JFIF and H.273)."""
    unit, peak = 1 << (layout.bits - 8), (1 << layout.bits) - 1
    middle = 128 * unit
    if code_range is Range.LIMITED:
        luma = Scale(span=219 * unit, zero=16 * unit, low=16 * unit, high=235 * unit)
        chroma = Scale(span=224 * unit, zero=middle, low=16 * unit, high=240 * unit, is_chroma=True)
    else:
        luma = Scale(span=peak, zero=0, low=0, high=peak)
        chroma = Scale(span=peak, zero=middle, low=0, high=peak, is_chroma=True)
    return [chroma if layout.family == "yuv" and index > 0 else luma for index in range(len(layout.components))]


def number_tables(layout: Layout, code_range: Range) -> list[npt.NDArray[np.float32]]:
    """Return, for each component, the number that each sample as it lies in memory stands for.

    float32 (256,) or (65536,); luma and R'G'B' clipped to [0, 1], chroma left as it is. Samples of big-endian formats
    index their table as a little-endian machine reads them.
    """
    memory = np.arange(256 if layout.sample == "u1" else 65536, dtype=layout.sample.replace(">", "<"))
    codes = memory.byteswap() if layout.sample.startswith(">") else memory
    values = codes.astype(np.float64) / (1 << layout.shift)
    return [_numbers(values, scale) for scale in scales(layout, code_range)]


def dither_pattern(height: int, width: int) -> npt.NDArray[np.float32]:
    """Return an ordered (Bayer 8×8) dither, float32 (height, width), strictly between -0.5 and 0.5.

    A number that is a code exactly stays that code, so pictures that nothing changed pass through untouched.
    """
    ranks = np.zeros((1, 1))
    for _ in range(3):
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    tile = ((ranks + 0.5) / 64 - 0.5).astype(np.float32)
    return np.tile(tile, (-(-height // 8), -(-width // 8)))[:height, :width].copy()


def _numbers(codes: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float32]:
    numbers = (codes - scale.zero) / scale.span
    return (numbers if scale.is_chroma else np.clip(numbers, 0.0, 1.0)).astype(np.float32)
