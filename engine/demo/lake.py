"""The demonstration's second shot: a lake with an island, a white pagoda and a boat, the camera panning slowly."""

import math
from collections.abc import Callable

import cv2
import numpy as np

from engine.demo import buildings
from engine.demo.brush import Brush, Colour, Picture, Point, Sheet, lay_over, noise, shade
from engine.demo.figures import Dress, draw_bird, draw_person
from engine.demo.ground import sky
from engine.demo.water import Water

_LEAF: Colour = (0.22, 0.36, 0.15)
_STONE: Colour = (0.80, 0.78, 0.72)
_WHITE: Colour = (0.93, 0.92, 0.88)
_HORIZON = 225.0
_WIDTH = 900.0


class Lake:
    """Draws the shot at any time. Places are in points: 480 to the picture's height, (0, 0) at its bottom left.

    Parameters
    ----------
    width, height : of the pictures, pixels
    seed : of clouds and leaves
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng((seed, 2))
        self._size = (width, height)
        self._scale = height / 480
        shore = round((480 - _HORIZON) * self._scale)
        self._sky = sky(round(width * 1.3), height, round(shore * 1.1), rng)
        self._far = _far_shore(self._scale, rng).picture
        self._island = _island(self._scale, rng).picture
        self._water = Water(width, height, shore)
        self._willow = _willow_twigs(rng)
        self._lotus = _lotus_leaves(rng)
        self._over = np.zeros((height, width, 4), np.uint8)

    def picture(self, time: float) -> Picture:
        """Return the picture at `time` seconds, RGB."""
        pan = 14.0 * time
        picture = _shifted(self._sky, -self._scale * (10 + 0.3 * pan + 9 * time), self._size, cv2.BORDER_REFLECT)
        for sheet, share in ((self._far, 0.45), (self._island, 1.0)):
            self._over[:] = _shifted(sheet, -self._scale * pan * share, self._size, cv2.BORDER_CONSTANT)
            lay_over(picture, self._over)
        for number in range(5):
            turn = 0.5 * time + 0.5 * number
            place = (250 + 110 * math.cos(turn) + 22 * number, 405 + 20 * math.sin(1.6 * turn) + 6 * (number % 3))
            draw_bird(self._brush(picture, place, 26), time + 0.31 * number)
        x = 150 + 34 * time - pan
        mirrored = picture.copy()
        self._draw_boat(mirrored, x, _HORIZON + 20, time)
        self._water.draw(picture, mirrored, time)
        self._draw_boat(picture, x, _HORIZON - 22, time)
        self._draw_lotus(picture, pan, time)
        self._draw_willow(picture, pan, time)
        return picture

    def _brush(self, picture: Picture, place: Point, unit: float) -> Brush:
        """Return a brush at a place, `unit` points to its metre."""
        origin = (place[0] * self._scale, (480 - place[1]) * self._scale)
        return Brush(picture, origin=origin, scale=unit * self._scale)

    def _draw_boat(self, picture: Picture, x: float, y: float, time: float) -> None:
        brush = self._brush(picture, (x, y + 1.2 * math.sin(1.3 * time)), 27)
        hull = (0.33, 0.22, 0.14)
        for seat in (-0.9, -0.1):
            rider = Dress(robe=(0.62, 0.26, 0.24) if seat < -0.5 else (0.28, 0.40, 0.50), parasol=None)
            draw_person(brush.moved(seat, -0.45), 0.3, rider)
        for post in (-1.7, 0.7):
            brush.line([(post, 0.2), (post, 1.75)], 0.08, shade(hull, 1.3))
        brush.polygon([(-2.0, 1.62), (1.0, 1.62), (0.7, 1.98), (-1.7, 1.98)], (0.74, 0.62, 0.36))
        brush.line([(-2.0, 1.62), (1.0, 1.62)], 0.08, (0.55, 0.44, 0.24))
        push = math.sin(1.5 * time)
        draw_person(
            brush.moved(2.2, 0.12), 0.4 + 0.25 * push, Dress(robe=(0.24, 0.32, 0.50), hat=(0.84, 0.76, 0.5), long=False)
        )
        brush.line([(2.1 + 0.15 * push, 2.5), (3.3 - 0.2 * push, -0.35)], 0.06, (0.62, 0.52, 0.32))
        brush.polygon([(-3.2, 0.42), (-2.6, 0.12), (2.8, 0.10), (3.6, 0.50), (2.9, -0.30), (-2.5, -0.30)], hull)
        brush.line([(-3.15, 0.42), (-2.6, 0.16), (2.8, 0.14), (3.55, 0.5)], 0.09, shade(hull, 1.7))

    def _draw_lotus(self, picture: Picture, pan: float, time: float) -> None:
        for number, (x, y, size, bloom) in enumerate(self._lotus):
            sway = 1.5 * math.sin(1.1 * time + number)
            brush = self._brush(picture, (x - 1.25 * pan + sway, y), size)
            leaf = shade((0.30, 0.45, 0.25), 0.8 + 0.4 * ((number * 37) % 10) / 10)
            brush.disc((0, 0), (1.0, 0.34), leaf)
            brush.disc((-0.15, 0.05), (0.65, 0.19), shade(leaf, 1.18))
            if bloom:
                for petal in (-0.9, -0.45, 0.45, 0.9, 0.0):
                    brush.disc(
                        (0.32 * math.sin(petal), 0.75 + 0.18 * math.cos(petal)), (0.13, 0.3), (0.88, 0.55, 0.62), -petal
                    )
                brush.line([(0, 0), (0, 0.6)], 0.06, (0.3, 0.42, 0.2))

    def _draw_willow(self, picture: Picture, pan: float, time: float) -> None:
        """Draw twigs that hang into the picture at its upper right and swing in the wind."""
        right = self._size[0] / self._scale
        for x, length, phase, tone in self._willow:
            brush = self._brush(picture, (right - x - 0.5 * pan + 30, 490), 1.0)
            share = np.linspace(0, 1, 12)
            bend = (9 + 0.05 * length) * share**1.7 * math.sin(1.5 * time + phase) + 10 * share**2
            points = [(float(b), float(-length * s)) for b, s in zip(bend, share, strict=True)]
            brush.line(points, 1.7, (0.30, 0.27, 0.16), end_width=0.8)
            for number, (px, py) in enumerate(points[2:]):
                for side in (-1, 1):
                    tilt = side * (0.55 + 0.1 * math.sin(3 * time + number + phase))
                    brush.disc((px + side * 4.2, py - 7), (2.1, 9.0), shade((0.36, 0.48, 0.18), tone), tilt)


def _shifted(sheet: Picture, x: float, size: tuple[int, int], border: int) -> Picture:
    matrix = np.array([[1, 0, x], [0, 1, 0]], np.float64)
    return cv2.warpAffine(sheet, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border).astype(np.uint8, copy=False)


def _far_shore(scale: float, rng: np.random.Generator) -> Sheet:
    sheet = Sheet(_WIDTH, 480, scale=scale)
    for base, roll, colour in ((30.0, 9.0, (0.52, 0.60, 0.66)), (9.0, 4.0, (0.42, 0.50, 0.40))):
        ridge = noise(rng, 2, 240, cell=70, octaves=6)[0]
        outline = [(_WIDTH * i / 239, _HORIZON + base + roll * float(level)) for i, level in enumerate(ridge)]
        sheet.polygon([(0, _HORIZON - 2), *outline, (_WIDTH, _HORIZON - 2)], colour)
    return sheet


def _island(scale: float, rng: np.random.Generator) -> Sheet:
    """Paint the wooded island with its pagoda and pavilions, the quay and the bridge."""
    sheet = Sheet(_WIDTH, 480, scale=scale)
    middle = 400.0

    def hill(x: float) -> float:
        return 100 * math.exp(-(((x - middle) / 120) ** 2)) + 18 * math.exp(-(((x - middle - 150) / 90) ** 2))

    _pagoda(sheet, middle, _HORIZON + 84)
    _trees(sheet, hill, middle, rng)
    _pavilion(sheet, middle - 62, _HORIZON + 46, 26, buildings.GLAZED)
    _pavilion(sheet, middle + 78, _HORIZON + 30, 30, (0.62, 0.47, 0.18))
    _hall(sheet, middle - 20, _HORIZON + 6)
    sheet.rectangle(middle - 200, _HORIZON - 3, middle + 250, _HORIZON + 5, shade(_STONE, 0.8))
    for x in np.arange(middle - 198, middle + 250, 9):
        sheet.rectangle(x, _HORIZON + 5, x + 2, _HORIZON + 12, _STONE)
    sheet.line([(middle - 198, _HORIZON + 10), (middle + 250, _HORIZON + 10)], 1.5, _WHITE)
    _bridge(sheet, middle - 290, rng)
    return sheet


def _trees(sheet: Sheet, hill: Callable[[float], float], middle: float, rng: np.random.Generator) -> None:
    """Cover the hill with crowns, the furthest first, lit from the left."""
    for depth in np.linspace(1.0, 0.12, 16):
        for x in np.arange(middle - 215, middle + 265, 15):
            x += rng.normal(0, 5)
            height = hill(x) * depth
            if height < 2 or (abs(x - middle) < 17 and depth > 0.92):
                continue
            _crown(sheet, x, _HORIZON + height, rng.uniform(7, 12), shade(_LEAF, rng.uniform(0.75, 1.25)), rng)


def _crown(sheet: Sheet, x: float, y: float, size: float, green: Colour, rng: np.random.Generator) -> None:
    sheet.disc((x, y - size * 0.2), (size, size * 0.9), shade(green, 0.55))
    for _ in range(9):
        dx, dy = rng.normal(0, 0.42, 2) * size
        light = 0.85 + 0.5 * (dy - dx) / (2 * size) + rng.uniform(-0.1, 0.1)
        sheet.disc((x + dx, y + dy), (size * 0.38, size * 0.30), shade(green, max(light, 0.45)))


def _pagoda(sheet: Sheet, x: float, y: float) -> None:
    """Paint a white dagoba: terrace, vase, ringed spire, gilt canopy."""
    sheet.polygon([(x - 32, y), (x + 32, y), (x + 27, y + 16), (x - 27, y + 16)], shade(_STONE, 0.85))
    sheet.rectangle(x - 24, y + 16, x + 24, y + 22, _STONE)
    profile = [(17, 22), (23, 34), (24.5, 46), (22, 56), (15, 63), (8, 66), (6, 70), (6.5, 72), (3.2, 100)]
    left, right = [(x - w, y + h) for w, h in profile], [(x + w, y + h) for w, h in profile]
    sheet.polygon([*left, *reversed(right)], _WHITE)
    lit = [(x + w, y + h) for w, h in profile]
    sheet.polygon([*lit, *[(x + w * 0.30, y + h) for w, h in reversed(profile)]], shade(_WHITE, 0.80))
    sheet.polygon([*left, *[(x - w * 0.72, y + h) for w, h in reversed(profile)]], shade(_WHITE, 1.06))
    for ring in range(9):
        sheet.line(
            [(x - 5.6 + 0.3 * ring, y + 73 + 3 * ring), (x + 5.6 - 0.3 * ring, y + 73 + 3 * ring)],
            0.9,
            shade(_STONE, 0.7),
        )
    sheet.disc((x, y + 101), (9, 2.2), buildings.GILT)
    sheet.line([(x, y + 101), (x, y + 112)], 2.4, buildings.GILT, end_width=1.0)
    sheet.disc((x, y + 45), (5.5, 8), shade(buildings.LACQUER, 0.95))
    sheet.disc((x, y + 45), (3.4, 5.6), buildings.GILT)


def _pavilion(sheet: Sheet, x: float, y: float, width: float, tiles: Colour) -> None:
    half = width / 2
    sheet.rectangle(x - half * 0.8, y, x + half * 0.8, y + half * 0.9, shade(buildings.LACQUER, 0.55))
    for post in np.linspace(x - half * 0.78, x + half * 0.78, 4):
        sheet.rectangle(post - 0.9, y, post + 0.9, y + half * 0.9, buildings.LACQUER)
    sheet.rectangle(x - half * 0.8, y + half * 0.75, x + half * 0.8, y + half * 0.95, buildings.PAINTED_BEAM)
    eave, top = y + half * 0.85, y + half * 1.75
    sag = [
        (x - half * 1.25, eave + 1.5),
        (x - half * 0.8, eave + half * 0.18),
        (x - half * 0.3, top - half * 0.25),
        (x, top),
    ]
    sheet.polygon([*sag, *[(2 * x - px, py) for px, py in reversed(sag)]], tiles)
    sheet.polygon(
        [
            (x, top),
            (x + half * 0.3, top - half * 0.25),
            (x + half * 0.8, eave + half * 0.18),
            (x + half * 1.25, eave + 1.5),
            (x, eave),
        ],
        shade(tiles, 0.75),
    )
    sheet.line([sag[0], (x, eave - 0.5), (2 * x - sag[0][0], sag[0][1])], 1.6, shade(tiles, 1.4))
    sheet.disc((x, top + 1.5), (1.8, 2.4), buildings.GILT)


def _hall(sheet: Sheet, x: float, y: float) -> None:
    """Paint the long red hall by the water."""
    sheet.rectangle(x - 58, y, x + 58, y + 26, shade(buildings.LACQUER, 0.85))
    for bay in np.linspace(x - 54, x + 46, 10):
        sheet.rectangle(bay, y + 3, bay + 7.5, y + 18, shade(buildings.PAPER, 0.62))
        sheet.rectangle(bay + 3.3, y + 3, bay + 4.1, y + 18, buildings.WOOD)
    sheet.rectangle(x - 58, y + 20, x + 58, y + 26, buildings.PAINTED_BEAM)
    sheet.polygon([(x - 68, y + 25), (x + 68, y + 25), (x + 52, y + 42), (x - 52, y + 42)], (0.66, 0.50, 0.20))
    for tile in np.linspace(-1, 1, 44):
        sheet.line([(x + 67 * tile, y + 26), (x + 52 * tile, y + 41)], 0.9, (0.52, 0.38, 0.14))
    sheet.line([(x - 53, y + 42), (x + 53, y + 42)], 2.6, buildings.GLAZED)
    sheet.line([(x - 68, y + 25.5), (x + 68, y + 25.5)], 2.0, buildings.GLAZED)


def _bridge(sheet: Sheet, x: float, rng: np.random.Generator) -> None:
    """Paint a white marble bridge with three arches, from the left shore to the island."""
    deck = [(x + i, _HORIZON + 10 + 20 * math.sin(math.pi * i / 110)) for i in range(-10, 121, 5)]
    sheet.polygon([(x - 10, _HORIZON - 3), *deck, (x + 120, _HORIZON - 3)], shade(_STONE, 0.88))
    for middle, half in ((x + 22, 11.0), (x + 55, 15.0), (x + 88, 11.0)):
        bow = [
            (middle + half * math.cos(a), _HORIZON - 3 + 1.25 * half * math.sin(a)) for a in np.linspace(0, math.pi, 20)
        ]
        sheet.polygon(bow, (0.20, 0.24, 0.22))
    for px, py in deck:
        sheet.rectangle(px - 1, py, px + 1, py + 9, _WHITE)
    sheet.line([(px, py + 7) for px, py in deck], 1.6, _WHITE)
    sheet.rectangle(0, _HORIZON - 3, x - 5, _HORIZON + 8, shade(_STONE, 0.75))
    for tree in np.arange(6, x - 10, 13):
        _crown(
            sheet, tree, _HORIZON + rng.uniform(14, 26), rng.uniform(9, 14), shade(_LEAF, rng.uniform(0.8, 1.2)), rng
        )


def _willow_twigs(rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """Return place from the right edge, length, phase and tone of each twig."""
    return [
        (
            float(x),
            float(rng.uniform(60, 215) * (1.1 - 0.0028 * x)),
            float(rng.uniform(0, 1.3) + 0.012 * x),
            float(rng.uniform(0.7, 1.2)),
        )
        for x in np.sort(rng.uniform(-30, 210, 34))
    ]


def _lotus_leaves(rng: np.random.Generator) -> list[tuple[float, float, float, bool]]:
    """Return place, size and bloom of each leaf, the furthest first."""
    leaves = [(rng.uniform(-20, 420), rng.uniform(6, 78)) for _ in range(46)]
    return [
        (float(x), float(y), float(9 + (80 - y) * 0.28), bool(rng.random() < 0.25))
        for x, y in sorted(leaves, key=lambda leaf: -leaf[1])
        if y < 76 - 0.13 * x
    ]
