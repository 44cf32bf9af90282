"""Carries the planes of two pictures along the motion between them and blends what arrives."""

from typing import Any

import cv2
import numpy as np

from engine.stages.luma import Plane
from engine.types import Planes

RELATIVE_LINEAR = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
"""Bilinear sampling at a distance from each pixel, which saves adding the pixel's own place."""

RELATIVE_CUBIC = cv2.INTER_CUBIC | cv2.WARP_RELATIVE_MAP
"""The same by cubic convolution with a = -0.75 (Keys, 1981)."""


class Warper:
    """Scratch for warping planes of one size.

    Planes of full size are sampled bicubically: bilinear sampling between pixels takes so much of their detail that one
    can tell made pictures from the film's. Chroma is sampled bilinearly.

    Parameters
    ----------
    height, width : of the planes
    reduction : full-size pixels per pixel of the planes, 1 for luma and 2 for half-size chroma
    """

    def __init__(self, height: int, width: int, reduction: int = 1) -> None:
        self._height, self._width, self._reduction = height, width, reduction
        self._is_picture = reduction == 1
        self._maps: Planes = np.empty((5, 0, 0), np.float32)
        self._warped = np.empty((2, height, width), np.float32)
        self._rest = np.empty((height, width), np.float32)

    def aim(self, flow: Planes, mask: Planes, cell: int) -> None:
        """Bring motion to the planes' size; it serves every `blend` until the next call.

        Parameters
        ----------
        flow : float32 (4, h, w), full-size pixels, x and y to the first picture, x and y to the second
        mask : float32 (1, h, w) in [0, 1], weight of the first picture
        cell : full-size pixels per value, in x and in y; h and w times it are at least the picture's size
        """
        height = -(-flow.shape[1] * cell // self._reduction)
        width = -(-flow.shape[2] * cell // self._reduction)
        if self._maps.shape[1:] != (height, width):
            self._maps = np.empty((5, height, width), np.float32)
        for coarse, fine in zip((*flow, mask[0]), self._maps, strict=True):
            if coarse.shape == fine.shape:
                np.copyto(fine, coarse)
            else:
                cv2.resize(coarse, (width, height), dst=fine, interpolation=cv2.INTER_LINEAR)
        if self._reduction != 1:
            np.multiply(self._maps[:4], 1.0 / self._reduction, out=self._maps[:4])

    def blend(self, first: Plane, second: Plane, out: Plane) -> None:
        """Write the plane between `first` and `second` into `out`.

        All are float32 (height, width), 0..1; `out` must not alias the others.
        """
        maps = self._maps[:, : self._height, : self._width]
        from_first, from_second = self._warped
        for plane, (x, y), warped in ((first, maps[:2], from_first), (second, maps[2:4], from_second)):
            sample(plane, x, y, warped, is_sharp=self._is_picture)
        np.subtract(1.0, maps[4], out=self._rest)
        cv2.blendLinear(from_first, from_second, maps[4], self._rest, dst=out)
        if self._is_picture:
            np.clip(out, 0.0, 1.0, out=out)


NO_SECOND_MAP: Any = None
"""What `cv2.remap` takes for its second map where the first holds x and y; its stubs know no None, and an empty array
makes OpenCV 5.0 read beyond it."""


def sample_along(picture: Planes, flow: Planes, out: Planes, border: int = cv2.BORDER_REPLICATE) -> None:
    """Write what lies at the end of each vector of `flow` (h, w, 2; x and y) into `out`; bilinear.

    Parameters
    ----------
    picture : float32 (h, w) or (h, w, n)
    border : what lies outside the picture; `cv2.BORDER_CONSTANT` is zero
    """
    cv2.remap(picture, flow, NO_SECOND_MAP, RELATIVE_LINEAR, dst=out, borderMode=border)


def sample(plane: Plane, flow_x: Plane, flow_y: Plane, out: Plane, *, is_sharp: bool = False) -> None:
    """Write ``plane[y + flow_y, x + flow_x]`` into `out`, edges repeated; all of one size.

    Bilinear, or, where it is to be sharp, bicubic; that overshoots at edges.
    """
    method = RELATIVE_CUBIC if is_sharp else RELATIVE_LINEAR
    cv2.remap(plane, flow_x, flow_y, method, dst=out, borderMode=cv2.BORDER_REPLICATE)
