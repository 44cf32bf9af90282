"""Everything that moves by itself: people, a rickshaw, camels, birds, a flag. Metres; (0, 0) is the ground beneath."""

import math
from dataclasses import dataclass

import numpy as np

from engine.demo.brush import Brush, Colour, Point, mix, shade

SKIN: Colour = (0.80, 0.62, 0.48)
HAIR: Colour = (0.09, 0.08, 0.08)
FUR: Colour = (0.62, 0.47, 0.30)
FLAG: tuple[Colour, ...] = (
    (0.78, 0.16, 0.14), (0.93, 0.75, 0.20), (0.16, 0.28, 0.56), (0.92, 0.91, 0.87), (0.10, 0.10, 0.11),
)  # fmt: skip
"""Stripes of the flag that flew over Peking from 1912 to 1928, top to bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """What a person wears.

    robe, trousers : colours
    hat : colour; None is bare-headed
    long : the robe reaches the ankles
    parasol : colour; None for none
    load : carries two baskets on a pole
    """

    robe: Colour
    trousers: Colour = (0.20, 0.20, 0.24)
    hat: Colour | None = None
    long: bool = True
    parasol: Colour | None = None
    load: bool = False


def draw_person(brush: Brush, step: float, dress: Dress, *, lean: float = 0.0) -> None:
    """Draw someone walking to the right.

    Parameters
    ----------
    step : phase of the walk, radians; two steps are 2 pi
    lean : how far the body leans forward, metres at the shoulders
    """
    swing = math.sin(step)
    bob = 0.025 * abs(math.cos(step))
    hips, shoulders = 0.86 + bob, 1.40 + bob
    for side, tone in ((-1, 0.72), (1, 1.0)):
        _leg(brush, 0.34 * side * swing, hips, max(0.0, side * math.cos(step)) * 0.14, shade(dress.trousers, tone))
    _arm(brush, lean, shoulders, -0.30 * swing, shade(dress.robe, 0.7))
    hem = 0.20 if dress.long else 0.62
    flare = 0.30 if dress.long else 0.23
    drag = -0.05 * abs(swing)
    body: list[Point] = [
        (lean - 0.20, shoulders), (lean - 0.05, shoulders + 0.07), (lean + 0.09, shoulders + 0.06),
        (lean + 0.19, shoulders - 0.03), (0.19, hips + 0.1), (flare * 0.85 + 0.16 * abs(swing), hem + bob),
        (drag, hem - 0.03 + bob), (-flare + drag - 0.10 * abs(swing), hem + 0.02 + bob), (-0.19, hips + 0.1),
    ]  # fmt: skip
    brush.polygon(body, dress.robe)
    brush.polygon(
        [body[0], (lean - 0.07, shoulders + 0.05), (-0.05, hips), (drag - 0.06, hem), body[7], body[8]],
        shade(dress.robe, 1.22),
    )
    brush.polygon([(lean + 0.08, shoulders), body[3], body[4], body[5], (0.10, hem + 0.02)], shade(dress.robe, 0.78))
    _arm(brush, lean, shoulders, 0.30 * swing, shade(dress.robe, 1.08))
    _head(brush, lean + 0.03, shoulders + 0.24, dress.hat)
    if dress.parasol is not None:
        _parasol(brush, lean + 0.22, shoulders, dress.parasol)
    if dress.load:
        _baskets(brush, lean, shoulders + 0.06, math.sin(2 * step))


def draw_rickshaw(brush: Brush, step: float, dress: Dress, rider: Dress, travelled: float) -> None:
    """Draw a rickshaw pulled to the right, its puller running ahead; `travelled` in metres turns the wheels."""
    radius = 0.62
    _wheel(brush, (0.06, radius), radius, travelled / radius, 0.8)
    cabin = (0.16, 0.15, 0.17)
    brush.polygon([(-0.62, 0.72), (0.55, 0.72), (0.62, 0.98), (-0.30, 1.02), (-0.52, 1.75), (-0.72, 1.70)], cabin)
    brush.polygon([(-0.60, 0.98), (0.50, 0.96), (0.48, 1.06), (-0.56, 1.10)], (0.55, 0.16, 0.14))
    brush.polygon([(-0.22, 1.05), (0.12, 1.05), (0.10, 1.58), (-0.08, 1.66), (-0.26, 1.55)], rider.robe)
    brush.polygon(
        [(-0.10, 1.05), (0.46, 1.02), (0.50, 0.80), (0.36, 0.78), (0.28, 0.96), (-0.08, 0.96)], shade(rider.robe, 0.8)
    )
    _head(brush, -0.05, 1.80, rider.hat)
    hood = [(-0.05 + 0.72 * math.cos(a), 1.55 + 0.72 * math.sin(a)) for a in np.linspace(1.25, 3.25, 14)]
    brush.polygon([*hood, (-0.62, 1.3)], (0.20, 0.20, 0.22))
    brush.line([(-0.4, 0.80), (0.9, 0.82), (1.75, 1.02), (2.35, 1.0)], 0.05, (0.35, 0.24, 0.15))
    _wheel(brush, (0.0, radius), radius, travelled / radius, 1.0)
    draw_person(brush.moved(2.05), step, dress, lean=0.22)


def draw_camel(brush: Brush, step: float, *, load: Colour | None = None) -> None:
    """Draw a Bactrian camel walking to the right, with a load between its humps if a colour is given."""
    bob = 0.03 * math.sin(2 * step)
    for x, phase, tone in ((0.75, 0.0, 0.66), (-0.75, 1.5, 0.66), (0.62, math.pi, 0.9), (-0.62, math.pi + 1.5, 0.9)):
        swing = math.sin(step + phase)
        knee = (x + 0.17 * swing + 0.05, 0.75)
        foot = (x + 0.38 * swing, 0.06 + 0.16 * max(0.0, math.cos(step + phase)))
        brush.line([(x, 1.35 + bob), knee, foot], 0.30, shade(FUR, tone), end_width=0.12)
        brush.disc((foot[0] + 0.04, foot[1]), (0.13, 0.07), shade(FUR, tone * 0.8))
    brush.line([(-1.15, 1.62 + bob), (-1.3, 1.1 + bob + 0.05 * math.sin(step))], 0.07, shade(FUR, 0.7))
    brush.disc((0.0, 1.55 + bob), (1.18, 0.46), FUR)
    for x in (-0.48, 0.46):
        brush.polygon(
            [(x - 0.42, 1.78 + bob), (x - 0.08, 2.34 + bob), (x + 0.10, 2.32 + bob), (x + 0.40, 1.78 + bob)],
            shade(FUR, 1.1),
        )
    brush.disc((-0.15, 1.70 + bob), (0.95, 0.20), shade(FUR, 1.18))
    neck: list[Point] = [(1.0, 1.55 + bob), (1.5, 1.32 + bob), (1.85, 1.75 + bob), (1.95, 2.25 + 1.4 * bob)]
    brush.line(neck, 0.48, shade(FUR, 0.95), end_width=0.24)
    brush.line([(1.05, 1.42 + bob), (1.5, 1.18 + bob), (1.82, 1.55 + bob)], 0.20, shade(FUR, 0.62))
    brush.disc((2.15, 2.33 + 1.4 * bob), (0.32, 0.15), FUR, -0.25)
    brush.disc((1.96, 2.48 + 1.4 * bob), (0.05, 0.09), shade(FUR, 0.7))
    if load is not None:
        brush.polygon([(-0.55, 1.95 + bob), (0.5, 1.95 + bob), (0.62, 1.25 + bob), (-0.66, 1.25 + bob)], load)
        brush.polygon(
            [(-0.60, 1.55 + bob), (0.57, 1.55 + bob), (0.60, 1.38 + bob), (-0.63, 1.38 + bob)], shade(load, 0.7)
        )


def draw_flag(brush: Brush, time: float, width: float, height: float) -> None:
    """Draw the five-coloured flag waving to the right from (0, 0), its upper corner at the mast."""
    columns = 22
    xs = np.linspace(0, 1, columns + 1)
    wave = xs**0.7 * np.sin(9.0 * xs - 7.0 * time)
    tops = -0.10 * height * xs + 0.11 * height * wave
    reach = width * (xs - 0.03 * np.abs(wave))
    for column in range(columns):
        light = 1.0 + 0.45 * float(np.cos(9.0 * xs[column] - 7.0 * time)) * float(xs[column]) ** 0.5
        for stripe, colour in enumerate(FLAG):
            upper, lower = -height * stripe / len(FLAG), -height * (stripe + 1.03) / len(FLAG)
            brush.polygon(
                [
                    (reach[column], tops[column] + upper),
                    (reach[column + 1] + 0.01, tops[column + 1] + upper),
                    (reach[column + 1] + 0.01, tops[column + 1] + lower),
                    (reach[column], tops[column] + lower),
                ],
                shade(colour, max(0.6, min(light, 1.35))),
            )


def draw_bird(brush: Brush, time: float) -> None:
    """Draw a pigeon in flight."""
    lift = 0.28 * math.sin(14 * time)
    for side in (-1, 1):
        brush.polygon(
            [(side * 0.02, 0.05), (side * 0.22, 0.10 + lift), (side * 0.45, lift * 1.3), (side * 0.2, lift * 0.7)],
            (0.28, 0.28, 0.31),
        )
    brush.disc((0.0, 0.02), (0.16, 0.06), (0.35, 0.35, 0.38))


def draw_lantern(brush: Brush, swing: float) -> None:
    """Draw a red lantern hanging from (0, 0), swung by `swing` metres."""
    brush.line([(0, 0), (swing, -0.5)], 0.03, HAIR)
    middle = (swing * 1.3, -0.85)
    brush.disc(middle, (0.34, 0.36), (0.74, 0.13, 0.09))
    brush.disc((middle[0] - 0.10, middle[1] + 0.05), (0.12, 0.27), (0.90, 0.32, 0.20))
    for y in (-0.52, -1.18):
        brush.rectangle(middle[0] - 0.17, y - 0.05, middle[0] + 0.17, y + 0.05, (0.82, 0.62, 0.22))
    brush.line([(middle[0], -1.2), (middle[0] + swing * 0.3, -1.62)], 0.09, (0.82, 0.58, 0.16), end_width=0.14)


def _leg(brush: Brush, reach: float, hips: float, lift: float, colour: Colour) -> None:
    knee = (reach * 0.62 + lift * 0.7, 0.46 + lift * 0.4)
    foot = (reach - lift * 0.6, 0.06 + lift)
    brush.line([(0.0, hips), knee, foot], 0.17, colour, end_width=0.11)
    brush.disc((foot[0] + 0.05, foot[1] - 0.01), (0.13, 0.05), HAIR)


def _arm(brush: Brush, lean: float, shoulders: float, reach: float, colour: Colour) -> None:
    hand = (lean * 0.6 + reach + 0.05, shoulders - 0.56 + 0.10 * abs(reach))
    brush.line([(lean, shoulders - 0.02), (lean + reach * 0.4 - 0.02, shoulders - 0.30), hand], 0.15, colour)
    brush.disc(hand, (0.055, 0.055), SKIN)


def _head(brush: Brush, x: float, y: float, hat: Colour | None) -> None:
    brush.rectangle(x - 0.05, y - 0.18, x + 0.05, y - 0.06, shade(SKIN, 0.8))
    brush.disc((x, y), (0.10, 0.125), SKIN)
    brush.disc((x - 0.035, y + 0.035), (0.10, 0.105), HAIR)
    brush.disc((x + 0.055, y - 0.015), (0.055, 0.085), SKIN)
    if hat is not None:
        brush.polygon([(x - 0.2, y + 0.05), (x + 0.21, y + 0.04), (x + 0.09, y + 0.13), (x - 0.08, y + 0.14)], hat)
        brush.disc((x, y + 0.12), (0.11, 0.07), hat)
        brush.disc((x - 0.04, y + 0.15), (0.06, 0.03), shade(hat, 1.3))


def _parasol(brush: Brush, x: float, shoulders: float, colour: Colour) -> None:
    brush.line([(x, shoulders - 0.25), (x + 0.05, shoulders + 0.75)], 0.025, HAIR)
    top = (x + 0.06, shoulders + 0.82)
    rim = [(top[0] + 0.62 * math.cos(a), top[1] - 0.24 + 0.30 * math.sin(a)) for a in np.linspace(0, math.pi, 13)]
    for number, (start, end) in enumerate(zip(rim, rim[1:], strict=False)):
        brush.polygon(
            [top, start, end, (top[0], top[1] - 0.22)], shade(colour, 0.85 + 0.03 * number + 0.08 * (number % 2))
        )


def _baskets(brush: Brush, lean: float, height: float, sway: float) -> None:
    ends: list[Point] = [(lean - 0.95, height - 0.06 + 0.03 * sway), (lean + 0.95, height - 0.06 + 0.03 * sway)]
    brush.line([ends[0], (lean, height + 0.03), ends[1]], 0.05, (0.55, 0.42, 0.22))
    for x, y in ends:
        bottom = y - 0.95
        brush.line([(x, y), (x - 0.17, bottom + 0.3)], 0.02, (0.45, 0.36, 0.22))
        brush.line([(x, y), (x + 0.17, bottom + 0.3)], 0.02, (0.45, 0.36, 0.22))
        brush.polygon(
            [(x - 0.22, bottom + 0.32), (x + 0.22, bottom + 0.32), (x + 0.16, bottom), (x - 0.16, bottom)],
            (0.66, 0.50, 0.26),
        )
        for offset in (-0.12, 0.0, 0.12):
            brush.disc((x + offset, bottom + 0.36), (0.10, 0.09), (0.90, 0.45, 0.12))


def _wheel(brush: Brush, centre: Point, radius: float, angle: float, tone: float) -> None:
    wood: Colour = shade((0.50, 0.34, 0.18), tone)
    rim = [
        (centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 29)
    ]
    for spoke in range(10):
        a = spoke * math.pi / 5 - angle
        brush.line([centre, (centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a))], 0.035, wood)
    brush.line(rim, 0.075, mix(wood, HAIR, 0.35))
    brush.disc(centre, (0.09, 0.09), shade(wood, 0.7))
