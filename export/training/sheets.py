"""Draw before/after sheets of real film, because numbers miss what eyes see at once.

``python -m export.training.sheets --models engine/models --out DIR FILM [FILM ...]``

One PNG per film: frames as they are, restored, what restoring took away (times four, about grey), and coloured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.frame import Frame
from engine.model import Model
from engine.settings import ColorizeSettings, EnhanceSettings
from engine.stages.colorize import Colorize
from engine.stages.enhance import Enhance
from engine.stages.run import run_stage
from engine.types import FrameSpec, PixelFormat
from export.training.footage import read_luma

FRAMES = (0.3, 0.7)
LEAD_IN = 12
"""Frames restored before the one that is shown: the past is seen as it was restored."""
RATE = Fraction(24)
"""Frames per second that every film is said to have; no sheet depends on it."""


class FilmModels:
    """The built-in restorer and colorizer, run plainly.

    Parameters
    ----------
    folder : holds film-restore.onnx and film-colorize.onnx
    """

    def __init__(self, folder: Path) -> None:
        self._restore = Model.load(folder / "film-restore.onnx")
        self._colorize = Model.load(folder / "film-colorize.onnx")

    def restore(self, frames: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Restore frames of one shot, float32 (T, H, W), 0..1; returns the same."""
        stage = Enhance(self._restore, OnnxRuntimeBackend(), EnhanceSettings(strength=strength))
        _, height, width = frames.shape
        stage.open(_spec(height, width))
        restored = np.empty_like(frames)
        for made, frame in zip(restored, run_stage(stage, _film_frames(frames)), strict=True):
            made[:] = frame.pixels[0]
            frame.release()
        stage.close()
        return restored

    def colorize(self, luma: np.ndarray) -> np.ndarray:
        """Colour a grey picture (H, W), 0..1, as the chain does, automatically; returns uint8 RGB (H, W, 3)."""
        stage = Colorize(self._colorize, OnnxRuntimeBackend(), ColorizeSettings(mode="always"))
        height, width = luma.shape
        stage.open(_spec(height, width))
        (frame,) = run_stage(stage, _film_frames(luma[None]))
        assert frame.chroma is not None
        ab = cv2.resize(frame.chroma.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR) * 255 - 128
        frame.release()
        stage.close()
        lightness = cv2.cvtColor(np.repeat(np.clip(luma, 0, 1)[..., None], 3, 2), cv2.COLOR_RGB2LAB)[..., :1]
        lab = np.concatenate([lightness, ab], 2).astype(np.float32)
        return np.round(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255).astype(np.uint8)


def _spec(height: int, width: int) -> FrameSpec:
    return FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=RATE, time_base=1 / RATE)


def _film_frames(pictures: np.ndarray) -> Iterator[Frame]:
    for index, picture in enumerate(pictures):
        yield Frame(pixels=picture[None], format=PixelFormat.GRAY, pts=index, time_base=1 / RATE, index=index)


def sheet(models: FilmModels, frames: np.ndarray) -> np.ndarray:
    """Return a sheet of a film's luma, uint8 (T, H, W): rows of frame, restored, taken away, coloured; RGB."""
    rows = []
    for place in FRAMES:
        middle = int(np.clip(round(place * len(frames)), 2, len(frames) - 3))
        shown = frames[max(0, middle - LEAD_IN) : middle + 3].astype(np.float32) / 255
        before, restored = shown[-3], models.restore(shown)[-3]
        taken = np.clip((before - restored) * 4 + 0.5, 0, 1)
        greys = [np.repeat(np.round(p * 255).astype(np.uint8)[..., None], 3, 2) for p in (before, restored, taken)]
        rows.append(np.hstack([*greys, models.colorize(restored)]))
    return np.vstack(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films", type=Path, nargs="+", metavar="FILM")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    models = FilmModels(options.models)
    for film in options.films:
        drawn = sheet(models, read_luma(film))
        cv2.imwrite(str(options.out / f"{film.stem}.png"), drawn[..., ::-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
