"""Runs the engine's stages on pictures in memory, as the pipeline runs them, on the caller's thread."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.memory_film import MemoryFilm
from bench.quality.metrics import Picture
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.frame import Frame
from engine.model import Model
from engine.settings import ColorizeSettings, EnhanceSettings, InterpolateSettings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.enhance import Enhance
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate
from engine.types import FrameFlags

RATE = Fraction(24)
"""Frames per second that every clip is said to have; no figure depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a stage made.

    pictures : uint8 (T, H, W) luma for restore and interpolate; float32 (T, 2, h, w) a*, b* for colorize
    ms : of the model for one of them, one thread
    failures : frames passed through because the model failed
    """

    pictures: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    ms: float
    failures: int


def restore(model: Model, film: Picture) -> Made:
    """Run the enhance stage at full strength on uint8 (T, H, W), one shot."""
    stage = Enhance(model, OnnxRuntimeBackend(), EnhanceSettings(strength=1.0, upscale=model.card.scale))
    with _Opened(stage, _film(film[0])) as opened:
        seconds = stage.measure(1) or 0.0
        pictures = np.stack([_coded(frame.pixels[0]) for frame in opened.play(film)])
    return Made(pictures=pictures, ms=1e3 * seconds, failures=stage.failures.total)


def between(model: Model, kept: Sequence[Picture], gap: int) -> Made:
    """Run the interpolate stage on frames of which `gap` - 1 lie between each two; return all those between, in order.

    Parameters
    ----------
    kept : uint8 (H, W) each
    gap : from 2
    """
    stage = Interpolate(model, OnnxRuntimeBackend(), InterpolateSettings(rate=RATE))
    film = _film(kept[0], rate=RATE / gap)
    made: list[Picture] = []
    with _Opened(stage, film) as opened:
        seconds = (stage.measure(1) or 0.0) / (gap - 1)
        for frame in opened.play(kept):
            number = frame.time * RATE
            if number % gap and number < (len(kept) - 1) * gap:
                made.append(_coded(frame.pixels[0]))
    return Made(pictures=np.stack(made), ms=1e3 * seconds, failures=stage.failures.total)


def colour(model: Model, luma: Sequence[Picture] | Picture, reference: Path | None) -> Made:
    """Run the colorize stage on uint8 (T, H, W), one shot, led by a picture or by none."""
    settings = ColorizeSettings(mode="always", references=() if reference is None else (reference,))
    stage = Colorize(model, OnnxRuntimeBackend(), settings)
    planes: list[npt.NDArray[np.float32]] = []
    with _Opened(stage, _film(luma[0])) as opened:
        seconds = stage.measure(1) or 0.0
        for frame in opened.play(luma):
            assert frame.chroma is not None
            planes.append(frame.chroma * np.float32(255) - np.float32(128))
    return Made(pictures=np.stack(planes), ms=1e3 * seconds, failures=stage.failures.total)


def shots(luma: Sequence[Picture]) -> list[list[int]]:
    """Return the numbers of a film's frames, shot by shot, without those that only repeat the one before."""
    stage = Inspect(retime=False)
    found: list[list[int]] = []
    with _Opened(stage, _film(luma[0])) as opened:
        for frame in opened.play(luma, is_marked=False):
            if FrameFlags.SCENE_CUT in frame.flags or not found:
                found.append([])
            found[-1].append(frame.index)
    return found


class _Opened:
    """A stage from `open` to `close`, fed with a film."""

    def __init__(self, stage: Stage, film: MemoryFilm) -> None:
        self._stage, self._film = stage, film

    def __enter__(self) -> "_Opened":
        self._stage.open(self._film.spec)
        return self

    def __exit__(self, *_: object) -> None:
        self._stage.close()

    def play(self, pictures: Iterable[Picture], *, is_marked: bool = True) -> Iterator[Frame]:
        """Yield what the stage makes of one shot; a frame is valid until the next is asked for.

        `is_marked` as of `MemoryFilm.frames`.
        """
        for frame in self._film.frames(pictures, is_marked=is_marked):
            yield from _released(self._stage.push(frame))
        yield from _released(self._stage.flush(None))


def _released(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        frame.release()


def _film(picture: Picture, *, rate: Fraction = RATE) -> MemoryFilm:
    height, width = picture.shape
    return MemoryFilm(height, width, rate)


def _coded(plane: npt.NDArray[np.float32]) -> Picture:
    """Return luma as an 8-bit film holds it."""
    return np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)
