"""Painted houses, the city gate, walls and trees: sheets that stand in the street."""

import numpy as np

from engine.demo.brush import Brush, Colour, Point, Sheet, mix, noise, shade

BRICK: Colour = (0.50, 0.48, 0.46)
LACQUER: Colour = (0.56, 0.20, 0.14)
TILES: Colour = (0.33, 0.37, 0.36)
GLAZED: Colour = (0.27, 0.40, 0.31)
PAINTED_BEAM: Colour = (0.14, 0.33, 0.46)
PLASTER: Colour = (0.82, 0.77, 0.66)
WOOD: Colour = (0.42, 0.27, 0.16)
GILT: Colour = (0.86, 0.68, 0.28)
PAPER: Colour = (0.92, 0.88, 0.78)
DARK: Colour = (0.10, 0.08, 0.07)

SIGN_GROUNDS: tuple[Colour, ...] = (
    (0.72, 0.14, 0.10), (0.12, 0.20, 0.42), (0.15, 0.36, 0.24), (0.86, 0.66, 0.20), (0.09, 0.08, 0.08),
)  # fmt: skip


def shop_front(width: float, height: float, scale: float, rng: np.random.Generator) -> Sheet:
    """Paint the front of a shop: brick or plaster, lacquered posts, lattice, a board with its name, a tiled eave."""
    sheet = Sheet(width, height, scale=scale)
    wall = (BRICK, PLASTER, shade(BRICK, 0.85), mix(PLASTER, LACQUER, 0.25))[int(rng.integers(4))]
    eave = height - 1.5
    sheet.rectangle(0, 0, width, eave, wall)
    if wall[0] < 0.7:
        _courses(sheet, 0, 0, width, eave, 0.28, shade(wall, 0.86))
    bays = max(2, round(width / 2.4))
    storeys = 2 if eave > 5.5 else 1
    for storey in range(storeys):
        floor, ceiling = eave * storey / storeys, eave * (storey + 1) / storeys
        for bay in range(bays):
            left, right = width * bay / bays + 0.22, width * (bay + 1) / bays - 0.22
            paint = _open_shop if storey == 0 and rng.random() < 0.6 else _lattice
            paint(sheet, left, floor + (0.0 if storey == 0 else 0.5), right, ceiling - 0.75, rng)
        _beam(sheet, 0, ceiling - 0.55, width, ceiling - 0.1, rng)
    for post in range(bays + 1):
        x = np.clip(width * post / bays, 0.12, width - 0.12)
        sheet.rectangle(x - 0.13, 0, x + 0.13, eave, LACQUER)
        sheet.rectangle(x - 0.13, 0, x - 0.05, eave, shade(LACQUER, 1.25))
    _board(sheet, width / 2, eave - 0.6 if storeys == 1 else eave / 2 + 0.15, min(width * 0.45, 3.2), rng)
    _eave(sheet, 0, eave, width, 1.5, TILES)
    _weather(sheet, rng)
    return sheet


def gate_tower(scale: float, rng: np.random.Generator) -> Sheet:
    """Paint a city gate, 56 m by 44 m: brick base with its arch, two storeys of red columns under glazed roofs."""
    sheet = Sheet(56, 44, scale=scale)
    base = 15.0
    sheet.polygon([(2, 0), (54, 0), (51.5, base), (4.5, base)], BRICK)
    _courses(sheet, 4.7, 0, 51.3, base, 0.75, shade(BRICK, 0.88))
    _arch(sheet, 28, 7.2, 9.0)
    for x in np.arange(4.8, 51, 1.5):
        sheet.rectangle(x, base, x + 0.95, base + 1.5, shade(BRICK, 1.04))
    _storey(sheet, 11, base + 0.3, 45, base + 7.5, 10, rng)
    _roof(sheet, 28, base + 7.0, 20.5, 16.5, 4.2, GLAZED)
    _storey(sheet, 14, base + 11.0, 42, base + 16.3, 8, rng)
    _roof(sheet, 28, base + 15.8, 18.5, 11.0, 8.6, GLAZED)
    for side in (-1, 1):
        sheet.polygon(
            [(28 + side * 10.2, base + 24.2), (28 + side * 11.4, base + 26.8), (28 + side * 11.6, base + 24.2)],
            shade(GLAZED, 0.7),
        )
    _weather(sheet, rng)
    light = np.linspace(1.08, 0.86, sheet.picture.shape[1], dtype=np.float32)[None]
    sheet.multiply(np.repeat(light, sheet.picture.shape[0], axis=0))
    return sheet


