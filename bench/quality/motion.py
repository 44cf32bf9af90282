"""True motion by OpenCV's DIS flow, pictures carried along it, and how far a film flickers beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from bench.quality.metrics import Mask, Picture

Flow = npt.NDArray[np.float32]
"""float32 (H, W, 2): for each pixel of the one picture, where it is in the other, as x and y distance in pixels."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The motion from a frame back to the one before, and where it can be believed.

    flow : from the later frame to the earlier one
    visible : bool (H, W), the pixel is seen in both
    """

    flow: Flow
    visible: Mask


def flow_between(origin: Picture, goal: Picture) -> Flow:
    """Return DIS flow from one picture to another (Kroeger et al., ECCV 2016; OpenCV's preset `medium`)."""
    return _search().calc(origin, goal, np.zeros((*origin.shape, 2), np.float32)).astype(np.float32, copy=False)


def visible(forth: Flow, back: Flow) -> Mask:
    """Return where a motion is undone by the motion back.

    References
    ----------
    Sundaram, Brox, Keutzer, "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow", ECCV 2010,
    equation 5; used for warping errors by Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018.
    """
    returned = carry(back, forth)
    gap = np.square(forth + returned).sum(2)
    return gap <= 0.01 * (np.square(forth).sum(2) + np.square(returned).sum(2)) + 0.5


def carry(picture: npt.NDArray[np.float32], flow: Flow) -> npt.NDArray[np.float32]:
    """Return a picture (H, W) or (H, W, C) sampled where the flow points, bilinearly, borders repeated."""
    places = grid(flow.shape[0], flow.shape[1]) + flow
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)


@cache
def grid(height: int, width: int) -> Flow:
    """Return each pixel's own place, x and y; not to be written to."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)


def link(frames: Sequence[Picture] | Picture) -> list[Link]:
    """Return the links of each frame but the first to the one before; frames are uint8 (T, H, W)."""
    links: list[Link] = []
    for earlier, later in zip(frames[:-1], frames[1:], strict=True):
        back, forth = flow_between(later, earlier), flow_between(earlier, later)
        links.append(Link(flow=back, visible=visible(back, forth)))
    return links


def warping_error(frames: Sequence[Picture] | Picture, links: Sequence[Link]) -> float:
    """Return the mean square difference of frames and their predecessors carried along the true motion, times 10⁴.

    Of a range of 1, occluded pixels left out (Lai et al. 2018, equation 3). Less is steadier; the truth's own is what
    flow cannot explain.
    """
    errors: list[float] = []
    for earlier, later, tie in zip(frames[:-1], frames[1:], links, strict=True):
        change = later.astype(np.float32) - carry(earlier.astype(np.float32), tie.flow)
        if tie.visible.any():
            errors.append(float(np.square(change[tie.visible] / 255).mean()))
    return 1e4 * float(np.mean(errors)) if errors else 0.0


def mean_speed(links: Sequence[Link]) -> float:
    """Return how far pixels move from frame to frame, pixels, in the mean."""
    return float(np.mean([np.linalg.norm(tie.flow, axis=2).mean() for tie in links])) if links else 0.0


@cache
def _search() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
