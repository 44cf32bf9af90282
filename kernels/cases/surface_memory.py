"""How decoders and encoders lay components in memory, and the codings that films have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.reference.surfaces import Codes, Coding

Bytes = npt.NDArray[np.uint8]

EMPTY = 0xC3
"""What surfaces hold between and behind samples."""

MARGIN = 24
"""Bytes of a surface before its first sample."""

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
"""kr, kb."""

LEFT, MIDDLE, TOP_LEFT, BOTTOM_LEFT = (0.0, 0.5), (0.5, 0.5), (0.0, 0.0), (0.0, 1.0)
"""Where chroma samples stand, x and y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a component lies: bytes to its first sample, from sample to sample and from row to row."""

    at: int
    step: int
    pitch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A surface.

    size : bytes
    sample_bytes : 1 or 2
    places : of its components
    """

    size: int
    sample_bytes: int
    places: tuple[Place, ...]

    def with_codes(self, components: Sequence[Codes], base: Bytes | None = None) -> Bytes:
        """Return a surface that holds components' codes; between them what `base` holds, or `EMPTY`."""
        surface = np.full(self.size, EMPTY, np.uint8) if base is None else base.copy()
        for place, codes in zip(self.places, components, strict=False):
            dtype = np.dtype("<u1" if self.sample_bytes == 1 else "<u2")
            view = np.ndarray(codes.shape, dtype, surface.data, place.at, (place.pitch, place.step))
            view[...] = codes
        return surface


def layout_arguments(places: Sequence[Place], how: Coding) -> dict[str, Any]:
    """Return as a kernel's arguments where Y', Cb and Cr lie; where there is luma alone, it stands for all three."""
    luma, cb, cr = places if len(places) == 3 else (places[0],) * 3
    return {
        "luma_at": luma.at,
        "luma_step": luma.step,
        "luma_pitch_bytes": luma.pitch,
        "cb_at": cb.at,
        "cr_at": cr.at,
        "chroma_step": cb.step,
        "chroma_pitch_bytes": cb.pitch,
        "shift_x": how.shift_x,
        "shift_y": how.shift_y,
        "siting_x": how.siting[0],
        "siting_y": how.siting[1],
    }


def planar(rows: int, columns: int, *, sample_bytes: int, count: int = 1, slack: int = 6) -> Storage:
    """Return planes of one size, one behind the other, `slack` bytes behind each row."""
    pitch = columns * sample_bytes + slack
    places = tuple(Place(at=MARGIN + n * rows * pitch, step=sample_bytes, pitch=pitch) for n in range(count))
    return Storage(size=MARGIN + count * rows * pitch + slack, sample_bytes=sample_bytes, places=places)


def planar_ycbcr(height: int, width: int, coding: Coding, *, sample_bytes: int) -> Storage:
    """Return Y', then Cb, then Cr, as YUV420P and its relatives."""
    luma = planar(height, width, sample_bytes=sample_bytes)
    rows, columns = -(-height >> coding.shift_y), -(-width >> coding.shift_x)
    chroma = planar(rows, columns, sample_bytes=sample_bytes, count=2, slack=10)
    moved = tuple(Place(at=luma.size + place.at, step=place.step, pitch=place.pitch) for place in chroma.places)
    return Storage(size=luma.size + chroma.size, sample_bytes=sample_bytes, places=(*luma.places, *moved))


def semi_planar(height: int, width: int, coding: Coding, *, sample_bytes: int) -> Storage:
    """Return Y', then Cb and Cr side by side, in rows of one pitch, as NV12 and P010."""
    rows, columns = -(-height >> coding.shift_y), -(-width >> coding.shift_x)
    pitch = -(-max(width, 2 * columns) * sample_bytes // 16) * 16
    at = MARGIN + height * pitch
    chroma = tuple(Place(at=at + n * sample_bytes, step=2 * sample_bytes, pitch=pitch) for n in range(2))
    luma = Place(at=MARGIN, step=sample_bytes, pitch=pitch)
    return Storage(size=at + rows * pitch, sample_bytes=sample_bytes, places=(luma, *chroma))


def packed_ycbcr(height: int, width: int, order: str) -> Storage:
    """Return pairs of Y' with one Cb and Cr, `order` such as "yuyv"; 8 bits."""
    pitch = -(-width // 2) * 4 + 8
    places = (
        Place(at=MARGIN + order.index("y"), step=2, pitch=pitch),
        Place(at=MARGIN + order.index("u"), step=4, pitch=pitch),
        Place(at=MARGIN + order.index("v"), step=4, pitch=pitch),
    )
    return Storage(size=MARGIN + height * pitch, sample_bytes=1, places=places)


def packed_rgb(height: int, width: int, order: str, *, sample_bytes: int = 1) -> Storage:
    """Return R', G', B', and A where there is one, side by side, `order` such as "bgra"."""
    step = len(order) * sample_bytes
    pitch = width * step + 6
    places = tuple(
        Place(at=MARGIN + order.index(name) * sample_bytes, step=step, pitch=pitch) for name in "rgba" if name in order
    )
    return Storage(size=MARGIN + height * pitch, sample_bytes=sample_bytes, places=places)


def coding(
    bits: int,
    *,
    weights: tuple[float, float] = BT709,
    full: bool = False,
    shifts: tuple[int, int] = (1, 1),
    siting: tuple[float, float] = LEFT,
    unit: int = 1,
) -> Coding:
    """Return a coding of a depth (ITU-R BT.601, BT.709, BT.2020; full range: H.273).

    `unit` is what one code counts in a sample: 64 where 10 bits lie in the upper part of 16 (P010).
    """
    scale, peak = unit << (bits - 8), unit * ((1 << bits) - 1)
    return Coding(
        kr=weights[0],
        kb=weights[1],
        black=0 if full else 16 * scale,
        luma_span=peak if full else 219 * scale,
        neutral=128 * scale,
        chroma_span=peak if full else 224 * scale,
        chroma_low=0 if full else 16 * scale,
        chroma_high=peak if full else 240 * scale,
        shift_x=shifts[0],
        shift_y=shifts[1],
        siting=siting,
    )
