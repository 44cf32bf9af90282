"""Drawing with sub-pixel precision in a place's own units.

A `Brush` draws polygons, discs and lines on a picture; a `Sheet` is a picture of its own with a brush on it,
transparent where nothing was drawn, to be laid into a scene later. y points up.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[float, float, float]
"""R'G'B', 0 to 1."""

Point = tuple[float, float]
Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3) R'G'B' or (H, W, 4) with premultiplied alpha, full range."""

HAZE: Colour = (0.80, 0.79, 0.74)
"""The colour that far things fade into."""

_SHIFT = 4
_FAR = 30000 << _SHIFT


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from the first to the second."""
    r, g, b = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return r, g, b


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour lighter (factor above 1) or darker."""
    r, g, b = (min(value * factor, 1.0) for value in colour)
    return r, g, b


class Brush:
    """Draws on a picture in units of its own.

    Parameters
    ----------
    picture : drawn on in place
    origin : pixel, x and y, at which (0, 0) lies
    scale : pixels per unit
    mirrored : x points left
    haze : how far colours fade into `HAZE`, 0 to 1
    """

    def __init__(
        self, picture: Picture, *, origin: Point, scale: float, mirrored: bool = False, haze: float = 0.0
    ) -> None:
        self.picture = picture
        self.scale = scale
        self._origin = np.array(origin)
        self._axes = np.array([-scale if mirrored else scale, -scale])
        self._haze = haze

    def moved(self, x: float, y: float = 0.0) -> "Brush":
        """Return a brush like this one whose (0, 0) lies at (x, y)."""
        place = self._origin + self._axes * (x, y)
        origin = (float(place[0]), float(place[1]))
        return Brush(self.picture, origin=origin, scale=self.scale, mirrored=self._axes[0] < 0, haze=self._haze)

    def polygon(self, points: Iterable[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._fill(np.array([*points], np.float64), colour)

    def rectangle(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)

    def disc(self, centre: Point, radii: Point, colour: Colour, turned: float = 0.0) -> None:
        """Fill an ellipse; `turned` in radians, counter-clockwise."""
        circle = _circle(max(12, int(6 * np.sqrt(max(radii) * self.scale)))) * radii
        if turned:
            cos, sin = np.cos(turned), np.sin(turned)
            circle = circle @ np.array([[cos, sin], [-sin, cos]])
        self._fill(circle + centre, colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour, *, end_width: float | None = None) -> None:
        """Draw a line through points with round joints, its width changing evenly to `end_width`."""
        widths = np.linspace(width, width if end_width is None else end_width, len(points))
        for (start, end), (w0, w1) in zip(
            zip(points, points[1:], strict=False), zip(widths, widths[1:], strict=False), strict=True
        ):
            along = np.subtract(end, start)
            length = float(np.hypot(*along)) or 1.0
            normal = np.array([-along[1], along[0]]) / (2 * length)
            self._fill(
                np.array([start + normal * w0, end + normal * w1, end - normal * w1, start - normal * w0]), colour
            )
        for point, point_width in zip(points, widths, strict=True):
            if point_width * self.scale > 2.5:
                self.disc(point, (point_width / 2, point_width / 2), colour)

    def _fill(self, points: npt.NDArray[np.float64], colour: Colour) -> None:
        pixels = (self._origin + points * self._axes) * (1 << _SHIFT)
        fixed = np.rint(np.clip(pixels, -_FAR, _FAR, out=pixels)).astype(np.int32)
        cv2.fillPoly(self.picture, [fixed], self._ink(colour), cv2.LINE_AA, _SHIFT)

    def _ink(self, colour: Colour) -> tuple[float, float, float, float]:
        r, g, b = (value * 255 for value in (mix(colour, HAZE, self._haze) if self._haze else colour))
        return r, g, b, 255.0


class Sheet(Brush):
    """A transparent picture with a brush on it: `width` by `height` units, (0, 0) at the bottom left."""

    def __init__(self, width: float, height: float, *, scale: float) -> None:
        self.width, self.height = width, height
        picture = np.zeros((max(2, round(height * scale)), max(2, round(width * scale)), 4), np.uint8)
        super().__init__(picture, origin=(0.0, float(picture.shape[0])), scale=scale)

    def multiply(self, factor: npt.NDArray[np.float32]) -> None:
        """Make the drawing lighter or darker, (H, W) or a column (H, 1); alpha stays."""
        color, alpha = self.picture[..., :3], self.picture[..., 3:]
        color[:] = np.minimum(color * factor[..., None], alpha).astype(np.uint8)

    def fade(self, share: float, colour: Colour = HAZE) -> None:
        """Let the drawing fade into a colour, as distance does."""
        color, alpha = self.picture[..., :3], self.picture[..., 3:]
        color[:] = (color * (1 - share) + alpha * np.array(colour) * share).astype(np.uint8)


@cache
def _circle(corners: int) -> npt.NDArray[np.float64]:
    """Return the corners of a polygon in the unit circle, (corners, 2); shared, not to be written to."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def lay_over(picture: Picture, sheet: Picture) -> None:
    """Lay a premultiplied RGBA picture over an RGB one of equal size, in place."""
    rest = cv2.cvtColor(255 - sheet[..., 3], cv2.COLOR_GRAY2RGB)
    cv2.multiply(picture, rest, dst=picture, scale=1 / 255)
    cv2.add(picture, np.ascontiguousarray(sheet[..., :3]), dst=picture)


def noise(
    rng: np.random.Generator, height: int, width: int, *, cell: float, octaves: int = 4, stretch: float = 1.0
) -> npt.NDArray[np.float32]:
    """Return fractal noise float32 (height, width), mean about 0, deviation about 1.

    Parameters
    ----------
    cell : size of the largest grains, pixels
    octaves : each has half the size and 0.6 of the strength of the one before
    stretch : width ÷ height of a grain
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        rows, columns = max(2, round(height / size)), max(2, round(width / (size * stretch)))
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        total += 0.6**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total / max(float(total.std()), 1e-6)
