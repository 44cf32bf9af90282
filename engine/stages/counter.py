"""The number of the film's frame, in a corner of the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.stages.label import MARGIN
from engine.stages.lettering import FONT_HEIGHT, Lettering, Stamp, draw_letters, even
from engine.types import Planes

CELLS = 6
"""Digits at least, with leading zeros: eleven hours at 24 frames a second."""

MARK = "+"
"""Behind the number of the frame before a synthesized one."""

HEIGHT, SMALLEST = 0.035, 10
"""Of a digit, as part of the picture's height; and in pixels at least, where the picture has room for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDrawing:
    """What numbers are made of for pictures of one size.

    digits : 0 to 9
    mark : `MARK`
    rows, columns : of each of them; even
    margin : of the first digit to the picture's upper and left edge; even
    """

    digits: Sequence[Lettering]
    mark: Lettering
    rows: int
    columns: int
    margin: int


class Counter:
    """Blends numbers into pictures at the top left.

    Parameters
    ----------
    height, width : of the pictures
    """

    def __init__(self, height: int, width: int) -> None:
        drawing = counter_drawing(height, width)
        self._digits = [Stamp(digit) for digit in drawing.digits]
        self._mark = Stamp(drawing.mark)
        self._columns, self._margin = drawing.columns, drawing.margin

    def draw(self, pixels: Planes, chroma: Planes | None, number: int, *, is_after: bool) -> None:
        """Blend a number into planes (C, H, W) and half-size chroma (2, h, w), in place.

        Parameters
        ----------
        number : of a frame of the film, from 0
        is_after : the picture was made between that frame and the next; adds the mark
        """
        top = left = self._margin
        for digit in f"{number:0{CELLS}d}":
            self._digits[int(digit)].draw(pixels, chroma, top, left)
            left += self._columns
        if is_after:
            self._mark.draw(pixels, chroma, top, left)


def cells_of(number: int) -> int:
    """Return how many digits a number is shown with."""
    return max(CELLS, len(str(number)))


def counter_drawing(height: int, width: int) -> CounterDrawing:
    """Return what numbers are made of for pictures of a size.

    `CELLS` digits and the mark fit into a picture's width, and one into half its height, down to 2×2 pixels each.
    """
    *digits, mark = draw_letters([*"0123456789", MARK])
    rows, columns = mark.letters.shape
    margin = round(MARGIN * height) // 2 * 2
    across = max(0, width - 2 * margin) / ((CELLS + 1) * columns)
    scale = min(max(HEIGHT * height, SMALLEST) / FONT_HEIGHT, across, height / (2 * rows))
    rows, columns = even(rows * scale, height), even(columns * scale, width)
    return CounterDrawing(
        digits=[digit.resized(rows, columns) for digit in digits],
        mark=mark.resized(rows, columns),
        rows=rows,
        columns=columns,
        margin=margin,
    )
