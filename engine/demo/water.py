"""Still water that mirrors the picture above it, with waves that get finer towards the far shore."""

import cv2
import numpy as np
import numpy.typing as npt

from engine.demo.brush import Picture

Array = npt.NDArray[np.float32]

_DEEP = (52.0, 78.0, 78.0)
_WAVES = (
    (0.9, 4.1, 1.9, 0.0, 0.35),
    (-2.7, 9.3, 2.6, 1.3, 0.45),
    (6.9, 19.9, 3.7, 2.1, 0.55),
    (-13.0, 37.0, 5.1, 0.7, 0.6),
    (21.0, 64.0, 6.9, 2.9, 0.6),
)
"""Across, along (radians a unit of distance), speed (radians a second), phase and strength of each train of waves."""


class Water:
    """The lower part of a picture, from row `shore` down.

    Parameters
    ----------
    width, height : of the whole picture, pixels
    shore : the row where the water begins
    """

    def __init__(self, width: int, height: int, shore: int) -> None:
        self._shore = shore
        rows = np.arange(1, height - shore + 1, dtype=np.float32)[:, None] / (height - shore)
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None] * width / height
        self._distance = (1 / (rows + 0.045)).repeat(width, axis=1)
        finest = self._distance**2 / (0.15 * height)
        self._strengths = [wave[4] * np.clip(1.4 - wave[1] * finest * 0.3, 0, 1) for wave in _WAVES]
        self._across = columns * self._distance
        self._rows = (rows * (height - shore)).repeat(width, axis=1)
        self._columns = np.arange(width, dtype=np.float32)[None].repeat(height - shore, axis=0)
        self._height = height
        self._mirroring = (0.80 - 0.45 * rows**0.8)[..., None]

    def draw(self, picture: Picture, mirrored: Picture, time: float) -> None:
        """Fill the lower part of a picture, in place, with the reflection of the upper part of another."""
        slope = self._slope(time)
        swing = slope * (0.015 + 0.055 * self._rows / self._height) * self._height
        source_rows = self._shore - 1 - np.clip(0.92 * self._rows + swing, 0, None)
        image = cv2.remap(
            mirrored,
            self._columns + 0.35 * swing,
            np.clip(source_rows, 0, self._shore - 1).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        light = np.clip(slope - 0.75, 0, 1)[..., None] * 60
        color = (
            image * self._mirroring + np.array(_DEEP, np.float32) * (1 - self._mirroring) + light + slope[..., None] * 7
        )
        picture[self._shore :] = np.clip(color, 0, 255)

    def _slope(self, time: float) -> Array:
        """Return the slope of the waves towards the viewer, about -1 to 1; too fine ones fade out."""
        total = np.zeros_like(self._distance)
        for (across, along, speed, phase, _), strength in zip(_WAVES, self._strengths, strict=True):
            total += strength * np.sin(
                across * self._across + along * self._distance - np.float32(speed * time - phase)
            )
        return total.astype(np.float32, copy=False)
