"""A dusty street, painted in bands that get coarser with distance, so that nothing shimmers."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from engine.demo.brush import HAZE, Picture, noise
from engine.demo.camera import Camera, Place

DUST = (0.70, 0.62, 0.49)
_BANDS = (3.4, 4.7, 6.8, 10.0, 16.0, 26.0, 44.0, 76.0, 135.0)
_RUTS = (-2.3, -0.9, 0.7, 2.1)
_TILE = 512
_GRAINS = ((6.0, 0.06), (2.0, 0.06), (0.7, 0.06), (0.25, 0.07), (0.09, 0.07), (0.035, 0.06))
"""Size, metres, and strength of the ground's grains."""

Array = npt.NDArray[np.float32]


class Ground:
    """The street's floor from a few metres ahead to the city wall.

    Parameters
    ----------
    camera : as at the start of the shot; decides how fine each band is painted
    rng : the only source of chance
    kerb : distance of the houses' shade and kerb from the middle, metres
    """

    def __init__(self, camera: Camera, rng: np.random.Generator, *, kerb: float = 5.6) -> None:
        self._noise = _tile(rng)
        self._kerb = kerb
        self._bands = [
            self._paint(camera, 0.97 * near, 1.03 * far) for near, far in zip(_BANDS, _BANDS[1:], strict=False)
        ]

    def draw(self, camera: Camera, picture: Picture) -> None:
        """Lay the floor into a picture."""
        for sheet, corners in reversed(self._bands):
            camera.lay(picture, sheet, corners)

    def _paint(self, camera: Camera, near: float, far: float) -> tuple[Picture, Sequence[Place]]:
        half = 0.75 * far * camera.width / camera.height / camera.focal + 3
        columns = min(round(1.1 * 2 * half * camera.scale_at(near)), 2000)
        rows_per_metre = camera.position[1] * camera.focal * camera.height
        rows = max(12, round(1.3 * rows_per_metre * (1 / near - 1 / far)))
        x = np.linspace(-half, half, columns, dtype=np.float32)[None].repeat(rows, axis=0)
        z = np.linspace(far, near, rows, dtype=np.float32)[:, None].repeat(columns, axis=1)
        light = self._light(x, z, metres_per_row=z * z / rows_per_metre)
        distance = np.clip((z - 10) / 150, 0, 0.75)[..., None]
        color = np.array(DUST, np.float32) * light[..., None]
        color = color * (1 - distance) + np.array(HAZE, np.float32) * distance
        sheet = np.full((rows, columns, 4), 255, np.uint8)
        sheet[..., :3] = np.clip(color * 255, 0, 255)
        return sheet, [(-half, 0.0, near), (half, 0.0, near), (half, 0.0, far), (-half, 0.0, far)]

    def _light(self, x: Array, z: Array, metres_per_row: Array) -> Array:
        """Return how light the ground is, 1 on average: dust, pebbles, ruts, the shade of the left row.

        Grains fade out where they get smaller than a row of the picture.
        """
        light = np.ones_like(x)
        for cell, strength in _GRAINS:
            light += strength * np.clip(cell / (2 * metres_per_row) - 1, 0, 1) * self._sample(x / cell, z / cell)
        for rut in _RUTS:
            wander = rut + 0.25 * np.sin(0.23 * z + rut) + 0.08 * np.sin(1.1 * z)
            light -= 0.14 * np.exp(-(((x - wander) / 0.13) ** 2)) - 0.07 * np.exp(-(((x - wander - 0.22) / 0.12) ** 2))
        light -= 0.18 * np.exp(-(((np.abs(x) - self._kerb) / 0.12) ** 2))
        edge = -self._kerb + 2.2 + 0.8 * np.tanh(4 * np.sin(0.55 * z)) + 0.3 * np.sin(1.7 * z)
        shaded = 1 - 0.32 / (1 + np.exp(np.clip((x - edge) * 7, -30, 30)))
        return (light * shaded).astype(np.float32)

    def _sample(self, x: Array, z: Array) -> Array:
        """Look up noise at places in units of its cells; it repeats without a seam."""
        columns, rows = (np.mod(axis, _TILE / 4).astype(np.float32) * 4 for axis in (x, z))
        found = cv2.remap(self._noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return found.astype(np.float32, copy=False)


def _tile(rng: np.random.Generator) -> Array:
    small = rng.standard_normal((_TILE // 4, _TILE // 4), dtype=np.float32)
    wrapped = np.pad(small, 2, mode="wrap")
    large = cv2.resize(wrapped, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)[8:-8, 8:-8]
    return np.ascontiguousarray(large / large.std())


def sky(width: int, height: int, horizon: int, rng: np.random.Generator) -> Picture:
    """Paint a sky with clouds, RGB (height, width, 3): blue above, hazy where it meets the ground at row `horizon`."""
    fall = np.clip(np.arange(height, dtype=np.float32) / horizon, 0, 1)[:, None, None]
    top, low = np.array([0.36, 0.55, 0.78], np.float32), np.array([0.87, 0.86, 0.80], np.float32)
    clear = top + (low - top) * fall**1.3
    heaps = noise(rng, height, width, cell=height * 0.30, octaves=6, stretch=2.3)
    veil = noise(rng, height, width, cell=height * 0.12, octaves=5, stretch=5.0)
    cover = np.clip((heaps + 0.25 * veil - 0.1 + 0.5 * (0.5 - fall[..., 0])) * 0.75, 0, 1)[..., None] ** 1.2
    lit = np.clip(0.93 - 0.16 * np.roll(heaps, -height // 24, axis=0)[..., None] * cover, 0.70, 1.0)
    cloud = lit * np.array([1.0, 0.985, 0.955], np.float32)
    return np.clip((clear + (cloud - clear) * cover * (1 - 0.55 * fall)) * 255, 0, 255).astype(np.uint8)
