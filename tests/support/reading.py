"""Films read to their end."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.types import PixelFormat, Planes
from tests.support.films import moving_scene

GRAY, RGB = PixelFormat.GRAY, PixelFormat.RGB


class Pipe:
    """A binary stream that cannot be sought."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, count: int = -1) -> bytes:
        """Read as a pipe does."""
        return self._file.read(count)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say no."""
        return False


def read(
    source: Path | str | BinaryIO, format: PixelFormat = GRAY, **settings: Any
) -> tuple[FilmReader, list[Fraction], list[Planes]]:
    """Return the reader, closed, with times and copies of all pixels; check what every frame promises."""
    with FilmReader(source, settings=InputSettings(**settings), format=format) as reader:
        times, pixels = [], []
        for frame in reader.frames():
            assert frame.index == len(times)
            assert frame.format is format
            assert frame.pixels.shape == reader.spec.pixels_shape
            assert 0.0 <= frame.pixels.min() <= frame.pixels.max() <= 1.0
            times.append(frame.time)
            pixels.append(frame.pixels.copy())
            frame.release()
        assert reader._pool.on_loan == 0
    assert all(before < after for before, after in zip(times, times[1:], strict=False))
    return reader, times, pixels


def scene(count: int = 10, width: int = 64, height: int = 48, **kind: Any) -> Iterable[np.ndarray]:
    """Return pictures of something that moves, as `moving_scene`."""
    return moving_scene(width, height, count, **kind)
