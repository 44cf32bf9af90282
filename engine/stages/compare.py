"""Shows the film beside its restoration, or one picture of both, and writes "restored" on it where asked."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import BufferPool
from engine.settings import OutputSettings
from engine.stages.base import Stage
from engine.stages.label import Label
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import luma_of
from engine.stages.picture_tensors import resize_planes
from engine.types import FrameSpec, PixelFormat, Planes

PREPARED_FRAMES = 8
"""Buffers made at once, for the frames that wait in the queue behind the stage."""

DIVIDER = 2
"""Columns of the white line between film and restoration in a wipe."""


class Compare(Stage):
    """Puts `Frame.original` left of, or in the left half of, the restored picture.

    Parameters
    ----------
    settings : `compare` and `label` are used; a comparison needs frames that carry their originals
    """

    name = "compare"

    def __init__(self, settings: OutputSettings) -> None:
        super().__init__()
        self._mode, self._has_label = settings.compare, settings.label

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make scratch, label and buffers."""
        self._matrix, self._width = incoming.color.matrix, incoming.width
        spec = replace(incoming, width=incoming.width * 2) if self._mode == "side" else incoming
        self.pool = BufferPool(spec.pixels_shape, prepare=PREPARED_FRAMES)
        self.chroma_pool: BufferPool | None = None
        if spec.chroma_shape is not None and incoming.chroma_shape is not None:
            self.chroma_pool = BufferPool(spec.chroma_shape, prepare=PREPARED_FRAMES)
            self._film_chroma = np.empty(incoming.chroma_shape, np.float32)
            self._rgb = np.empty((3, *incoming.chroma_shape[1:]), np.float32)
        self._film = np.empty(incoming.pixels_shape, np.float32)
        self._film_luma = np.empty(incoming.pixels_shape, np.float32)
        self._label = Label(spec.height, spec.width) if self._has_label else None
        return spec

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame with both pictures."""
        lease = self.pool.lease()
        leases = (lease,)
        chroma = None
        if self.chroma_pool is not None and frame.chroma is not None:
            chroma_lease = self.chroma_pool.lease()
            chroma, leases = chroma_lease.array, (lease, chroma_lease)
        self._compose(frame, lease.array, chroma)
        if self._label is not None:
            self._label.draw(lease.array, chroma)
        made = frame.successor(pixels=lease.array, format=frame.format, leases=leases, chroma=chroma)
        frame.release()
        yield made

    def _compose(self, frame: Frame, out: Planes, chroma: Planes | None) -> None:
        """Fill the planes of the picture that goes out."""
        place_right(frame.pixels, out)
        if chroma is not None and frame.chroma is not None:
            place_right(frame.chroma, chroma)
        if self._mode is None:
            return
        if frame.original is None:
            raise InternalError("a frame without its original came to be compared")
        columns = self._width if self._mode == "side" else self._width // 4 * 2
        self._write_film(frame.original, frame.format)
        out[:, :, :columns] = self._film[:, :, :columns]
        if chroma is not None:
            self._write_film_chroma(frame.original)
            chroma[:, :, : columns // 2] = self._film_chroma[:, :, : columns // 2]
        if self._mode == "wipe":
            out[:, :, columns : columns + DIVIDER] = 1.0
            if chroma is not None:
                chroma[:, :, columns // 2 : (columns + DIVIDER) // 2] = NEUTRAL_AB

    def _write_film(self, original: Planes, format: PixelFormat) -> None:
        """Write the film's picture at the restored one's size."""
        if len(original) == len(self._film):
            resize_planes(original, self._film)
        elif format is PixelFormat.RGB:
            for plane in self._film:
                resize_planes(original, plane[None])
        else:
            if self._film_luma.shape[1:] != original.shape[1:]:
                self._film_luma = np.empty((1, *original.shape[1:]), np.float32)
            luma_of(original, self._matrix, self._film_luma[0])
            resize_planes(self._film_luma, self._film)
        np.clip(self._film, 0.0, 1.0, out=self._film)

    def _write_film_chroma(self, original: Planes) -> None:
        """Write the a* and b* of the film's picture: neutral for a grey film."""
        if len(original) == 1:
            self._film_chroma.fill(NEUTRAL_AB)
            return
        resize_planes(original, self._rgb)
        lab = cv2.cvtColor(np.clip(self._rgb, 0.0, 1.0).transpose(1, 2, 0), cv2.COLOR_RGB2Lab)
        np.add(lab.transpose(2, 0, 1)[1:], 128.0, out=self._film_chroma)
        np.multiply(self._film_chroma, 1.0 / 255.0, out=self._film_chroma)


def place_right(planes: Planes, out: Planes) -> None:
    """Copy planes into the rightmost columns of `out`, which is as high and at least as wide."""
    out[:, :, out.shape[2] - planes.shape[2] :] = planes
