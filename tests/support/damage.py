"""Spoil media files in repeatable ways, for readers that must survive whatever they are given."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.support.films import Extras, moving_scene, write_film, write_sequence

WIDTH, HEIGHT, COUNT = 64, 48, 10


def _film(name: str, codec: str, pix_fmt: str = "yuv420p", **more: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return write_film(
            folder / name, moving_scene(WIDTH, HEIGHT, COUNT), rate=25, codec=codec, pix_fmt=pix_fmt, **more
        )

    return make


def _picture(extension: str, pix_fmt: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return write_sequence(folder, moving_scene(WIDTH, HEIGHT, 1), extension=extension, pix_fmt=pix_fmt)[0]

    return make


ORIGINALS: Mapping[str, Callable[[Path], Path]] = {
    "mp4 h264": _film("a.mp4", "libx264", extras=Extras(audio=("aac",), chapters=((Fraction(0), Fraction(1), "x"),))),
    "mp4 h264 faststart": _film("f.mp4", "libx264", container_options={"movflags": "faststart"}),
    "mkv h265": _film("h.mkv", "libx265"),
    "mkv ffv1": _film("v.mkv", "ffv1", "yuv422p10le"),
    "avi mpeg4": _film("m.avi", "mpeg4"),
    "mov prores": _film("p.mov", "prores_ks", "yuv422p10le"),
    "y4m": _film("y.y4m", "rawvideo", format="yuv4mpegpipe"),
    "ts mpeg2": _film("t.ts", "mpeg2video"),
    "webm vp9": _film("w.webm", "libvpx-vp9"),
    "png": _picture("png", "rgb24"),
    "tiff": _picture("tiff", "rgb24"),
    "dpx": _picture("dpx", "gbrp10le"),
    "jpg": _picture("jpg", "yuvj420p"),
}
"""Names of small media files → functions that make them in a folder."""


def mutations(data: bytes, count: int, *, seed: int) -> Iterator[bytes]:
    """Yield `count` spoiled copies: cut off, bytes replaced, bits flipped, a stretch removed, repeated or zeroed."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield bytes(_WAYS[number % len(_WAYS)](bytearray(data), rng))


def _cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(0, len(data)))]


def _replace(data: bytearray, rng: np.random.Generator) -> bytearray:
    for position in rng.integers(0, len(data), int(rng.integers(1, 30))):
        data[position] = int(rng.integers(0, 256))
    return data


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for position in rng.integers(0, min(len(data), 600), int(rng.integers(1, 6))):
        data[position] ^= 1 << int(rng.integers(0, 8))
    return data


def _stretch(data: bytearray, rng: np.random.Generator) -> slice:
    start = int(rng.integers(0, len(data)))
    return slice(start, start + int(rng.integers(1, max(2, len(data) // 4))))


def _remove(data: bytearray, rng: np.random.Generator) -> bytearray:
    del data[_stretch(data, rng)]
    return data


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    where = _stretch(data, rng)
    return data[: where.stop] + data[where] + data[where.stop :]


def _zero(data: bytearray, rng: np.random.Generator) -> bytearray:
    where = _stretch(data, rng)
    data[where] = bytes(len(data[where]))
    return data


_WAYS = (_cut, _replace, _flip, _remove, _repeat, _zero)
