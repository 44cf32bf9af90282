"""What a restoration gained, measured against the truth."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import log10
from pathlib import Path

import av
import cv2
import numpy as np

from engine.demo.aged_film import AgedFilm, Luma
from engine.demo.brush import Picture
from engine.demo.scene import RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Distances to the truth, over the frames of the aged film; what was synthesized between them is not compared.

    frames : compared
    aged_psnr, restored_psnr : of luma, dB; higher is nearer
    grey_chroma, restored_chroma : mean distance of a*b* to the truth's, in CIE units: of a film without any colour,
        and of the restored one; lower is nearer
    """

    frames: int
    aged_psnr: float
    restored_psnr: float
    grey_chroma: float
    restored_chroma: float

    def to_json(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def measure_gain(film: AgedFilm, restored: Path) -> tuple[Gain, dict[int, Picture]]:
    """Compare a restored film with the truth, frame by frame at the same times.

    Returns
    -------
    The figures, and the restored pictures by the number of the aged film's frame.
    """
    aged_errors: list[float] = []
    restored_errors: list[float] = []
    grey: list[float] = []
    chroma: list[float] = []
    pictures: dict[int, Picture] = {}
    for index, luma, picture in _frames_at(restored, len(film.pictures)):
        aged_errors.append(_error(film.aged[index], film.luma[index]))
        restored_errors.append(_error(luma, film.luma[index]))
        truth, found = _ab(film.pictures[index]), _ab(picture)
        grey.append(float(np.hypot(*truth).mean()))
        chroma.append(float(np.hypot(*(truth - found)).mean()))
        pictures[index] = picture
    gain = Gain(
        frames=len(pictures),
        aged_psnr=psnr(aged_errors),
        restored_psnr=psnr(restored_errors),
        grey_chroma=float(np.mean(grey)),
        restored_chroma=float(np.mean(chroma)),
    )
    return gain, pictures


def psnr(errors: Sequence[float]) -> float:
    """Return the PSNR of a film from its frames' mean squared errors, values 0 to 1."""
    return -10 * log10(max(float(np.mean(errors)), 1e-10))


def _frames_at(path: Path, count: int) -> Iterator[tuple[int, Luma, Picture]]:
    """Yield the frames of a film that lie exactly on the aged film's grid of times: number, luma, R'G'B'."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            if frame.pts is None or frame.time_base is None:
                continue
            index = Fraction(frame.pts) * frame.time_base * RATE
            if index.denominator == 1 and 0 <= index < count:
                yield int(index), _luma_plane(frame), frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _luma_plane(frame: av.VideoFrame) -> Luma:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    return ((rows.astype(np.float32) - 16) / 219).clip(0, 1)


def _error(luma: Luma, truth: Luma) -> float:
    return float(np.mean(np.square(luma - truth)))


def _ab(picture: Picture) -> Luma:
    """Return a* and b*, float32 (2, h, w), at half size."""
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.moveaxis(cv2.cvtColor(half, cv2.COLOR_RGB2LAB)[..., 1:], -1, 0).astype(np.float32, copy=False)
