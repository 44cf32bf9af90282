"""The opponents for interpolation: blending, warping along DIS flow in two ways, ffmpeg's minterpolate."""

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from bench.quality.classical import run_filter
from bench.quality.metrics import Mask, Picture
from bench.quality.motion import Flow, Plane, carry, flow_between, grid, visible

MINTERPOLATE = "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
"""ffmpeg's best: motion-compensated, bidirectional, adaptive overlapped blocks of variable size. Without its detection
of cuts, since there are none."""


def blend(first: Picture, second: Picture, timestep: float) -> Picture:
    """Return the cross-fade of two pictures."""
    return _coded((1 - timestep) * first.astype(np.float32) + timestep * second.astype(np.float32))


class DisWarp:
    """Pictures between two, along OpenCV's DIS flow.

    Parameters
    ----------
    first, second : uint8 (H, W)
    """

    def __init__(self, first: Picture, second: Picture) -> None:
        self._first, self._second = first.astype(np.float32), second.astype(np.float32)
        self._forth, self._back = flow_between(first, second), flow_between(second, first)
        self._seen_first = visible(self._forth, self._back)
        self._seen_second = visible(self._back, self._forth)

    def plain(self, timestep: float) -> Picture:
        """Sample both pictures along the flow from the first, taken at the target's own pixels, and cross-fade."""
        rest = 1 - timestep
        before = carry(self._first, -timestep * self._forth)
        after = carry(self._second, rest * self._forth)
        return _coded(rest * before + timestep * after)

    def occlusion_aware(self, timestep: float) -> Picture:
        """Throw both flows forward to the moment, fill the holes, and take each pixel from where it is seen.

        References
        ----------
        Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 92, 2011, section 3.3.2: forward
        projection, the photo-consistent candidate wins, holes filled from outside, occlusion by consistency of flows.
        """
        rest = 1 - timestep
        change = np.abs(self._first - carry(self._second, self._forth))
        from_first, hit_first = _project(self._forth, timestep, change)
        change = np.abs(self._second - carry(self._first, self._back))
        from_second, hit_second = _project(-self._back, -rest, change)
        known = hit_first | hit_second
        both = hit_first & hit_second
        flow = np.where(hit_first[..., None], from_first, from_second)
        nearer = from_first if timestep <= 0.5 else from_second
        flow[both] = nearer[both]
        flow = _filled(flow, known)
        before, after = carry(self._first, -timestep * flow), carry(self._second, rest * flow)
        in_first = carry(self._seen_first.astype(np.float32), -timestep * flow)
        in_second = carry(self._seen_second.astype(np.float32), rest * flow)
        weight = rest * (in_first + 1e-3)
        weight = weight / (weight + timestep * (in_second + 1e-3))
        return _coded(weight * before + (1 - weight) * after)


def minterpolate(kept: Sequence[Picture], gap: int) -> list[Picture]:
    """Return the pictures that ffmpeg's minterpolate puts between frames, `gap` - 1 between each two, in order.

    The last frame is given to the filter twice more: it holds two back and would leave the last interval out.
    """
    rate = Fraction(24)
    film = [*kept, kept[-1], kept[-1]]
    made = run_filter(film, "minterpolate", f"fps={rate}:{MINTERPOLATE}", rate=rate / gap)
    numbers = [number for number in range((len(kept) - 1) * gap) if number % gap]
    return [made[number / rate] for number in numbers]


def _project(flow: Flow, share: float, change: Plane) -> tuple[Flow, Mask]:
    """Carry flow vectors `share` of their way and put them down on the pixels around where they land.

    Parameters
    ----------
    flow : the whole interval's motion, at its origin
    share : of the way; negative goes back
    change : float32 (H, W), how badly a vector explains the picture; the lowest wins a pixel

    Returns
    -------
    flow, and bool (H, W) where a vector has landed
    """
    height, width = change.shape
    order = np.argsort(-change, axis=None, kind="stable")
    vectors = flow.reshape(-1, 2)[order]
    landed = grid(height, width).reshape(-1, 2)[order] + np.float32(share) * vectors
    corner = np.floor(landed).astype(np.intp)
    out = np.zeros((height * width, 2), np.float32)
    rank = np.full(height * width, -1, np.intp)
    for down in (0, 1):
        for right in (0, 1):
            x, y = corner[:, 0] + right, corner[:, 1] + down
            inside = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
            np.maximum.at(rank, y[inside] * width + x[inside], inside)
    hit = rank >= 0
    out[hit] = vectors[rank[hit]]
    return out.reshape(height, width, 2), hit.reshape(height, width)


def _filled(flow: Flow, known: Mask) -> Flow:
    """Fill unknown vectors with a mean of known ones near by, from coarse to fine."""
    if known.all():
        return flow
    if not known.any() or min(known.shape) < 2:
        return np.where(known[..., None], flow, 0)
    weight = known.astype(np.float32)
    size = ((known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2)
    small_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(flow * weight[..., None], size, interpolation=cv2.INTER_AREA)
    small = (small / np.maximum(small_weight, 1e-6)[..., None]).astype(np.float32)
    coarse = _filled(small, small_weight > 1e-6)
    wide = cv2.resize(coarse, (known.shape[1], known.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(known[..., None], flow, wide).astype(np.float32)


def _coded(picture: npt.NDArray[np.floating]) -> Picture:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
