"""The pictures and clips that the recipes learn from: found, split by name, decoded once.

A data folder holds ``photos/*.jpg`` and ``clips/*.mp4`` (either may be missing). What is held out for validation is
decided by a hash of the file's name alone, so it never changes when files are added, and is never trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png"}
CLIP_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
HELD_OUT_SHARE = {"photo": 0.06, "clip": 0.3}

Split = Literal["train", "held-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Decoded material of one split.

    Attributes
    ----------
    photos : uint8 (H, W, 3) RGB each
    clips : uint8 (T, H, W, 3) RGB each, at most `longest` pixels on the longer side
    photo_names, clip_names : file names beside them
    """

    photos: Sequence[np.ndarray]
    clips: Sequence[np.ndarray]
    photo_names: Sequence[str]
    clip_names: Sequence[str]


def is_held_out(name: str, kind: Literal["photo", "clip"]) -> bool:
    """Tell whether a file of this name is for validation only.

    Parameters
    ----------
    name : the file's name without folders
    kind : photographs and clips are held out in different shares
    """
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE[kind]


def load_footage(
    data: Path, split: Split, *, cache: Path | None = None, longest: int = 640, photos: bool = True, clips: bool = True
) -> Footage:
    """Decode one split of a data folder.

    Parameters
    ----------
    data : holds ``photos/`` and ``clips/``
    split : ``train`` or ``held-out``
    cache : folder for decoded clips as .npy; opened memory-mapped
    longest : clips are scaled down to this many pixels on the longer side

    Raises
    ------
    FileNotFoundError
        The folder has nothing for this split.
    """
    photo_files = _of(data / "photos", PHOTO_SUFFIXES, "photo", split) if photos else []
    clip_files = _of(data / "clips", CLIP_SUFFIXES, "clip", split) if clips else []
    if not photo_files and not clip_files:
        raise FileNotFoundError(f"{data}: no {split} photographs in photos/ and no clips in clips/")
    return Footage(
        photos=[read_photo(file) for file in photo_files],
        clips=[_cached_clip(file, cache, longest) for file in clip_files],
        photo_names=[file.name for file in photo_files],
        clip_names=[file.name for file in clip_files],
    )


def read_photo(file: Path) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3) RGB.

    Raises
    ------
    ValueError
        The file is no picture that OpenCV reads.
    """
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{file}: not a readable picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_clip(file: Path, *, longest: int = 640, most_frames: int = 300) -> np.ndarray:
    """Decode a clip as uint8 (T, H, W, 3) RGB, scaled down to `longest` pixels on the longer side."""
    pictures = []
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            factor = longest / max(picture.shape[:2])
            if factor < 1:
                picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            pictures.append(picture)
            if len(pictures) == most_frames:
                break
    return np.stack(pictures)


def read_luma(file: Path, *, most_frames: int = 300) -> np.ndarray:
    """Decode a clip's luma as uint8 (T, H, W), full range, full size."""
    with av.open(str(file)) as container:
        return np.stack(
            [f.to_ndarray(format="gray") for f, _ in zip(container.decode(video=0), range(most_frames), strict=False)]
        )


def _of(folder: Path, suffixes: set[str], kind: Literal["photo", "clip"], split: Split) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in suffixes)
    return [file for file in files if is_held_out(file.name, kind) == (split == "held-out")]


def _cached_clip(file: Path, cache: Path | None, longest: int) -> np.ndarray:
    if cache is None:
        return read_clip(file, longest=longest)
    kept = cache / f"{file.stem}-{longest}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part.npy")
        np.save(unfinished, read_clip(file, longest=longest))
        unfinished.replace(kept)
    return np.load(kept, mmap_mode="r")
