"""A film of several shots whose cuts nobody can miss."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.films import Picture, write_film


def shot_pictures(shots: int, frames: int, *, width: int = 96, height: int = 64) -> Iterator[Picture]:
    """Yield `shots` × `frames` grey pictures: in each shot another texture that moves, with grain."""
    rng = np.random.default_rng(5)
    for shot in range(shots):
        texture = np.kron(rng.integers(20, 236, (height // 4, width // 4)), np.ones((4, 4)))
        texture = texture * 0.4 + (40, 110, 180)[shot % 3] * 0.6
        for index in range(frames):
            moved = np.roll(texture, index, axis=1) + rng.normal(0, 2, (height, width))
            yield np.repeat(np.clip(moved, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def write_shots(path: Path, shots: int, frames: int, *, rate: Fraction = Fraction(24), **size: int) -> Path:
    """Write such a film as H.264 of high quality."""
    return write_film(path, shot_pictures(shots, frames, **size), rate=rate, options={"crf": "12"})


def frame_hashes(path: Path) -> list[tuple[Fraction, str]]:
    """Return the time and the hash of every decoded frame of a film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (frame.pts * Fraction(stream.time_base), hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in container.decode(stream)
        ]
