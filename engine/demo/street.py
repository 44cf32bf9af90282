"""The demonstration's first shot: a street in Peking about 1920, the camera moving slowly up it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.demo import buildings
from engine.demo.brush import Brush, Colour, Picture, Sheet, noise, shade
from engine.demo.camera import Camera, Place, along, upright
from engine.demo.figures import (
    Dress,
    draw_bird,
    draw_camel,
    draw_flag,
    draw_lantern,
    draw_person,
    draw_rickshaw,
)
from engine.demo.ground import Ground, sky

_STRAW: Colour = (0.83, 0.74, 0.50)
_BLUE: Colour = (0.24, 0.33, 0.53)
_GREY: Colour = (0.56, 0.53, 0.45)
_HALF_WIDTH = 7.2
_LANE = (25.0, 29.5)
_LENS: Place = (-0.9, 1.9, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Someone, or something, that crosses the street.

    x, z : where at time 0, metres
    speed : metres a second to the right (negative: to the left)
    draw : with a brush at the place, the phase of the walk and the way travelled
    stride : metres a step
    shadow : half its length on the ground, metres
    reach : how far from the middle of the street it goes, metres
    """

    x: float
    z: float
    speed: float
    draw: Callable[[Brush, float, float], None]
    stride: float = 0.62
    shadow: float = 0.45
    reach: float = 6.2

    def at(self, time: float) -> tuple[Place, bool]:
        """Return where it is, and whether it is on its way to the left: whatever meets a wall turns round."""
        way = (self.x + self.reach + self.speed * time) % (4 * self.reach)
        is_back = way > 2 * self.reach
        x = (4 * self.reach - way if is_back else way) - self.reach
        return (x, 0.0, self.z), is_back != (self.speed < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something in the street: how far away it is, metres, and how it is drawn at a time, seconds."""

    z: float
    draw: Callable[[Camera, Picture, float], None]


class Street:
    """Draws the shot at any time.

    Parameters
    ----------
    width, height : of the pictures, pixels
    seed : of clouds, houses and weathering
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng((seed, 1))
        self._camera = Camera(width=width, height=height, position=_LENS)
        self._sky = sky(round(width * 1.4), height, round(height * 0.56), rng)
        self._ground = Ground(self._camera, rng)
        self._things = _standing(self._camera, rng) + _hanging() + [_walking(walker) for walker in _WALKERS]
        self._things.sort(key=lambda thing: -thing.z)
        self._mask = np.zeros((height, width), np.uint8)

    def picture(self, time: float) -> Picture:
        """Return the picture at `time` seconds, RGB."""
        camera = replace(
            self._camera,
            position=(_LENS[0] + 0.42 * time, _LENS[1], _LENS[2] + 0.30 * time),
            pan=-0.05 + 0.028 * time,
        )
        picture = self._sky_at(camera, time)
        self._ground.draw(camera, picture)
        self._cast_shadows(camera, picture, time)
        for thing in self._things:
            thing.draw(camera, picture, time)
        return picture

    def _sky_at(self, camera: Camera, time: float) -> Picture:
        shift = -camera.height * (0.10 + camera.pan) - 0.012 * camera.height * time
        matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float64)
        size = (camera.width, camera.height)
        picture = cv2.warpAffine(self._sky, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return picture.astype(np.uint8, copy=False)

    def _cast_shadows(self, camera: Camera, picture: Picture, time: float) -> None:
        """Darken the ground beside every walker, away from a sun on the left."""
        self._mask[:] = 0
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for walker in _WALKERS:
            (x, _, z), _ = walker.at(time)
            rim = [
                camera.project((x + walker.shadow * (0.75 + math.cos(a)), 0.0, z + 0.28 * math.sin(a))) for a in angles
            ]
            cv2.fillPoly(self._mask, [np.round(np.array(rim) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        top = round(camera.horizon * camera.height)
        light = 255 - cv2.GaussianBlur(self._mask[top:], (0, 0), camera.height / 300) // 5 * 2
        below = picture[top:]
        cv2.multiply(below, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=below, scale=1 / 255)


def _haze(z: float) -> float:
    return min(max((z - 8) / 190, 0.0), 0.6)


def _standing(camera: Camera, rng: np.random.Generator) -> list[Thing]:
    """Paint everything that stands still."""
    found = [
        _sheet(_hills(1.1 * camera.scale_at(300), rng), upright(0, 300, 420, 40), haze=0.45),
        _sheet(buildings.city_wall(170, 1.1 * camera.scale_at(122), rng), upright(0, 122, 170, 12.5)),
        _sheet(buildings.gate_tower(1.1 * camera.scale_at(112), rng), upright(6, 112, 56, 44), haze=0.42),
    ]
    for x, z in ((-21.0, 100.0), (-13.5, 92.0), (23.0, 96.0), (31.0, 90.0), (-29.0, 88.0)):
        found.append(_tree(camera, rng, x, z, 10.0, (0.27, 0.38, 0.18)))
    for side in (-1, 1):
        for near, far in _plots(rng):
            found += _house(side, near, far, min(1.1 * camera.scale_at(near), 110), rng)
    for x, z in ((-5.9, 17.2), (-5.8, 33.0), (6.1, 31.5), (-6.0, 47.0), (5.9, 56.0)):
        found.append(_tree(camera, rng, x, z, 5.6, (0.25, 0.38, 0.14)))
    return found


def _sheet(sheet: Sheet, corners: list[Place], *, haze: float | None = None) -> Thing:
    """Make a thing of a sheet; of one that stands along the street, the far end counts as its distance."""
    far = max(corner[2] for corner in corners)
    sheet.fade(_haze(far) if haze is None else haze)
    return Thing(z=far, draw=lambda camera, picture, time: camera.lay(picture, sheet.picture, corners))


def _tree(camera: Camera, rng: np.random.Generator, x: float, z: float, width: float, green: Colour) -> Thing:
    sheet = buildings.tree(1.1 * camera.scale_at(z) * width / 8, rng, green=green)
    return _sheet(sheet, upright(x, z, width, width * 9 / 8))


def _house(side: int, near: float, far: float, scale: float, rng: np.random.Generator) -> list[Thing]:
    """Paint a house of a row: its front, the gable that faces the camera, and a banner."""
    height = 5.0 if rng.random() < 0.5 else 7.3
    x = side * _HALF_WIDTH
    front = buildings.shop_front(far - near, height, scale, rng)
    front.multiply(np.full(front.picture.shape[:2], 1.06 if side > 0 else 0.80, np.float32))
    gable = Sheet(5, height, scale=min(scale, 60))
    gable.polygon([(0, 0), (5, 0), (5, height - 1.2), (2.5, height), (0, height - 1.2)], shade(buildings.BRICK, 0.78))
    banner = buildings.banner(0.75, 2.6, scale, rng)
    return [
        _sheet(gable, upright(x + side * 2.5, near + 0.01, 5, height)),
        _sheet(front, along(x, near, far, height)),
        _sheet(banner, upright(x - side * 0.75, near + 0.35 * (far - near), 0.75, 2.6, base=2.1)),
    ]


def _hanging() -> list[Thing]:
    """Return the flag, the lanterns and the birds."""

    def flag(camera: Camera, picture: Picture, time: float) -> None:
        mast = camera.brush(picture, (5.3, 0.0, 21.0), haze=_haze(21))
        mast.line([(0, 0), (0, 9.4)], 0.14, (0.45, 0.36, 0.26), end_width=0.08)
        mast.disc((0, 9.5), (0.14, 0.14), buildings.GILT)
        draw_flag(mast.moved(0.06, 9.3), time, 2.9, 1.9)

    def lantern(x: float, y: float, z: float) -> Thing:
        return Thing(
            z=z,
            draw=lambda camera, picture, time: draw_lantern(
                camera.brush(picture, (x, y, z), haze=_haze(z)), 0.10 * math.sin(2.1 * time + z)
            ),
        )

    def bird(number: int) -> Thing:
        def draw(camera: Camera, picture: Picture, time: float) -> None:
            turn = 0.55 * time + 0.35 * number
            place = (1.0 + 9 * math.cos(turn) + number * 0.9, 15 + 1.8 * math.sin(1.7 * turn) + number % 3, 42.0)
            draw_bird(camera.brush(picture, place, haze=0.1), time + 0.37 * number)

        return Thing(z=42.0, draw=draw)

    places = ((-5.7, 4.1, 14.0), (-5.7, 4.4, 20.5), (5.9, 4.3, 17.5))
    return [Thing(z=21.0, draw=flag), *(lantern(*place) for place in places), *(bird(number) for number in range(6))]


def _walking(walker: Walker) -> Thing:
    def draw(camera: Camera, picture: Picture, time: float) -> None:
        place, is_leftward = walker.at(time)
        brush = camera.brush(picture, place, mirrored=is_leftward, haze=_haze(walker.z))
        travelled = abs(walker.speed) * time + walker.x
        walker.draw(brush, math.pi * travelled / walker.stride, travelled)

    return Thing(z=walker.z, draw=draw)


def _plots(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Divide a side of the street into houses, leaving room for the lane that crosses it."""
    plots: list[tuple[float, float]] = []
    near = 8.0 + rng.uniform(0, 1)
    while near < 72:
        far = near + rng.uniform(6.5, 10.5)
        if far > _LANE[0] > near:
            far = _LANE[0]
        plots.append((near, far))
        near = _LANE[1] if far == _LANE[0] else far
    return plots


def _hills(scale: float, rng: np.random.Generator) -> Sheet:
    sheet = Sheet(420, 40, scale=scale)
    ridge = noise(rng, 2, 200, cell=60, octaves=5)[0]
    points = [(420 * i / 199, 17 + 6.5 * float(level)) for i, level in enumerate(ridge)]
    sheet.polygon([(0, 0), *points, (420, 0)], (0.42, 0.48, 0.56))
    return sheet


def _make_walkers() -> tuple[Walker, ...]:
    def person(dress: Dress) -> Callable[[Brush, float, float], None]:
        return lambda brush, step, travelled: draw_person(brush, step, dress)

    def camel(load: Colour | None) -> Callable[[Brush, float, float], None]:
        return lambda brush, step, travelled: draw_camel(brush, step, load=load)

    puller, rider = Dress(robe=_BLUE, hat=_STRAW, long=False), Dress(robe=(0.47, 0.24, 0.36), hat=(0.10, 0.10, 0.11))
    return (
        Walker(x=-2.6, z=10.4, speed=1.15, draw=person(Dress(robe=(0.26, 0.40, 0.58), hat=(0.10, 0.10, 0.11)))),
        Walker(x=2.5, z=11.6, speed=-1.0, draw=person(Dress(robe=(0.58, 0.24, 0.24), parasol=(0.86, 0.58, 0.24)))),
        Walker(
            x=-5.2, z=14.5, speed=2.3, stride=0.95, shadow=1.4,
            draw=lambda brush, step, travelled: draw_rickshaw(brush, step, puller, rider, travelled),
        ),
        Walker(x=4.6, z=17.0, speed=-1.2, draw=person(Dress(robe=_GREY, hat=_STRAW, long=False, load=True))),
        Walker(x=-4.4, z=19.0, speed=0.9, draw=person(Dress(robe=(0.20, 0.20, 0.23)))),
        Walker(x=-3.5, z=19.4, speed=0.9, draw=person(Dress(robe=(0.36, 0.46, 0.38), hat=(0.12, 0.12, 0.13)))),
        *(
            Walker(x=5.5 + 4.6 * n, z=27.0, speed=-1.0, stride=0.85, shadow=1.5, reach=24.0, draw=camel(load))
            for n, load in enumerate(((0.55, 0.24, 0.18), None, (0.28, 0.34, 0.48)))
        ),
        Walker(x=-5.0, z=33.0, speed=0.8, draw=person(Dress(robe=_BLUE))),
        Walker(x=3.0, z=36.0, speed=-0.9, draw=person(Dress(robe=(0.50, 0.45, 0.38), hat=_STRAW))),
        Walker(x=-1.0, z=44.0, speed=0.9, draw=person(Dress(robe=(0.24, 0.24, 0.28)))),
        Walker(x=6.0, z=52.0, speed=-1.0, draw=person(Dress(robe=(0.45, 0.26, 0.24)))),
    )  # fmt: skip


_WALKERS = _make_walkers()