def city_wall(width: float, scale: float, rng: np.random.Generator) -> Sheet:
    """Paint a crenellated wall, 12.5 m high."""
    sheet = Sheet(width, 12.5, scale=scale)
    sheet.rectangle(0, 0, width, 11, shade(BRICK, 0.95))
    _courses(sheet, 0, 0, width, 11, 0.8, shade(BRICK, 0.84))
    for x in np.arange(0, width, 2.2):
        sheet.rectangle(x, 11, x + 1.4, 12.4, shade(BRICK, 0.97))
    for x in np.arange(12, width, 26):
        sheet.rectangle(x, 0, x + 7, 11.4, shade(BRICK, 1.05))
    _weather(sheet, rng)
    return sheet


def tree(scale: float, rng: np.random.Generator, *, green: Colour = (0.24, 0.38, 0.14)) -> Sheet:
    """Paint a tree, 8 m by 9 m: a trunk with limbs under clumps of leaves lit from the upper left."""
    sheet = Sheet(8, 9, scale=scale)
    bark = (0.33, 0.25, 0.18)
    sheet.line([(4, 0), (3.9, 2), (4.15, 4), (4, 6)], 0.5, bark, end_width=0.2)
    for side in (-1.0, 1.0):
        sheet.line([(4, 2.6), (4 + side * 1.3, 4.4), (4 + side * 2.0, 5.6)], 0.24, shade(bark, 0.9), end_width=0.08)
    clumps = [(4 + rng.normal(0, 1.5), 5.9 + rng.normal(0, 1.15), rng.uniform(0.55, 1.1)) for _ in range(26)]
    for x, y, radius in sorted(clumps, key=lambda clump: -clump[2]):
        for _ in range(34):
            angle, reach = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.uniform(0, 1))
            dx, dy = reach * np.cos(angle), reach * np.sin(angle)
            light = 0.72 + 0.34 * (dy - dx) / radius + rng.uniform(-0.14, 0.2) + 0.05 * (y - 5.9)
            size = rng.uniform(0.10, 0.24)
            centre = (float(np.clip(x + dx, 0.3, 7.7)), float(np.clip(y + dy, 1.0, 8.7)))
            sheet.disc(centre, (size, size * 0.7), shade(green, max(light, 0.3)), rng.uniform(0, 3))
    return sheet


def banner(width: float, height: float, scale: float, rng: np.random.Generator) -> Sheet:
    """Paint a shop's hanging banner with a column of brush strokes."""
    sheet = Sheet(width, height, scale=scale)
    ground = SIGN_GROUNDS[int(rng.integers(4))]
    sheet.rectangle(0, 0, width, height, ground)
    sheet.rectangle(0, height * 0.96, width, height, WOOD)
    ink = GILT if ground[0] < 0.8 and ground[1] < 0.5 else DARK
    for y in np.arange(height * 0.9, width * 0.6, -width * 0.95):
        _strokes(sheet, width / 2, y - width * 0.4, width * 0.62, ink, rng)
    return sheet


def _open_shop(sheet: Sheet, left: float, bottom: float, right: float, top: float, rng: np.random.Generator) -> None:
    """Paint an open front: dark inside, a counter with wares."""
    sheet.rectangle(left, bottom, right, top, DARK)
    sheet.rectangle(left + 0.1, bottom + 1.3, right - 0.1, top - 0.1, (0.19, 0.14, 0.10))
    sheet.rectangle(left, bottom, right, bottom + 0.95, WOOD)
    sheet.rectangle(left, bottom + 0.85, right, bottom + 0.98, shade(WOOD, 1.5))
    for x in np.arange(left + 0.2, right - 0.15, 0.33):
        ware = SIGN_GROUNDS[int(rng.integers(4))] if rng.random() < 0.6 else PAPER
        sheet.disc((x, bottom + 1.1), (0.13, rng.uniform(0.1, 0.24)), shade(ware, 0.8))


