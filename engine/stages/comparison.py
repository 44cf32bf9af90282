"""Puts the film's picture beside, or into, the restored one, on the processor."""

from dataclasses import dataclass

import cv2
import numpy as np

from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import luma_of
from engine.stages.picture_tensors import resize_planes
from engine.types import FrameSpec, PixelFormat, Planes


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the columns of a compared picture show.

    film_columns : the first ones, of the film
    line_columns : behind them, of one value
    line : that value
    picture_from : column of the restored picture's first one, if no film or line stands there
    """

    film_columns: int
    line_columns: int
    line: float
    picture_from: int


class Comparison:
    """Scratch for comparing frames like `incoming` with the film.

    Parameters
    ----------
    incoming : of the restored frames
    layout, chroma_layout : of the planes of `Frame.pixels` and of `Frame.chroma`
    """

    def __init__(self, incoming: FrameSpec, layout: Layout, chroma_layout: Layout) -> None:
        self._format, self._matrix = incoming.format, incoming.color.matrix
        self._layout, self._chroma_layout = layout, chroma_layout
        self._film = np.empty(incoming.pixels_shape, np.float32)
        self._film_luma = np.empty(incoming.pixels_shape, np.float32)
        if incoming.chroma_shape is not None:
            self._film_chroma = np.empty(incoming.chroma_shape, np.float32)
            self._rgb = np.empty((3, *incoming.chroma_shape[1:]), np.float32)

    def write(self, original: Planes, picture: Planes, out: Planes) -> None:
        """Write both pictures.

        Parameters
        ----------
        original : float32 (1 or 3, h, w), the film's, of any size
        picture : float32 (C, H, W), restored
        out : float32 (C, H, at least W), written
        """
        self._write_film(original)
        _put(self._film, picture, out, self._layout)

    def write_chroma(self, original: Planes, chroma: Planes, out: Planes) -> None:
        """Write the chroma of both pictures; arguments as of `write`, at half the restored picture's size."""
        self._write_film_chroma(original)
        _put(self._film_chroma, chroma, out, self._chroma_layout)

    def copy(self, planes: Planes, out: Planes) -> None:
        """Write the restored picture's planes alone."""
        np.copyto(out, planes)

    def _write_film(self, original: Planes) -> None:
        """Write the film's picture at the restored one's size."""
        if len(original) == len(self._film):
            resize_planes(original, self._film)
        elif self._format is PixelFormat.RGB:
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


def _put(film: Planes, picture: Planes, out: Planes, layout: Layout) -> None:
    columns, line = layout.film_columns, layout.line_columns
    out[:, :, layout.picture_from :] = picture
    out[:, :, :columns] = film[:, :, :columns]
    out[:, :, columns : columns + line] = layout.line
