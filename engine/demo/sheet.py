"""The before/after sheet: a few moments, each as the aged film, the restored film and the truth show it.

`python -m engine.demo.sheet demo/before-after.png docs/before-after.jpg` makes the README's picture of a demonstration.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from engine.demo.aged_film import AgedFilm
from engine.demo.brush import Picture
from engine.demo.picture_file import write_picture
from engine.errors import DecodeError

_COLUMNS = ("aged", "restored", "truth")
_MARGIN = 6
_TITLE = 26
_PAPER = (250, 248, 244)
_INK = (40, 38, 36)


def make_sheet(film: AgedFilm, restored: Mapping[int, Picture], *, moments: int = 2, columns: int = 3) -> Picture:
    """Lay pictures out in rows (moments) and columns (aged, restored, truth), RGB.

    Parameters
    ----------
    restored : pictures by frame number; moments are chosen among them, evenly
    moments : rows
    columns : 3, or 2 without the truth
    """
    numbers = sorted(restored)
    chosen = [numbers[round((row + 0.5) * (len(numbers) - 1) / moments)] for row in range(moments)]
    height, width = film.pictures[0].shape[:2]
    sheet = np.empty((_TITLE + moments * (height + _MARGIN), columns * (width + _MARGIN) + _MARGIN, 3), np.uint8)
    sheet[:] = _PAPER
    for column, title in enumerate(_COLUMNS[:columns]):
        origin = (_MARGIN + column * (width + _MARGIN), _TITLE - 8)
        cv2.putText(sheet, title, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
    for row, number in enumerate(chosen):
        grey = np.rint(film.aged[number] * 255).astype(np.uint8)
        pictures = (cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), restored[number], film.pictures[number])
        top = _TITLE + row * (height + _MARGIN)
        for column, picture in enumerate(pictures[:columns]):
            left = _MARGIN + column * (width + _MARGIN)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def shrink(source: Path, target: Path, *, width: int = 960) -> None:
    """Write a smaller copy of a sheet."""
    found = cv2.imread(str(source), cv2.IMREAD_COLOR)
    if found is None:
        raise DecodeError(f"{source}: not a readable picture; run farshore demo first")
    picture = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    height = round(picture.shape[0] * width / picture.shape[1])
    write_picture(target, cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8))


if __name__ == "__main__":
    shrink(Path(sys.argv[1]), Path(sys.argv[2]))
