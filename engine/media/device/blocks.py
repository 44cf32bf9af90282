"""A coded picture in one block of memory: planes one behind the other, copied from and to FFmpeg's pictures."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt

from engine.media.layout import LAYOUTS

READ_IN_LINES = 128
"""Bytes of device memory."""

Block = npt.NDArray[np.uint8]
"""uint8 (bytes,)."""

Samples = npt.NDArray[np.uint8 | np.uint16]
"""(rows, samples), all that lie side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlane:
    """A plane in a block.

    at : bytes before it
    pitch : bytes from row to row
    rows, samples : that it holds; samples that lie side by side count alike, whatever they belong to
    """

    at: int
    pitch: int
    rows: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """How pictures of one format and size lie in a block. Planes of alpha have no place there.

    pix_fmt : one of `LAYOUTS`
    width, height : of the picture
    pitch_multiple : bytes that every row is a multiple of
    """

    pix_fmt: str
    width: int
    height: int
    pitch_multiple: int = READ_IN_LINES

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of a sample: uint8, or uint16 with the lower byte first, which is what kernels read."""
        return np.dtype(LAYOUTS[self.pix_fmt].sample.replace(">", "<"))

    @cached_property
    def planes(self) -> tuple[BlockPlane, ...]:
        """Return them in FFmpeg's order."""
        layout, made, end = LAYOUTS[self.pix_fmt], list[BlockPlane](), 0
        for number in range(1 + max(component.plane for component in layout.components)):
            held = [(n, component.step) for n, component in enumerate(layout.components) if component.plane == number]
            rows = layout.size(held[0][0], self.width, self.height)[0]
            samples = max(layout.size(n, self.width, self.height)[1] * step for n, step in held)
            pitch = -(-samples * self.dtype.itemsize // self.pitch_multiple) * self.pitch_multiple
            made.append(BlockPlane(at=end, pitch=pitch, rows=rows, samples=samples))
            end += rows * pitch
        return tuple(made)

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Return of each plane the bytes before it, and from row to row."""
        return tuple((plane.at, plane.pitch) for plane in self.planes)

    @cached_property
    def nbytes(self) -> int:
        """Return the size of the block."""
        return sum(plane.rows * plane.pitch for plane in self.planes)

    def copy_in(self, block: Block, picture: av.VideoFrame) -> None:
        """Copy a picture of this format and size into a block."""
        for plane, there in zip(self.planes, self._of(picture), strict=True):
            np.copyto(self._within(block, plane), there)

    def copy_out(self, block: Block, picture: av.VideoFrame) -> None:
        """Copy a block into a picture of this format and size."""
        for plane, there in zip(self.planes, self._of(picture), strict=True):
            np.copyto(there, self._within(block, plane))

    def _within(self, block: Block, plane: BlockPlane) -> Samples:
        strides = plane.pitch, self.dtype.itemsize
        return np.ndarray((plane.rows, plane.samples), self.dtype, cast(Any, block), plane.at, strides)

    def _of(self, picture: av.VideoFrame) -> list[Samples]:
        """View a picture's planes, with samples as they lie: a copy swaps the bytes of those that lie the other way."""
        dtype, views = np.dtype(LAYOUTS[self.pix_fmt].sample), list[Samples]()
        for plane, there in zip(self.planes, picture.planes, strict=False):
            pitch = there.line_size
            first = 0 if pitch > 0 else -(plane.rows - 1) * pitch
            memory = memoryview(cast(bytearray, there))
            views.append(np.ndarray((plane.rows, plane.samples), dtype, memory, first, (pitch, dtype.itemsize)))
        return views
