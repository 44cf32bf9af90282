"""Simple measures of what is wrong with a film's picture, so that `farshore info` can say it.

Estimates, not a judgement: motion that is no shift of the whole picture passes for grain and hides dust. Measured on
luma of three neighbouring frames of one shot at a time, every `INTERVAL` frames.

- **grain**: robust spread of the middle frame's difference to the mean of its neighbours, moved and levelled onto it,
  where the picture has least structure; codes of 255.
- **flicker**: how far a frame's mean lies from that of its two neighbours' average, root mean square, percent.
- **dust**: spots of the middle frame that are darker or lighter than both neighbours, moved onto it, while these agree;
  spots a frame.
"""

from collections import deque
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.frame import Frame
from engine.types import FrameFlags

INTERVAL = 12
"""Frames from one measurement to the next."""

_SPOT_CONTRAST = 0.08
_SPOT_PIXELS = 4
_SMOOTHEST_SHARE = 30

Luma = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What was measured; see the module for how.

    samples : triples of frames measured
    grain : standard deviation, codes of 255
    flicker_percent : of a frame's mean
    dust_per_frame : spots
    """

    samples: int
    grain: float
    flicker_percent: float
    dust_per_frame: float

    def to_json(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


class DamageMeter:
    """Looks at frames as they come; frames stay the caller's."""

    def __init__(self) -> None:
        self._recent: deque[Luma] = deque(maxlen=3)
        self._since = INTERVAL
        self._grain: list[float] = []
        self._flicker: list[float] = []
        self._dust: list[int] = []

    def add(self, frame: Frame) -> None:
        """Take the next frame of the film into account."""
        if FrameFlags.SCENE_CUT in frame.flags:
            self._recent.clear()
        self._since += 1
        if self._since < INTERVAL - 2:
            return
        self._recent.append(frame.pixels[len(frame.pixels) // 2].copy())
        if len(self._recent) == 3:
            self._measure(*self._recent)
            self._recent.clear()
            self._since = 0

    def damage(self) -> Damage | None:
        """Return what was found; None where no three frames of one shot came."""
        if not self._grain:
            return None
        return Damage(
            samples=len(self._grain),
            grain=round(float(np.median(self._grain)), 2),
            flicker_percent=round(float(np.sqrt(np.mean(np.square(self._flicker)))), 2),
            dust_per_frame=round(float(np.mean(self._dust)), 1),
        )

    def _measure(self, before: Luma, now: Luma, after: Luma) -> None:
        neighbours = (float(before.mean()) + float(after.mean())) / 2
        self._flicker.append(100 * (float(now.mean()) - neighbours) / max(neighbours, 1e-3))
        before, after = _moved_onto(before, now), _moved_onto(after, now)
        self._grain.append(255 * _grain(before, now, after))
        self._dust.append(_count_spots(before, now, after))


def _grain(before: Luma, now: Luma, after: Luma) -> float:
    """Return the grain's standard deviation: of one frame less the mean of two it is sqrt(3/2) times as large."""
    smooth = cv2.GaussianBlur(now, (0, 0), 2)
    structure = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    difference = (now - (before + after) / 2)[structure <= np.percentile(structure, _SMOOTHEST_SHARE)]
    return 1.4826 * float(np.median(np.abs(difference - np.median(difference)))) / np.sqrt(1.5)


def _moved_onto(picture: Luma, target: Luma) -> Luma:
    """Move a picture by its shift against another, if that brings them nearer, and level it to that one."""
    window = cv2.createHanningWindow((picture.shape[1], picture.shape[0]), cv2.CV_32F)
    smooth = [cv2.GaussianBlur(each, (0, 0), 1.5) for each in (picture, target)]
    (x, y), _ = cv2.phaseCorrelate(smooth[0], smooth[1], window)
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    moved = cv2.warpAffine(picture, matrix, picture.shape[::-1], borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    nearest = min(moved, picture, key=lambda each: float(np.abs(each - target).mean()))
    return nearest + cv2.GaussianBlur(target - nearest, (0, 0), 12)


def _count_spots(before: Luma, now: Luma, after: Luma) -> int:
    smooth = cv2.GaussianBlur(now, (0, 0), 0.8)
    down, up = smooth - cv2.GaussianBlur(before, (0, 0), 0.8), smooth - cv2.GaussianBlur(after, (0, 0), 0.8)
    spike = np.where(down * up > 0, np.minimum(np.abs(down), np.abs(up)), 0)
    agree = cv2.blur(np.abs(before - after), (7, 7)) < 0.05
    spots = ((spike > _SPOT_CONTRAST) & agree).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(spots)
    return int((stats[1:count, cv2.CC_STAT_AREA] >= _SPOT_PIXELS).sum())
