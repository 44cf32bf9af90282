"""The film that the demonstration draws: two places by turns, in colours that are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import cv2

from engine.demo.brush import Picture
from engine.demo.lake import Lake
from engine.demo.street import Street

RATE = Fraction(24)
"""Pictures a second."""

_LONGEST_SHOT = 3
_LONGEST_WALK = 12
"""Seconds after which a place begins anew: by then the camera has nearly walked through the street."""
_FINER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One shot: which place, how many pictures, and at which second of that place's own time it begins."""

    place: str
    frames: int
    begins: Fraction


def plan_shots(frames: int) -> tuple[Shot, ...]:
    """Divide a film into shots of at most three seconds, at least two if it is long enough, by turns here and there."""
    count = min(max(2, ceil(frames / (RATE * _LONGEST_SHOT))), frames)
    shots: list[Shot] = []
    shown = {"street": Fraction(0), "lake": Fraction(0)}
    for number in range(count):
        place = ("street", "lake")[number % 2]
        length = frames * (number + 1) // count - frames * number // count
        shots.append(Shot(place=place, frames=length, begins=shown[place] % _LONGEST_WALK))
        shown[place] += length / RATE
    return tuple(shots)


class Scene:
    """Draws the film, finer than asked and then reduced, so that edges are smooth.

    Parameters
    ----------
    width, height : of the pictures, pixels
    seed : of everything that is left to chance; the same seed draws the same film
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._size = (width, height)
        fine = (round(width * _FINER), round(height * _FINER))
        self._places = {"street": Street(*fine, seed), "lake": Lake(*fine, seed)}

    def picture(self, place: str, time: float) -> Picture:
        """Return a place as it looks `time` seconds after its first picture, uint8 (height, width, 3), R'G'B'."""
        return cv2.resize(self._places[place].picture(time), self._size, interpolation=cv2.INTER_AREA).astype("uint8")

    def shot(self, shot: Shot) -> Iterator[Picture]:
        """Draw the pictures of one shot in turn."""
        for index in range(shot.frames):
            yield self.picture(shot.place, float(shot.begins + index / RATE))