def _lattice(sheet: Sheet, left: float, bottom: float, right: float, top: float, rng: np.random.Generator) -> None:
    """Paint a wooden panel below and a papered lattice window above."""
    sill = bottom + 0.34 * (top - bottom)
    sheet.rectangle(left, bottom, right, sill, shade(LACQUER, 0.75))
    sheet.rectangle(left + 0.15, bottom + 0.12, right - 0.15, sill - 0.1, shade(LACQUER, 0.92))
    sheet.rectangle(left, sill, right, top, WOOD)
    sheet.rectangle(left + 0.08, sill + 0.08, right - 0.08, top - 0.08, shade(PAPER, rng.uniform(0.75, 0.95)))
    for x in np.arange(left + 0.08, right, 0.27):
        sheet.line([(x, sill), (x, top)], 0.05, shade(WOOD, 0.8))
    for y in np.arange(sill + 0.08, top, 0.27):
        sheet.line([(left, y), (right, y)], 0.05, shade(WOOD, 0.8))


def _beam(sheet: Sheet, left: float, bottom: float, right: float, top: float, rng: np.random.Generator) -> None:
    """Paint a beam in blue and green with gilt lozenges."""
    sheet.rectangle(left, bottom, right, top, PAINTED_BEAM)
    middle, half = (bottom + top) / 2, (top - bottom) / 2
    for number, x in enumerate(np.arange(left + 0.5, right, 1.0)):
        sheet.rectangle(x - 0.3, bottom, x + 0.3, top, shade(GLAZED, 1.0) if number % 2 else shade(PAINTED_BEAM, 1.3))
        sheet.polygon([(x - 0.2, middle), (x, middle + half * 0.6), (x + 0.2, middle), (x, middle - half * 0.6)], GILT)
    sheet.line([(left, top), (right, top)], 0.06, shade(GILT, 0.85))


def _board(sheet: Sheet, x: float, y: float, width: float, rng: np.random.Generator) -> None:
    """Paint the board with the shop's name, strokes in gilt on a dark ground."""
    ground = SIGN_GROUNDS[int(rng.integers(len(SIGN_GROUNDS)))]
    sheet.rectangle(x - width / 2 - 0.08, y - 0.5, x + width / 2 + 0.08, y + 0.5, GILT)
    sheet.rectangle(x - width / 2, y - 0.42, x + width / 2, y + 0.42, shade(ground, 0.8))
    for glyph in np.linspace(x - width * 0.34, x + width * 0.34, 4):
        _strokes(sheet, glyph, y, 0.55, GILT if ground[1] < 0.5 else DARK, rng)


def _strokes(brush: Brush, x: float, y: float, size: float, ink: Colour, rng: np.random.Generator) -> None:
    """Paint a few strokes, like writing seen from too far away to read."""
    for _ in range(3):
        level = y + size * rng.uniform(-0.4, 0.4)
        brush.line(
            [(x - size * rng.uniform(0.2, 0.45), level), (x + size * rng.uniform(0.2, 0.45), level)], size * 0.11, ink
        )
    upright = x + size * rng.uniform(-0.2, 0.2)
    brush.line([(upright, y - size * 0.45), (upright, y + size * 0.45)], size * 0.12, ink)
    brush.line([(upright, y), (upright + size * 0.35, y - size * 0.42)], size * 0.1, ink)


def _arch(sheet: Sheet, x: float, width: float, height: float) -> None:
    """Paint a gateway with light at its far end."""

    def opening(half: float, tall: float) -> list[Point]:
        bow = [(x + half * np.cos(a), tall - half + half * np.sin(a)) for a in np.linspace(0, np.pi, 24)]
        return [(x + half, 0.0), *bow, (x - half, 0.0)]

    sheet.polygon(opening(width / 2 + 0.7, height + 0.7), shade(BRICK, 1.15))
    sheet.polygon(opening(width / 2, height), (0.13, 0.11, 0.10))
    sheet.polygon(opening(width / 2 - 1.6, height - 2.8), (0.62, 0.60, 0.52))


