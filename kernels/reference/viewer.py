"""Reference of viewer.cu."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[Any]
"""(C, H, W)."""

Mask = npt.NDArray[np.float32]
"""(h, w), 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is drawn over pictures.

    letters, shade : where there is ink, where there is ink or plate
    ink, plate : values of both, of every plane; equal: no plate
    opacity : 0..1
    left, top : of its first pixel in the picture; parts of it may lie outside
    step : 2 takes every other pixel of it, for planes at half size
    """

    letters: Mask
    shade: Mask
    ink: float
    plate: float
    opacity: float
    left: int
    top: int
    step: int = 1


def compare(
    film: Planes,
    picture: Planes,
    *,
    width: int,
    film_columns: int,
    line_columns: int,
    line: float,
    picture_from: int,
) -> Planes:
    """Return (C, H, width): columns of the film, a line of one value, and the restored picture, moved to the right.

    Parameters
    ----------
    film : (1 or C, H or 1, at least `film_columns`); one plane or row stands for all
    picture : (C, H, W), shown from column `picture_from` on
    """
    planes, height, columns = picture.shape
    out = np.zeros((planes, height, width), np.float32)
    out[:, :, picture_from : picture_from + columns] = picture
    out[:, :, film_columns : film_columns + line_columns] = line
    seen = np.broadcast_to(film, (planes, height, film.shape[2]))
    out[:, :, :film_columns] = np.fmin(np.fmax(seen[:, :, :film_columns], 0.0), 1.0)
    return out


def draw_label(picture: Planes, drawing: Drawing) -> Planes:
    """Return a picture (C, H, W) with a drawing blended over it (Porter and Duff 1984, "over")."""
    letters, shade = (mask[:: drawing.step, :: drawing.step] for mask in (drawing.letters, drawing.shade))
    rows, columns = letters.shape
    height, width = picture.shape[1:]
    first_row, first_column = max(0, -drawing.top), max(0, -drawing.left)
    rows, columns = min(rows, height - drawing.top), min(columns, width - drawing.left)
    part = (slice(first_row, rows), slice(first_column, columns))
    place = (
        slice(None),
        slice(drawing.top + first_row, drawing.top + rows),
        slice(drawing.left + first_column, drawing.left + columns),
    )
    share = shade[part] * np.float32(drawing.opacity)
    colour = drawing.plate + (drawing.ink - drawing.plate) * letters[part]
    out = picture.astype(np.float32)
    out[place] = out[place] * (1 - share) + share * colour
    return out


def draw_counter(picture: Planes, drawing: Drawing, number: int, cells: int) -> Planes:
    """Return a picture with the last `cells` decimal digits of a number over it.

    The masks of `drawing` hold the digits 0 to 9 side by side, all of one width.
    """
    digits = [int(digit) for digit in f"{number:0{cells}d}"[-cells:]]
    letters, shade = (np.split(mask, 10, axis=1) for mask in (drawing.letters, drawing.shade))
    written = Drawing(
        letters=np.hstack([letters[digit] for digit in digits]),
        shade=np.hstack([shade[digit] for digit in digits]),
        ink=drawing.ink,
        plate=drawing.plate,
        opacity=drawing.opacity,
        left=drawing.left,
        top=drawing.top,
        step=drawing.step,
    )
    return draw_label(picture, written)
