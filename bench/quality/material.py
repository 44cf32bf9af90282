"""The held-out clips and photographs: read, cut into shots, thinned of repeats, taken in parts, panned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from bench.quality import drive
from bench.quality.metrics import Picture
from bench.quality.plan import Plan
from engine.errors import ConfigError, DecodeError
from export.training.footage import CLIP_SUFFIXES, PHOTO_SUFFIXES, is_held_out, read_clip, read_photo

Colour = npt.NDArray[np.uint8]
"""uint8 (H, W, 3) or (T, H, W, 3), R'G'B'."""

PAN_SIZE = (360, 480)
PAN_SPEEDS = (12, 24, 40)
"""Height and width of the panned pictures, and how far they move from frame to frame, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip without repeated frames, sides even.

    rgb : uint8 (T, H, W, 3)
    luma : uint8 (T, H, W), Y' of BT.601, full range
    shots : first and one past the last frame of each
    """

    name: str
    rgb: Colour
    luma: Picture
    shots: tuple[tuple[int, int], ...]

    def parts(self, length: int, count: int) -> list[slice]:
        """Return `count` runs of `length` frames, evenly spread, each within one shot; fewer where there are none.

        Where no shot is that long, one run: the longest shot.
        """
        starts = [start for first, end in self.shots for start in range(first, end - length + 1)]
        if not starts:
            first, end = max(self.shots, key=lambda shot: shot[1] - shot[0])
            return [slice(first, end)]
        chosen = sorted({starts[(2 * number + 1) * len(starts) // (2 * count)] for number in range(count)})
        return [slice(start, start + length) for start in chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The files that a plan takes."""

    plan: Plan
    clip_files: tuple[Path, ...]
    photo_files: tuple[Path, ...]

    def clips(self) -> Iterator[Clip]:
        """Read clip after clip."""
        for file in self.clip_files:
            yield read_film(file, self.plan.longest)

    def photos(self) -> Iterator[tuple[str, Colour]]:
        """Read photograph after photograph: name and uint8 (H, W, 3), sides even."""
        for file in self.photo_files:
            yield file.name, even(_read(read_photo, file))

    def pans(self) -> Iterator[tuple[str, Picture]]:
        """Pan over photographs evenly chosen: name and luma uint8 (T, H, W)."""
        count = min(self.plan.pans, len(self.photo_files))
        for number in range(count):
            file = self.photo_files[(2 * number + 1) * len(self.photo_files) // (2 * count)]
            speed = PAN_SPEEDS[number % len(PAN_SPEEDS)]
            yield f"{file.stem} at {speed} px", pan(_read(read_photo, file), self.plan.frames, speed)


def find_material(plan: Plan) -> Material:
    """Look which files of the plan's folder are held out, or all.

    Raises
    ------
    ConfigError
        The folder is missing, or has nothing to measure on.
    """

    def files(folder: str, suffixes: set[str], kind: Literal["photo", "clip"], most: int | None) -> tuple[Path, ...]:
        found = sorted(file for file in (plan.data / folder).glob("*") if file.suffix.lower() in suffixes)
        kept = [file for file in found if plan.every_file or is_held_out(file.name, kind)]
        return tuple(_spread(kept, most))

    if not plan.data.is_dir():
        raise ConfigError(f"--data {plan.data}: no such folder; wanted one with photos/ and clips/")
    material = Material(
        plan=plan,
        clip_files=files("clips", CLIP_SUFFIXES, "clip", plan.clips),
        photo_files=files("photos", PHOTO_SUFFIXES, "photo", plan.photos),
    )
    if not material.clip_files and not material.photo_files:
        raise ConfigError(
            f"--data {plan.data}: nothing held out in photos/ and clips/; put clips and photographs there, or take all "
            "files with --every-file"
        )
    return material


def read_film(file: Path, longest: int) -> Clip:
    """Read a clip, at most 300 frames, without those in which the inspect stage finds the one before again."""
    rgb = even(_read(lambda path: read_clip(path, longest=longest), file))
    return clip_of(file.stem, rgb)


def clip_of(name: str, rgb: Colour) -> Clip:
    """Make a clip of frames uint8 (T, H, W, 3) with even sides."""
    luma = np.stack([luma_of(picture) for picture in rgb])
    kept, shots = [], []
    for numbers in drive.shots(list(luma)):
        shots.append((len(kept), len(kept) + len(numbers)))
        kept += numbers
    return Clip(name=name, rgb=rgb[kept], luma=luma[kept], shots=tuple(shots))


def luma_of(rgb: Colour) -> Picture:
    """Return Y' of BT.601, full range, uint8 (H, W)."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def pan(photo: Colour, frames: int, speed: float) -> Picture:
    """Return a fast pan over a photograph, mirrored at its sides, luma uint8 (frames, 360, 480).

    `speed` is in pixels per frame; the path falls slowly, so that rows change too.
    """
    height, width = PAN_SIZE
    luma = luma_of(photo)
    scale = max(height / luma.shape[0], width / luma.shape[1]) * 1.05
    moved: list[Picture] = []
    for number in range(frames):
        matrix = np.array([[scale, 0, -speed * number], [0, scale, -0.15 * speed * number]])
        seen = cv2.warpAffine(luma, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        moved.append(seen.astype(np.uint8, copy=False))
    return np.stack(moved)


def even(pictures: Colour) -> Colour:
    """Cut a last odd row and column off (..., H, W, 3)."""
    height, width = pictures.shape[-3] & ~1, pictures.shape[-2] & ~1
    return np.ascontiguousarray(pictures[..., :height, :width, :])


def _spread(files: list[Path], most: int | None) -> list[Path]:
    if most is None or most >= len(files):
        return files
    return [files[(2 * number + 1) * len(files) // (2 * most)] for number in range(most)]


def _read(reader: Callable[[Path], Colour], file: Path) -> Colour:
    try:
        return reader(file)
    except (ValueError, OSError, FFmpegError) as error:
        raise DecodeError(f"{file}: cannot be read ({error}); take it out of the folder, or mend it") from error