def _storey(
    sheet: Sheet, left: float, bottom: float, right: float, top: float, bays: int, rng: np.random.Generator
) -> None:
    sheet.rectangle(left, bottom, right, top, shade(LACQUER, 0.55))
    for bay in range(bays):
        x0, x1 = (left + (right - left) * (bay + part) / bays for part in (0.14, 0.86))
        _lattice(sheet, x0, bottom, x1, top - 1.3, rng)
    _beam(sheet, left, top - 1.3, right, top, rng)
    for post in np.linspace(left, right, bays + 1):
        sheet.rectangle(post - 0.3, bottom, post + 0.3, top - 1.3, LACQUER)
        sheet.rectangle(post - 0.3, bottom, post - 0.1, top - 1.3, shade(LACQUER, 1.3))


def _roof(
    sheet: Sheet, x: float, eave: float, half_eave: float, half_ridge: float, height: float, tiles: Colour
) -> None:
    """Paint a hipped roof with sagging slopes and corners that turn up."""
    slope = np.linspace(0, 1, 16)

    def side(share: float) -> list[Point]:
        reach = half_ridge + (half_eave - half_ridge) * (1 - slope) ** 1.9
        lift = 0.9 * np.exp(-6 * slope) * abs(share) ** 6
        return [(x + share * r, eave + s * height + up) for r, s, up in zip(reach, slope, lift, strict=True)]

    sheet.polygon(
        [(x - half_eave + 1.5, eave - 0.9), (x + half_eave - 1.5, eave - 0.9), *side(1)[:1], *side(-1)[:1]],
        (0.16, 0.13, 0.11),
    )
    sheet.polygon([*side(-1), *reversed(side(1))], tiles)
    for share in np.linspace(-1, 1, round(half_eave * 3.2)):
        sheet.line(side(float(share)), 0.16, shade(tiles, 0.78))
    sheet.line([point for share in np.linspace(-1, 1, 40) for point in side(float(share))[:1]], 0.5, shade(tiles, 1.5))
    sheet.line([(x - half_ridge - 0.3, eave + height), (x + half_ridge + 0.3, eave + height)], 0.9, shade(tiles, 1.35))
    for end in (-1, 1):
        sheet.line(side(end), 0.55, shade(tiles, 1.3))
        tip = (x + end * (half_ridge + 0.2), eave + height)
        sheet.line([tip, (tip[0] + end * 0.3, tip[1] + 1.3)], 0.8, shade(tiles, 1.2), end_width=0.4)


def _eave(sheet: Sheet, left: float, bottom: float, right: float, height: float, tiles: Colour) -> None:
    """Paint a strip of tiled roof seen from the street."""
    top = bottom + height
    sheet.rectangle(left, bottom - 0.1, right, bottom + 0.3, (0.17, 0.13, 0.11))
    sheet.polygon([(left, bottom + 0.2), (right, bottom + 0.2), (right, top - 0.15), (left, top - 0.15)], tiles)
    for x in np.arange(left + 0.1, right, 0.3):
        sheet.line([(x, bottom + 0.2), (x, top - 0.2)], 0.11, shade(tiles, 0.74))
        sheet.disc((x, bottom + 0.2), (0.11, 0.11), shade(tiles, 1.35))
    sheet.line([(left, top - 0.15), (right, top - 0.15)], 0.26, shade(tiles, 1.3))


def _courses(sheet: Sheet, left: float, bottom: float, right: float, top: float, course: float, mortar: Colour) -> None:
    """Paint the joints of a brick wall."""
    if course * sheet.scale < 3:
        return
    for row, y in enumerate(np.arange(bottom, top, course)):
        sheet.line([(left, y), (right, y)], course * 0.12, mortar)
        for x in np.arange(left + (row % 2) * course, right, course * 2):
            sheet.line([(x, y), (x, min(y + course, top))], course * 0.10, mortar)


def _weather(sheet: Sheet, rng: np.random.Generator) -> None:
    """Lay years over the paint: blotches, streaks of rain, a darker foot."""
    height, width = sheet.picture.shape[:2]
    blotches = noise(rng, height, width, cell=max(height / 4, 4), octaves=6)
    streaks = noise(rng, height, width, cell=max(height / 2, 4), octaves=4, stretch=0.06)
    foot = np.linspace(0, 1, height, dtype=np.float32)[:, None] ** 8
    sheet.multiply((1.0 + 0.07 * blotches + 0.035 * streaks - 0.22 * foot).astype(np.float32))
