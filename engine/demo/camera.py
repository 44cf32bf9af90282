"""A pinhole camera that looks down a street, and pictures standing or lying in its world."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engine.demo.brush import Brush, Picture, Point, lay_over

Place = tuple[float, float, float]
"""Metres: x to the right, y up, z away from where the camera started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Looks along z, upright; the horizon is moved by shifting the lens, so verticals stay parallel.

    width, height : of the picture, pixels
    position : of the lens, metres
    focal : focal length ÷ picture height
    horizon : row of the horizon ÷ picture height
    pan : how far the lens is shifted sideways ÷ picture height
    """

    width: int
    height: int
    position: Place
    focal: float = 1.35
    horizon: float = 0.54
    pan: float = 0.0

    def scale_at(self, z: float) -> float:
        """Return pixels per metre at a distance."""
        return self.focal * self.height / (z - self.position[2])

    def project(self, place: Place) -> Point:
        """Return the pixel at which a place is seen."""
        scale = self.scale_at(place[2])
        x = self.width / 2 + (place[0] - self.position[0]) * scale - self.pan * self.height
        return x, self.horizon * self.height - (place[1] - self.position[1]) * scale

    def brush(self, picture: Picture, place: Place, *, mirrored: bool = False, haze: float = 0.0) -> Brush:
        """Return a brush that draws in metres around a place, facing the camera."""
        scale = self.scale_at(place[2])
        return Brush(picture, origin=self.project(place), scale=scale, mirrored=mirrored, haze=haze)

    def lay(self, picture: Picture, sheet: Picture, corners: Sequence[Place]) -> None:
        """Lay a premultiplied RGBA sheet into the world.

        Parameters
        ----------
        picture : laid over in place
        sheet : its bottom left, bottom right, top right and top left go to `corners`
        corners : in front of the camera
        """
        seen = np.array([self.project(corner) for corner in corners], np.float32)
        left, top = np.floor(seen.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(seen.max(axis=0)).astype(int) + 1
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height)
        if right <= left or bottom <= top:
            return
        height, width = sheet.shape[:2]
        whole = np.array([(0, height), (width, height), (width, 0), (0, 0)], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(whole, seen - np.array([left, top], np.float32))
        laid = cv2.warpPerspective(sheet, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        lay_over(picture[top:bottom, left:right], laid.astype(np.uint8, copy=False))


def upright(x: float, z: float, width: float, height: float, base: float = 0.0) -> list[Place]:
    """Return the corners of a sheet that stands across the view, its middle at x."""
    left, right = x - width / 2, x + width / 2
    return [(left, base, z), (right, base, z), (right, base + height, z), (left, base + height, z)]


def along(x: float, near: float, far: float, height: float, base: float = 0.0) -> list[Place]:
    """Return the corners of a sheet that stands along the street: its left edge is the one further to the left."""
    start, end = (near, far) if x < 0 else (far, near)
    return [(x, base, start), (x, base, end), (x, base + height, end), (x, base + height, start)]
