"""The engine's pixel formats as the references' codings and components."""

from collections.abc import Mapping

import av
import numpy as np

from engine.media.chroma import SITINGS
from engine.media.codes import scales
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.layout import LAYOUTS
from engine.types import ColorSpace, Matrix, Range
from kernels.reference.surfaces import Coding

COLORS: Mapping[str, ColorSpace] = {
    "BT.601 left": ColorSpace(matrix=Matrix.BT601, range=Range.LIMITED, chroma_location=1),
    "BT.709 middle, full": ColorSpace(matrix=Matrix.BT709, range=Range.FULL, chroma_location=2),
    "BT.2020 top left": ColorSpace(matrix=Matrix.BT2020, range=Range.LIMITED, chroma_location=3),
    "FCC left": ColorSpace(matrix=Matrix.FCC, range=Range.LIMITED, chroma_location=1),
    "SMPTE 240M middle": ColorSpace(matrix=Matrix.SMPTE240M, range=Range.LIMITED, chroma_location=2),
    "BT.709 bottom left": ColorSpace(matrix=Matrix.BT709, range=Range.LIMITED, chroma_location=5),
}


def coding_of(pix_fmt: str, color: ColorSpace, height: int) -> Coding:
    """Return how a format's Y'CbCr or grey is coded."""
    layout = LAYOUTS[pix_fmt]
    luma, *rest = scales(layout, color.range)
    chroma = rest[-1] if rest else luma
    weights, unit = COEFFICIENTS[luma_matrix(color, height)], 1 << layout.shift
    return Coding(
        kr=weights.kr,
        kb=weights.kb,
        black=luma.zero * unit,
        luma_span=luma.span * unit,
        neutral=chroma.zero * unit,
        chroma_span=chroma.span * unit,
        chroma_low=chroma.low * unit,
        chroma_high=chroma.high * unit,
        shift_x=layout.shift_x,
        shift_y=layout.shift_y,
        siting=SITINGS[color.chroma_location],
    )


def memory_of(picture: av.VideoFrame) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Return a picture's memory, planes one behind the other, and where each component lies in it.

    That is bytes to its first sample, from sample to sample, and from row to row.
    """
    layout = LAYOUTS[picture.format.name]
    size = np.dtype(layout.sample).itemsize
    starts = np.cumsum([0, *(plane.buffer_size for plane in picture.planes)])
    surface = np.concatenate([np.frombuffer(plane, np.uint8) for plane in picture.planes])
    places = [
        (int(starts[place.plane]) + place.offset * size, place.step * size, picture.planes[place.plane].line_size)
        for place in layout.components
    ]
    return surface, places


def scene(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return a smooth picture with noise and hard edges, [0, 1], float32."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape[-2:])
    waves = [0.5 + 0.4 * np.sin(rows / (5 + n) + n) * np.cos(columns / (9 - n)) for n in range(shape[0])]
    made = np.stack(waves) + rng.normal(0, 0.05, shape)
    made[:, shape[1] // 3 :, shape[2] // 2 :] *= 0.4
    return np.clip(made, 0, 1).astype(np.float32)
