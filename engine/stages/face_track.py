"""Follows faces from frame to frame, so that what is restored neither trembles, nor blinks, nor lags behind.

Points are smoothed by the one-euro filter (G. Casiez, N. Roussel, D. Vogel: "1 € Filter: A Simple Speed-based Low-pass
Filter for Noisy Input in Interactive Systems", CHI 2012): a low-pass whose cutoff rises with speed. Lengths are in
sides of the face, times in frames, so one set of constants serves every size of film and face.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.stages.face_detect import Face, Points

CUTOFF_AT_REST = 0.02
"""Cycles per frame that pass while a face stands still."""
CUTOFF_BY_SPEED = 8.0
"""Cycles per frame more, for each side per frame of speed."""
SPEED_CUTOFF = 0.05
"""Cycles per frame that pass of the speed itself."""
LEASH = 0.03
"""Sides (root mean square over the five points) that smoothed points may be away from the detected ones, however a face
starts or turns."""

REACH = 0.6
"""Sides between where a face was, or is expected, and where one is found, up to which it is the same."""
GROWTH = 1.6
"""Times that a face may grow or shrink between two frames and be the same."""
CONTINUES_AT = 0.75
"""Part of the score, and of the size, of which a face that is already followed is still accepted."""
PRIVILEGE = 1.25
"""Times that a new face must be larger than one being restored to take its place, where there are too many."""
FADE = 6
"""Frames in which a face that appears or is lost within a shot fades in or out."""
HOLD = 4
"""Frames for which a face that is not found stays fully there, carried on as it moved."""


@dataclass(slots=True, kw_only=True)
class Track:
    """A face over the frames of a shot.

    number : in order of appearance within the shot
    points : smoothed
    seen : points as last found, or as carried on
    velocity : float64 (5, 2), pixels per frame
    side : of the face, pixels, smoothed
    is_found : in the newest frame
    level : frames' worth of presence: fully there from `FADE` on, and `HOLD` in reserve
    """

    number: int
    points: Points
    seen: Points
    velocity: Points
    side: float
    is_found: bool = True
    level: int = 0

    @property
    def weight(self) -> float:
        """How much the face counts, 0 to 1."""
        return min(1.0, self.level / FADE)

    def expect(self) -> Points:
        """Return where the face should be in the next frame."""
        return self.points + self.velocity

    def follow(self, face: Face) -> None:
        """Take in where the face was found."""
        self.velocity = self.velocity + _gain(SPEED_CUTOFF) * (face.points - self.seen - self.velocity)
        speed = _rms(self.velocity) / self.side
        gain = _gain(CUTOFF_AT_REST + CUTOFF_BY_SPEED * speed)
        smooth = self.points + gain * (face.points - self.points)
        lag, allowed = _rms(smooth - face.points), LEASH * face.side
        if lag > allowed:
            smooth = face.points + (smooth - face.points) * (allowed / lag)
        self.points, self.seen = smooth, face.points
        self.side += gain * (face.side - self.side)
        self.is_found = True

    def carry_on(self) -> None:
        """Move on without having been found."""
        self.points = self.seen = self.expect()
        self.is_found = False


class FaceTracker:
    """Says which faces of each frame are restored, where exactly and how far. Deterministic.

    Parameters
    ----------
    confidence : score from which a face is believed, 0 to 1
    smallest : shorter side of a face's box from which it is restored, pixels
    most : faces restored at once, the largest
    """

    def __init__(self, *, confidence: float, smallest: float, most: int) -> None:
        self._confidence, self._smallest, self._most = confidence, smallest, most
        self.least_score = confidence * CONTINUES_AT
        self.reset()

    def reset(self) -> None:
        """Forget every face: a new shot begins."""
        self._tracks: list[Track] = []
        self._numbers = itertools.count()
        self._is_new_shot = True

    def update(self, faces: Sequence[Face]) -> list[Track]:
        """Take in the faces found in the next frame, of score `least_score` or more; return those to restore.

        They come in order of appearance in the shot, with weights above 0.
        """
        new = self._follow([face for face in faces if face.side >= CONTINUES_AT * self._smallest])
        chosen = self._choose(new)
        for track in self._tracks:
            step = 1 if track.number in chosen and track.is_found else -1
            if self._is_new_shot:
                step *= FADE + HOLD
            track.level = min(max(track.level + step, 0), FADE + HOLD)
        self._tracks = [track for track in self._tracks if track.is_found or track.level > 0]
        self._is_new_shot = False
        return [track for track in self._tracks if track.level > 0]

    def _follow(self, faces: Sequence[Face]) -> list[Face]:
        """Move every track on; return the faces that belong to none and are good enough to begin one."""
        pairs = sorted(
            (distance, track.number, place)
            for track in self._tracks
            for place, face in enumerate(faces)
            if (distance := _distance(track, face)) <= REACH
        )
        by_number = {track.number: track for track in self._tracks}
        followed: set[int] = set()
        taken: set[int] = set()
        for _, number, place in pairs:
            if number not in followed and place not in taken:
                by_number[number].follow(faces[place])
                followed.add(number)
                taken.add(place)
        for track in self._tracks:
            if track.number not in followed:
                track.carry_on()
        return [
            face
            for place, face in enumerate(faces)
            if place not in taken and face.score >= self._confidence and face.side >= self._smallest
        ]

    def _choose(self, new: Sequence[Face]) -> set[int]:
        """Begin tracks for new faces; return the numbers of those that are to be seen."""
        self._tracks += [
            Track(
                number=next(self._numbers),
                points=face.points,
                seen=face.points,
                velocity=np.zeros_like(face.points),
                side=face.side,
            )
            for face in new
        ]
        by_size = sorted(self._tracks, key=lambda track: (-self._rank(track), track.number))
        return {track.number for track in by_size[: self._most]}

    def _rank(self, track: Track) -> float:
        return track.side * (PRIVILEGE if track.level > 0 else 1.0)


def _distance(track: Track, face: Face) -> float:
    """Return how far a face is from where a track was or is expected, whichever is nearer, in sides.

    Infinite where the sizes do not go together.
    """
    if not 1.0 / GROWTH <= face.side / track.side <= GROWTH:
        return math.inf
    there = face.points.mean(axis=0)
    return min(math.dist(there, points.mean(axis=0)) for points in (track.points, track.expect())) / track.side


def _gain(cutoff: float) -> float:
    """Return the weight of the newest value in a low-pass with `cutoff` cycles per frame: 1 / (1 + 1 / (2π cutoff))."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff))


def _rms(points: Points) -> float:
    """Return the root mean square length of vectors (n, 2)."""
    return math.sqrt(float((points**2).sum(axis=1).mean()))
