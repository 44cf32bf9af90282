"""Letters in white on a dark rim, drawn once and blended into pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import Plane
from engine.types import Planes

WHITE, BLACK = 0.95, 0.05
OPACITY = 0.85

FONT, FONT_HEIGHT, STROKE, RIM = cv2.FONT_HERSHEY_SIMPLEX, 22, 3, 4
"""Of the drawing that is reduced to the size wanted; pixels at a font scale of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettering:
    """Where ink goes.

    letters : float32 (h, w), 1 where there is ink
    shade : the same of letters and rim
    """

    letters: Plane
    shade: Plane

    def resized(self, rows: int, columns: int) -> "Lettering":
        """Return it at another size."""
        return Lettering(letters=_resized(self.letters, rows, columns), shade=_resized(self.shade, rows, columns))


class Stamp:
    """A lettering for pictures on the processor.

    Parameters
    ----------
    lettering : with even rows and columns
    """

    def __init__(self, lettering: Lettering) -> None:
        opacity = lettering.shade * np.float32(OPACITY)
        self._keep: Plane = (1.0 - opacity).astype(np.float32)
        self._add: Plane = (opacity * (BLACK + (WHITE - BLACK) * lettering.letters)).astype(np.float32)
        self._keep_chroma = np.ascontiguousarray(self._keep[::2, ::2])
        self._add_chroma: Plane = ((1.0 - self._keep_chroma) * NEUTRAL_AB).astype(np.float32)

    def draw(self, pixels: Planes, chroma: Planes | None, top: int, left: int) -> None:
        """Blend it into planes (C, H, W) and half-size chroma (2, h, w), in place; what lies outside is left out.

        Parameters
        ----------
        top, left : where it stands in `pixels`; even, 0 or more
        """
        _blend(pixels, top, left, self._keep, self._add)
        if chroma is not None:
            _blend(chroma, top // 2, left // 2, self._keep_chroma, self._add_chroma)


def draw_letters(texts: Sequence[str]) -> list[Lettering]:
    """Return texts, all on canvases of one size, with letters `FONT_HEIGHT` high."""
    sizes = [cv2.getTextSize(text, FONT, 1.0, STROKE) for text in texts]
    width, height = (max(size[side] for size, _ in sizes) for side in (0, 1))
    below = max(below for _, below in sizes)
    shape = height + below + 2 * RIM, width + 2 * RIM
    return [_drawn(text, shape, (RIM, RIM + height)) for text in texts]


def even(side: float, most: int) -> int:
    """Return a side of a drawing in pixels: even, for half-size planes, at most `most`, and 2 where that is less."""
    return max(2, min(most, round(side)) // 2 * 2)


def _drawn(text: str, shape: tuple[int, int], at: tuple[int, int]) -> Lettering:
    letters = np.zeros(shape, np.uint8)
    cv2.putText(letters, text, at, FONT, 1.0, 255, STROKE, cv2.LINE_AA)
    shade = cv2.dilate(letters, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RIM + 1, 2 * RIM + 1)))
    return Lettering(letters=_unit(letters), shade=_unit(shade))


def _unit(codes: np.ndarray) -> Plane:
    return codes.astype(np.float32) / np.float32(255)


def _resized(drawing: Plane, rows: int, columns: int) -> Plane:
    return cv2.resize(drawing, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)


def _blend(planes: Planes, top: int, left: int, keep: Plane, add: Plane) -> None:
    rows, columns = keep.shape
    box = planes[:, top : top + rows, left : left + columns]
    np.multiply(box, keep[: box.shape[1], : box.shape[2]], out=box)
    np.add(box, add[: box.shape[1], : box.shape[2]], out=box)
