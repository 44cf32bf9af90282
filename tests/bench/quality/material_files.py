"""Small clean material for the bench, drawn here: a folder with clips/ and photos/."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from export.training.footage import is_held_out


def drawn(count: int, width: int = 96, height: int = 64, step: int = 2) -> np.ndarray:
    """Return uint8 (count, height, width, 3): a coloured texture that slides, with a square that goes the other way."""
    fine = np.random.default_rng(8).random((height, width + step * count, 3), np.float32)
    wide = cv2.normalize(cv2.GaussianBlur(fine, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    frames = np.stack([wide[:, step * n : step * n + width] for n in range(count)])
    for n, frame in enumerate(frames):
        frame[height // 3 : height // 2, 10 + step * n : 30 + step * n] = (220, 60, 30)
    return np.rint(frames).astype(np.uint8)


def write_clip(path: Path, frames: np.ndarray) -> None:
    """Write R'G'B' frames losslessly."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def held_out_name(kind: str, suffix: str, *, held_out: bool = True) -> str:
    """Return a file name that the split holds out, or does not."""
    return next(
        name
        for n in range(1000)
        if is_held_out(name := f"{kind}-{n}{suffix}", kind) is held_out  # type: ignore[arg-type]
    )


def make_material(folder: Path, *, frames: int = 10) -> Path:
    """Fill a folder: one held-out clip and one that is not, one held-out photograph and one that is not."""
    (folder / "clips").mkdir(parents=True)
    (folder / "photos").mkdir()
    for held_out in (True, False):
        write_clip(folder / "clips" / held_out_name("clip", ".mkv", held_out=held_out), drawn(frames))
        photo = cv2.resize(drawn(1)[0], (81, 61))
        cv2.imwrite(str(folder / "photos" / held_out_name("photo", ".png", held_out=held_out)), photo)
    return folder
