"""Brings a face upright and to the size that a face model was trained on."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import ShapeError
from engine.stages.face_detect import Points
from engine.stages.luma import Plane
from engine.types import Planes

Affine = npt.NDArray[np.float64]
"""float64 (2, 3): takes (x, y, 1), pixel centres at whole numbers, to (x', y')."""

TEMPLATE_SIDE = 512
TEMPLATE: Points = np.array(
    [[202.0407, 242.8840], [309.4302, 242.2900], [256.0768, 303.9592], [211.9598, 366.8282], [300.8911, 366.3363]]
)
"""Where the five points lie in an aligned face of 512×512, as GPEN was trained (the points of ArcFace's 96×112 faces,
with a margin of a quarter around). Other sizes are in proportion."""
MARGIN = 4
"""Pixels beyond a cut-out's edge that interpolation may touch."""


def template(side: int) -> Points:
    """Return where the five points lie in an aligned face of side×side pixels."""
    return TEMPLATE * (side / TEMPLATE_SIDE)


def similarity(points: Points, target: Points) -> Affine:
    """Return the rotation, scaling and shift, without mirroring, that takes `points` nearest to `target`.

    Least squares in closed form: S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", IEEE Transactions on Pattern Analysis and Machine Intelligence 13 (4), 1991, equations 34 to 43.

    Raises
    ------
    ShapeError
        The points lie all in one place.
    """
    from_mean, to_mean = points.mean(axis=0), target.mean(axis=0)
    centred = points - from_mean
    variance = float((centred**2).sum(axis=1).mean())
    if variance < 1e-9:
        raise ShapeError("a face: got five points in one place; wanted a face that has a size")
    u, scales, vt = np.linalg.svd((target - to_mean).T @ centred / len(points))
    signs = np.array([1.0, math.copysign(1.0, float(np.linalg.det(u) * np.linalg.det(vt)))])
    linear = float((scales * signs).sum()) / variance * (u * signs) @ vt
    return np.column_stack([linear, to_mean - linear @ from_mean])


def scale_of(matrix: Affine) -> float:
    """Return by how much a similarity enlarges."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def apply(matrix: Affine, points: Points) -> Points:
    """Return where points (n, 2) go."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def resizing(factor_x: float, factor_y: float) -> Affine:
    """Return what resizing a picture does to pixel centres: (x + ½) · factor − ½."""
    return np.array([[factor_x, 0.0, 0.5 * factor_x - 0.5], [0.0, factor_y, 0.5 * factor_y - 0.5]])


def chain(first: Affine, then: Affine) -> Affine:
    """Return the map that does one after the other."""
    return np.column_stack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]])


def halvings(reduction: float) -> int:
    """Return the largest power of two, at least 1, that is no more than `reduction`."""
    return 1 << max(0, math.floor(math.log2(reduction)))


@dataclass(frozen=True, slots=True)
class Box:
    """Whole pixels of a frame: columns left..right, rows top..bottom, the ends not included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top


def footprint(matrix: Affine, outline: Points, height: int, width: int, *, margin: int = 0) -> Box | None:
    """Return the pixels of a frame that an outline in an aligned face covers; None where it lies beside the frame.

    Parameters
    ----------
    matrix : frame → aligned face
    outline : corners (n, 2) in the aligned face
    height, width : of the frame
    margin : pixels of the frame to add on every side
    """
    corners = apply(cv2.invertAffineTransform(matrix).astype(np.float64), outline)
    low, high = np.floor(corners.min(axis=0)) - margin, np.ceil(corners.max(axis=0)) + 1 + margin
    left, top = (max(0, int(value)) for value in low)
    right, bottom = min(width, int(high[0])), min(height, int(high[1]))
    return Box(left, top, right, bottom) if left < right and top < bottom else None


def outline(side: int) -> Points:
    """Return the corners of an aligned face of side×side pixels."""
    return np.array([[0.0, 0.0], [side, 0.0], [0.0, side], [side, side]])


@dataclass(frozen=True, slots=True)
class Cut:
    """How a face is cut out of a picture.

    piece : pixels that are first reduced by area; None: it is cut from the picture as it is
    height, width : of what it is cut from: of the reduced piece, or of the picture
    matrix : what it is cut from → aligned face
    """

    piece: Box | None
    height: int
    width: int
    matrix: Affine


def plan_cut(matrix: Affine, side: int, height: int, width: int) -> Cut:
    """Return how a face is cut out.

    Where a face is larger than the model's, the picture is first reduced by area by the largest power of two that
    leaves enough, so that nothing folds over; the rest is one cubic interpolation.

    Parameters
    ----------
    matrix : picture → aligned face
    side : of the aligned face, pixels
    height, width : of the picture
    """
    factor = halvings(1.0 / scale_of(matrix))
    piece = footprint(matrix, outline(side), height, width, margin=MARGIN * factor) if factor > 1 else None
    if piece is None:
        return Cut(None, height, width, matrix)
    small_width, small_height = (-(-length // factor) for length in piece.size)
    enlarge = resizing(piece.size[0] / small_width, piece.size[1] / small_height)
    enlarge[:, 2] += (piece.left, piece.top)
    return Cut(piece, small_height, small_width, chain(enlarge, matrix))


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Return the most rows and columns that a reduced piece of a picture can have."""
    return (height + 1) // 2, (width + 1) // 2


class FaceCutter:
    """Cuts aligned faces out of pictures of one size.

    Parameters
    ----------
    side : of the aligned faces, pixels
    height, width : of the pictures
    """

    def __init__(self, side: int, height: int, width: int) -> None:
        self._side = side
        self._reduced = np.empty(reduced_size(height, width), np.float32)

    def cut(self, picture: Planes, matrix: Affine, out: Planes) -> None:
        """Write an aligned face.

        Beyond the picture its edge is repeated: no border appears for the model to draw into the face.

        Parameters
        ----------
        picture : float32 (C, H, W) in [0, 1]
        matrix : picture → aligned face
        out : float32 (C, side, side), written in place, in [0, 1]
        """
        cut = plan_cut(matrix, self._side, *picture.shape[1:])
        for plane, target in zip(picture, out, strict=True):
            cv2.warpAffine(
                plane if cut.piece is None else self._reduce(plane, cut.piece, cut),
                cut.matrix,
                (self._side, self._side),
                dst=target,
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
        np.clip(out, 0.0, 1.0, out=out)

    def _reduce(self, plane: Plane, piece: Box, cut: Cut) -> Plane:
        """Return a piece of the plane reduced by area; the same scratch at every call."""
        small = self._reduced[: cut.height, : cut.width]
        whole = plane[piece.top : piece.bottom, piece.left : piece.right]
        cv2.resize(whole, (cut.width, cut.height), dst=small, interpolation=cv2.INTER_AREA)
        return small
