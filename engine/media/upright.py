"""Turn pictures the way the film says they are to be seen."""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from engine.types import Planes


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """What is done to a coded picture to see it upright: first transposed, then mirrored.

    is_transposed : rows become columns
    flips_x, flips_y : mirrored left to right, top to bottom
    """

    is_transposed: bool = False
    flips_x: bool = False
    flips_y: bool = False

    def __bool__(self) -> bool:
        return self.is_transposed or self.flips_x or self.flips_y

    @property
    def degrees(self) -> int:
        """Rotation counter-clockwise that a player applies, before it mirrors left to right."""
        turned = {(False, False): 0, (False, True): 180, (True, False): 270, (True, True): 90}
        return turned[self.is_transposed, self.flips_y]

    @property
    def is_mirrored(self) -> bool:
        """Whether the rotated picture is mirrored left to right."""
        return self.is_transposed ^ self.flips_x ^ self.flips_y

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the upright picture."""
        return (height, width) if self.is_transposed else (width, height)

    def apply(self, planes: Planes, out: Planes) -> None:
        """Write `planes` (C, H, W) upright into `out`, of the upright size; the two do not overlap."""
        view = planes.transpose(0, 2, 1) if self.is_transposed else planes
        view = view[:, :: -1 if self.flips_y else 1, :: -1 if self.flips_x else 1]
        for source, target in zip(view, out, strict=True):
            np.copyto(target, source)


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Return the orientation that a decoded picture carries (display matrix; EXIF of photographs).

    Not to be called for every picture: PyAV ties a picture and its side data into a cycle, so the picture's memory then
    waits for the garbage collector (230 pictures were seen to wait). `av.VideoFrame.rotation` is free of that.
    """
    matrix = _display_matrix(picture)
    if matrix is None:
        return Orientation()
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(a) >= abs(b):
        return Orientation(flips_x=a < 0, flips_y=d < 0)
    return Orientation(is_transposed=True, flips_x=c < 0, flips_y=b < 0)


def _display_matrix(picture: av.VideoFrame) -> np.ndarray[tuple[int], np.dtype[np.int32]] | None:
    try:
        side_data: Any = picture.side_data  # its type stubs know motion vectors alone
        data = side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # side data that this PyAV has no name for hides the rest; the turn is still told, flips are not
        return _matrix_of_rotation(picture.rotation)
    return None if data is None else np.frombuffer(data, np.int32)


def _matrix_of_rotation(degrees: int) -> np.ndarray[tuple[int], np.dtype[np.int32]] | None:
    if degrees == 0:
        return None
    cosine, sine = round(np.cos(np.deg2rad(degrees))), round(np.sin(np.deg2rad(degrees)))
    return np.array([cosine, -sine, 0, sine, cosine], np.int32)
