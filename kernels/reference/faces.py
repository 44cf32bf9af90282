"""Reference of faces.cu. Maps are float (2, 3): from (x, y, 1) where is written to where is read."""

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import resize_area
from kernels.reference.sampling import bicubic, bilinear

Planes = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float32]


def face_cut(picture: Planes, side: int, planes: int, onto: Affine, gain: float, offset: float) -> Planes:
    """Return an aligned face (planes, side, side): what the picture shows where the map leads, x `gain` + `offset`.

    Bicubic, edges repeated, clipped to [0, 1] before gain and offset; a grey picture goes into every plane.
    """
    face = np.clip(bicubic(picture, *_places(onto, side, side)), 0, 1) * gain + offset
    return face[np.minimum(np.arange(planes), len(face) - 1)].astype(np.float32)


def face_take(made: Planes, factor: int, planes: int, low: float, gain: float, kr: float, kb: float) -> Planes:
    """Return what a model made (3, S, S) as planes of the film's kind, reduced `factor` times by area.

    (made - low) x gain, clipped to [0, 1]; the luma of it where `planes` is 1.
    """
    face = np.clip((made.astype(np.float64) - low) * gain, 0, 1)
    if planes == 1:
        face = np.einsum("i,iyx->yx", np.array([kr, 1 - kr - kb, kb]), face)[None]
    side = made.shape[1] // factor
    return resize_area(face.astype(np.float32), side, side)


def face_paste(
    face: Planes, mask: Planes, film: Planes, taken: Planes, out: Planes, onto: Affine, strength: float
) -> tuple[Planes, Planes]:
    """Return the picture with a face put into it, and how much of each pixel faces have by now.

    Parameters
    ----------
    face : (C, S, S)
    mask : (1, S, S), how much each of its pixels counts
    film : (C, H, W), the picture without faces
    taken : (1, H, W), what faces put in before have of each pixel
    out : (C, H, W), the picture with these in it
    onto : picture -> face
    strength : of the restored face, 0 to 1
    """
    x, y = _places(onto, *film.shape[1:])
    weight = np.maximum(bilinear(mask, x, y) - taken, 0)
    change = np.clip(bicubic(face, x, y), 0, 1) - film
    return (out + change * weight * strength).astype(np.float32), (taken + weight).astype(np.float32)


def _places(onto: Affine, height: int, width: int) -> tuple[Planes, Planes]:
    rows, columns = np.indices((height, width), np.float32)
    x, y = (line[0] * columns + line[1] * rows + line[2] for line in onto.astype(np.float32))
    return x, y
