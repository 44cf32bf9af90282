"""The word "restored" in a corner of the picture."""

from dataclasses import dataclass

from engine.stages.lettering import FONT_HEIGHT, Lettering, Stamp, draw_letters, even
from engine.types import Planes

TEXT = "restored"

HEIGHT = 0.045
"""Of the letters, as part of the picture's height."""

MARGIN = 0.025
"""To the picture's edges, as part of its height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A label for pictures of one size.

    lettering : the word; rows and columns are even
    top, left : where it stands in the picture; even
    """

    lettering: Lettering
    top: int
    left: int


class Label:
    """Blends the word into each picture at the bottom right.

    Parameters
    ----------
    height, width : of the pictures
    """

    def __init__(self, height: int, width: int) -> None:
        drawing = label_drawing(height, width)
        self._stamp, self._top, self._left = Stamp(drawing.lettering), drawing.top, drawing.left

    def draw(self, pixels: Planes, chroma: Planes | None) -> None:
        """Blend the label into planes (C, H, W) and half-size chroma (2, h, w), in place."""
        self._stamp.draw(pixels, chroma, self._top, self._left)


def label_drawing(height: int, width: int) -> Drawing:
    """Return the label for pictures of a size."""
    (word,) = draw_letters([TEXT])
    scale = HEIGHT * height / FONT_HEIGHT
    rows, columns = (even(side * scale, most) for side, most in zip(word.letters.shape, (height, width), strict=True))
    margin = round(MARGIN * height)
    return Drawing(
        lettering=word.resized(rows, columns),
        top=max(0, height - rows - margin) // 2 * 2,
        left=max(0, width - columns - margin) // 2 * 2,
    )
