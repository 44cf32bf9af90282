"""A sheet of the worst and best cases, for looking at."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import ConfigError, EncodeError

WIDTH, HEIGHT = 480, 360
"""Pixels of the box into which each picture is fitted."""

_MARGIN, _TITLE, _CAPTION = 8, 26, 20
_PAPER, _INK = (250, 248, 244), (40, 38, 36)

Colour = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One row of the sheet.

    title : which case, and its figures
    pictures : caption → uint8 (H, W, 3) R'G'B' or (H, W) luma; all of one size
    """

    title: str
    pictures: Mapping[str, Colour]


def draw_sheet(exhibits: Sequence[Exhibit]) -> Colour:
    """Lay exhibits out, one below the other, uint8 (H, W, 3)."""
    strips = [_strip(exhibit) for exhibit in exhibits]
    width = max(strip.shape[1] for strip in strips)
    padded = [
        cv2.copyMakeBorder(strip, 0, 0, 0, width - strip.shape[1], cv2.BORDER_CONSTANT, value=_PAPER)
        for strip in strips
    ]
    return np.concatenate(padded).astype(np.uint8, copy=False)


def check_sheet_path(path: Path) -> None:
    """Refuse a path that no sheet can be written to, before hours of work."""
    if path.suffix.lower() not in (".png", ".jpg"):
        raise ConfigError(f"--sheet {path}: wanted a name ending in .png or .jpg")
    if not path.parent.is_dir():
        raise ConfigError(f"--sheet {path}: no such folder {path.parent}; make it first")


def write_sheet(path: Path, exhibits: Sequence[Exhibit]) -> None:
    """Write a sheet, whole or not at all.

    Raises
    ------
    EncodeError
        The file cannot be written.
    """
    coded = cv2.imencode(path.suffix, cv2.cvtColor(draw_sheet(exhibits), cv2.COLOR_RGB2BGR))[1]
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_bytes(coded.tobytes())
        os.replace(unfinished, path)
    except OSError as error:
        raise EncodeError(f"{path}: cannot be written ({error.strerror}); choose another --sheet") from error


def _strip(exhibit: Exhibit) -> Colour:
    pictures = [_fitted(picture) for picture in exhibit.pictures.values()]
    height = max(picture.shape[0] for picture in pictures)
    wide = max(len(pictures), 3) * (WIDTH + _MARGIN) + _MARGIN
    strip = np.empty((_TITLE + height + _CAPTION + _MARGIN, wide, 3), np.uint8)
    strip[:] = _PAPER
    _write(strip, exhibit.title, _MARGIN, _TITLE - 8, 0.5)
    for number, (caption, picture) in enumerate(zip(exhibit.pictures, pictures, strict=True)):
        left = _MARGIN + number * (WIDTH + _MARGIN)
        strip[_TITLE : _TITLE + picture.shape[0], left : left + picture.shape[1]] = picture
        _write(strip, caption, left, _TITLE + height + 14, 0.42)
    return strip


def _fitted(picture: Colour) -> Colour:
    colour = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    scale = min(WIDTH / colour.shape[1], HEIGHT / colour.shape[0])
    size = max(1, round(colour.shape[1] * scale)), max(1, round(colour.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return cv2.resize(colour, size, interpolation=method).astype(np.uint8, copy=False)


def _write(strip: Colour, text: str, x: int, y: int, scale: float) -> None:
    cv2.putText(strip, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
