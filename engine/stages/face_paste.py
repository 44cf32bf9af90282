"""Puts a restored face back where it was, its edges fading into the film."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engine.stages.face_align import Affine, Box, chain, footprint, halvings, outline, resizing, scale_of
from engine.stages.luma import Plane
from engine.types import Planes

CENTRE = (0.5, 0.53)
"""Of the face in the aligned picture, sides: between the eyes and the mouth."""
FULL = (0.27, 0.34)
"""Half axes, sides, of the ellipse within which the restored face counts fully: hair line to chin, ear to ear."""
FADED = (0.47, 0.46)
"""Half axes of the ellipse beyond which it does not count at all; within the picture on every side."""
LEAST_LEFT = math.sqrt(2.0)
"""Times that a face is still larger than in the picture after it was reduced by area, at least (and less than twice
that): less blurs what the film resolves, more lets finer detail shimmer."""
SMALLEST_LEVEL = 16
"""Side of the smallest reduced copy that is made of a face, pixels."""


def feather(side: int) -> Plane:
    """Return how much each pixel of an aligned face counts, float32 (side, side) in [0, 1].

    Between the two ellipses the weight falls along each ray as 3t² − 2t³, which has no kink at either end.
    """
    at = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(at - CENTRE[0], at - CENTRE[1])
    inner, outer = np.hypot(x / FULL[0], y / FULL[1]), np.hypot(x / FADED[0], y / FADED[1])
    # at distance r on a ray that meets the ellipses at a and b: inner = r / a, outer = r / b, t = (b - r) / (b - a)
    t = np.clip((1.0 - outer) * inner / np.maximum(inner - outer, 1e-9), 0.0, 1.0)
    return np.where(inner <= 1.0, 1.0, t * t * (3.0 - 2.0 * t)).astype(np.float32)


def feathers(side: int) -> dict[int, Plane]:
    """Return what `feather` returns, reduced by area: by how much → that, for every power of two that faces may be."""
    masks, factor = {1: feather(side)}, 2
    while side % factor == 0 and side // factor >= SMALLEST_LEVEL:
        small = (side // factor, side // factor)
        masks[factor] = cv2.resize(masks[1], small, interpolation=cv2.INTER_AREA).astype(np.float32)
        factor *= 2
    return masks


@dataclass(frozen=True, slots=True)
class Fit:
    """How a face is put back into a picture.

    box : pixels of the picture that may change
    factor : by which the face is reduced by area, so that detail finer than the film's pixels does not shimmer
    onto : pixel of the box → reduced face
    """

    box: Box
    factor: int
    onto: Affine


def plan_paste(matrix: Affine, side: int, height: int, width: int, *, most: int) -> Fit | None:
    """Return how a face is put back; None where it lies beside the picture.

    Parameters
    ----------
    matrix : picture → aligned face
    side : of the aligned face, pixels
    height, width : of the picture
    most : by which the face may be reduced
    """
    box = footprint(matrix, outline(side), height, width)
    if box is None:
        return None
    factor = min(most, halvings(scale_of(matrix) / LEAST_LEFT))
    shift = np.array([[1.0, 0.0, box.left], [0.0, 1.0, box.top]])
    return Fit(box, factor, chain(chain(shift, matrix), resizing(1.0 / factor, 1.0 / factor)))


class FacePaster:
    """Puts faces back into pictures of one size.

    Parameters
    ----------
    side : of the aligned faces, pixels
    channels, height, width : of the pictures
    """

    def __init__(self, side: int, channels: int, height: int, width: int) -> None:
        self._side, self._masks = side, feathers(side)
        self._reduced: dict[int, Planes] = {
            factor: np.empty((channels, *mask.shape), np.float32) for factor, mask in self._masks.items() if factor > 1
        }
        self._taken, self._weight, self._moved = np.zeros((3, height, width), np.float32)

    def begin(self) -> None:
        """Begin another picture."""
        self._taken.fill(0.0)

    def paste(self, face: Planes, matrix: Affine, strength: float, picture: Planes, out: Planes) -> None:
        """Put a face into a picture.

        Where faces overlap, each pixel goes to the faces in turn until it is full: together they never count more than
        the one that counts most there, and the picture has no edge where two meet.

        Parameters
        ----------
        face : float32 (C, side, side) in [0, 1], aligned, of the picture's kind
        matrix : picture → aligned face
        strength : how much the face counts where it counts most, 0 to 1
        picture : float32 (C, H, W) in [0, 1], without faces
        out : float32 (C, H, W), the picture with the faces put in so far; written in place
        """
        fit = plan_paste(matrix, self._side, *picture.shape[1:], most=max(self._masks))
        if fit is None:
            return
        box, onto = fit.box, fit.onto
        width, height = box.size
        weight, moved = self._weight[:height, :width], self._moved[:height, :width]
        taken = self._taken[box.top : box.bottom, box.left : box.right]
        _bring(self._masks[fit.factor], onto, weight, cv2.INTER_LINEAR)
        cv2.subtract(weight, taken, dst=weight)
        cv2.threshold(weight, 0.0, 0.0, cv2.THRESH_TOZERO, dst=weight)
        cv2.add(taken, weight, dst=taken)
        film, target = (planes[:, box.top : box.bottom, box.left : box.right] for planes in (picture, out))
        for small, below, plane in zip(self._reduce(face, fit.factor), film, target, strict=True):
            _bring(small, onto, moved, cv2.INTER_CUBIC)
            cv2.threshold(moved, 0.0, 0.0, cv2.THRESH_TOZERO, dst=moved)
            cv2.threshold(moved, 1.0, 1.0, cv2.THRESH_TRUNC, dst=moved)
            cv2.subtract(moved, below, dst=moved)
            cv2.multiply(moved, weight, dst=moved)
            cv2.scaleAdd(moved, strength, plane, dst=plane)

    def _reduce(self, face: Planes, factor: int) -> Planes:
        """Return the face reduced by area; the same scratch at every call."""
        if factor == 1:
            return face
        small = self._reduced[factor]
        for plane, target in zip(face, small, strict=True):
            cv2.resize(plane, target.shape[::-1], dst=target, interpolation=cv2.INTER_AREA)
        return small


def _bring(source: Plane, onto: Affine, out: Plane, interpolation: int) -> None:
    """Write the plane that shows at each pixel p what `source` shows at `onto` p; beyond it, its edge."""
    cv2.warpAffine(
        source,
        onto,
        (out.shape[1], out.shape[0]),
        dst=out,
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
