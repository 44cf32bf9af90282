"""Choose pictures of the user's films for their variety: shots, brightness, contrast, motion; repeats are skipped.

The last part of every film is kept apart, and the loss is measured there; both parts are chosen from in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import CalibrationError
from engine.frame import Frame
from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.stages.inspect import Inspect
from engine.types import FrameFlags, FrameSpec, PixelFormat

LOOK = (64, 48)
"""Columns and rows of the small pictures by which frames are compared."""

HELD_APART = 0.3
"""Share of every film, its end, from which nothing is calibrated."""

GAP = 3
"""Pictures between the two parts that belong to neither, as far as a model looks."""

FEWEST = 8
"""Pictures of a film, repeats not counted, with which calibration can begin."""

SHOT_WEIGHT = 0.5
"""How far apart pictures of different shots are, beside what they look like (each quality spans 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a picture is like.

    number : among the pictures of the film that repeat no other, from 0
    shot : number of the shot
    brightness, contrast : mean and standard deviation, of a range of 1
    motion : mean difference to the picture before in its shot, of a range of 1; 0 for a shot's first
    """

    number: int
    shot: int
    brightness: float
    contrast: float
    motion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Pictures of one film, by number, in order.

    calibration : ranges are collected from these
    held_apart : the loss is measured on these
    """

    film: Path
    calibration: tuple[int, ...]
    held_apart: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OpenFilm:
    """A film being read through the inspect stage.

    spec : of the frames
    frames : that repeat no other; each belongs to the caller
    """

    spec: FrameSpec
    frames: Iterator[Frame]


def read_film(film: Path, settings: InputSettings, format: PixelFormat | None) -> OpenFilm:
    """Open a film as a chain of restoration reads it.

    Parameters
    ----------
    format : of the frames; None: luma for a film that shows no colour, else R'G'B'

    Raises
    ------
    DecodeError
        It cannot be opened. While frames are read: CalibrationError where one is damaged or missing.
    """
    reader = FilmReader(film, settings=settings)
    try:
        if format is None:
            format = PixelFormat.GRAY if reader.is_grey else PixelFormat.RGB
        reader.deliver(format)
        inspect = Inspect(retime=False)
        spec = inspect.open(reader.spec)
    except BaseException:
        reader.close()
        raise
    return OpenFilm(spec, _unique_frames(film, reader, inspect))


def _unique_frames(film: Path, reader: FilmReader, inspect: Inspect) -> Iterator[Frame]:
    try:
        for frame in reader.frames():
            if FrameFlags.CORRUPT in frame.flags:
                frame.release()
                _refuse(film, reader)
            for settled in inspect.push(frame):
                yield from _new(settled)
        for settled in inspect.flush(None):
            yield from _new(settled)
        if reader.losses:
            _refuse(film, reader)
    finally:
        inspect.close()
        reader.close()


def _new(frame: Frame) -> Iterator[Frame]:
    if FrameFlags.REPEATED in frame.flags:
        frame.release()
    else:
        yield frame


def _refuse(film: Path, reader: FilmReader) -> None:
    raise CalibrationError(
        f"footage {film}: {reader.losses.summary()}; ranges of damaged pictures are no good; give a film that reads "
        "whole, or cut the damaged part away"
    )


def survey(film: Path, settings: InputSettings, on_frame: Callable[[int], None] = lambda _: None) -> list[Look]:
    """Look at every picture of a film.

    Parameters
    ----------
    on_frame : told how many pictures were looked at
    """
    opened = read_film(film, settings, PixelFormat.GRAY)
    looks: list[Look] = []
    before: npt.NDArray[np.float32] | None = None
    shot = -1
    for number, frame in enumerate(opened.frames):
        small = np.asarray(cv2.resize(frame.pixels[0], LOOK, interpolation=cv2.INTER_AREA), np.float32)
        if frame.shot != shot:
            before = None
        shot = frame.shot
        motion = 0.0 if before is None else float(np.abs(small - before).mean())
        looks.append(
            Look(number=number, shot=shot, brightness=float(small.mean()), contrast=float(small.std()), motion=motion)
        )
        before = small
        frame.release()
        on_frame(number + 1)
    return looks


def choose(film: Path, looks: Sequence[Look], frames: int, held_apart: int) -> Choice:
    """Choose pictures of one film.

    Parameters
    ----------
    frames : how many to calibrate with, at most
    held_apart : how many to keep apart, at most

    Raises
    ------
    CalibrationError
        The film is too short.
    """
    if len(looks) < FEWEST:
        raise CalibrationError(f"footage {film}: has {len(looks)} different pictures; wanted at least {FEWEST}")
    border = round(len(looks) * (1 - HELD_APART))
    gap = min(GAP, len(looks) // 10)
    early, late = looks[: border - gap], looks[border:]
    return Choice(
        film=film,
        calibration=tuple(look.number for look in various(early, frames)),
        held_apart=tuple(look.number for look in various(late, held_apart)),
    )


def various(looks: Sequence[Look], count: int) -> list[Look]:
    """Return up to `count` pictures that are as different as can be, in order.

    The first is the most usual one; each next is the one farthest from all that were chosen (farthest-point sampling:
    Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985).
    """
    if len(looks) <= count:
        return list(looks)
    qualities = np.array([(look.brightness, look.contrast, look.motion) for look in looks])
    spread = np.ptp(qualities, axis=0)
    places = (qualities - qualities.min(axis=0)) / np.where(spread > 0, spread, 1.0)
    shots = np.array([look.shot for look in looks])
    chosen = [int(np.abs(places - np.median(places, axis=0)).sum(axis=1).argmin())]
    nearest = np.full(len(looks), np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        distance = np.abs(places - places[last]).sum(axis=1) + SHOT_WEIGHT * (shots != shots[last])
        nearest = np.minimum(nearest, distance)
        nearest[last] = -1.0
        chosen.append(int(nearest.argmax()))
    return [looks[index] for index in sorted(chosen)]


def shared_out(count: int, films: int) -> list[int]:
    """Share a number of pictures out among films, the first ones getting what does not divide."""
    return [count // films + (index < count % films) for index in range(films)]


def end_of(frames: Sequence[Frame]) -> Fraction | None:
    """Return when the last of some frames ends, None where the film does not say."""
    last = frames[-1]
    return None if last.duration is None else last.time + last.duration
