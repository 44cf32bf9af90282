"""The word "restored" in a corner of the picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import Plane
from engine.types import Planes

TEXT = "restored"

HEIGHT = 0.045
"""Of the letters, as part of the picture's height."""

MARGIN = 0.025
"""To the picture's edges, as part of its height."""

WHITE, BLACK = 0.95, 0.05
OPACITY = 0.85

FONT, FONT_HEIGHT, STROKE, RIM = cv2.FONT_HERSHEY_SIMPLEX, 22, 3, 4
"""Of the drawing that is reduced to the size wanted; pixels at a font scale of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A label for pictures of one size.

    letters : float32 (h, w), 1 where there is ink; h and w are even
    shade : the same of letters and rim
    top, left : where it stands in the picture; even
    """

    letters: Plane
    shade: Plane
    top: int
    left: int


class Label:
    """Letters in white on a dark rim, drawn once and blended into each picture at the bottom right.

    Parameters
    ----------
    height, width : of the pictures
    """

    def __init__(self, height: int, width: int) -> None:
        drawing = label_drawing(height, width)
        opacity = drawing.shade * np.float32(OPACITY)
        self._top, self._left = drawing.top, drawing.left
        self._keep: Plane = (1.0 - opacity).astype(np.float32)
        self._add: Plane = (opacity * (BLACK + (WHITE - BLACK) * drawing.letters)).astype(np.float32)
        self._keep_chroma = np.ascontiguousarray(self._keep[::2, ::2])
        self._add_chroma: Plane = ((1.0 - self._keep_chroma) * NEUTRAL_AB).astype(np.float32)

    def draw(self, pixels: Planes, chroma: Planes | None) -> None:
        """Blend the label into planes (C, H, W) and half-size chroma (2, h, w), in place."""
        _blend(pixels, self._top, self._left, self._keep, self._add)
        if chroma is not None:
            _blend(chroma, self._top // 2, self._left // 2, self._keep_chroma, self._add_chroma)


def label_drawing(height: int, width: int) -> Drawing:
    """Return the label for pictures of a size."""
    letters, shade = _drawing()
    scale = HEIGHT * height / FONT_HEIGHT
    rows = max(2, min(height, round(letters.shape[0] * scale)) // 2 * 2)
    columns = max(2, min(width, round(letters.shape[1] * scale)) // 2 * 2)
    margin = round(MARGIN * height)
    return Drawing(
        letters=_reduced(letters, rows, columns),
        shade=_reduced(shade, rows, columns),
        top=max(0, height - rows - margin) // 2 * 2,
        left=max(0, width - columns - margin) // 2 * 2,
    )


def _drawing() -> tuple[Plane, Plane]:
    """Return the letters, and the letters with their rim, large; 1 where they are."""
    (width, height), below = cv2.getTextSize(TEXT, FONT, 1.0, STROKE)
    letters = np.zeros((height + below + 2 * RIM, width + 2 * RIM), np.uint8)
    cv2.putText(letters, TEXT, (RIM, RIM + height), FONT, 1.0, 255, STROKE, cv2.LINE_AA)
    shade = cv2.dilate(letters, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RIM + 1, 2 * RIM + 1)))
    return letters.astype(np.float32) / np.float32(255), shade.astype(np.float32) / np.float32(255)


def _reduced(drawing: Plane, rows: int, columns: int) -> Plane:
    return cv2.resize(drawing, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)


def _blend(planes: Planes, top: int, left: int, keep: Plane, add: Plane) -> None:
    rows, columns = keep.shape
    box = planes[:, top : top + rows, left : left + columns]
    np.multiply(box, keep[: box.shape[1], : box.shape[2]], out=box)
    np.add(box, add[: box.shape[1], : box.shape[2]], out=box)
