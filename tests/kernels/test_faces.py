"""Faces are cut out and put back as the processor's chain does."""

import cv2
import numpy as np
import pytest

from engine.stages.face_align import MARGIN, Affine, FaceCutter, chain, footprint, halvings, resizing, scale_of
from engine.stages.face_paste import LEAST_LEFT, FacePaster, feather
from engine.stages.luma import COEFFICIENTS, luma_of
from engine.types import Matrix
from kernels.reference.faces import face_cut, face_paste, face_take
from kernels.reference.resize import resize_area
from tests.kernels.surface_formats import scene

HEIGHT, WIDTH, SIDE = 170, 210, 64
OUTLINE = np.array([[0.0, 0.0], [SIDE, 0.0], [0.0, SIDE], [SIDE, SIDE]])
PLACES = 2e-5
"""OpenCV finds places in single precision, off by up to 2e-5 pixels at column 200. (Since 5.0; earlier ones rounded
places to 1/32 pixel.)"""


def similarity(scale: float, angle: float, x: float, y: float) -> Affine:
    """Return a map from a picture to a face, which is turned and enlarged, the picture's (x, y) in its middle."""
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, SIDE / 2 - linear @ [x, y]])


def inverse(matrix: Affine) -> np.ndarray:
    return cv2.invertAffineTransform(matrix).astype(np.float32)


@pytest.mark.parametrize(
    "matrix", [similarity(0.8, 0.3, 90, 80), similarity(1.9, -0.5, 20, 150)], ids=["smaller", "larger, at the edge"]
)
def test_a_face_is_cut_as_the_processor_does(matrix):
    picture, wanted = scene(1, (3, HEIGHT, WIDTH)), np.empty((3, SIDE, SIDE), np.float32)
    FaceCutter(SIDE, HEIGHT, WIDTH).cut(picture, matrix, wanted)
    assert np.abs(face_cut(picture, SIDE, 3, inverse(matrix), 1.0, 0.0) - wanted).max() <= PLACES


def test_a_large_face_is_reduced_before_as_the_processor_does():
    matrix, picture = similarity(0.22, 0.3, 100, 80), scene(1, (1, HEIGHT, WIDTH))
    wanted = np.empty((1, SIDE, SIDE), np.float32)
    FaceCutter(SIDE, HEIGHT, WIDTH).cut(picture, matrix, wanted)
    factor = halvings(1 / scale_of(matrix))
    box = footprint(matrix, OUTLINE, HEIGHT, WIDTH, margin=MARGIN * factor)
    assert factor == 4
    assert box is not None
    small = resize_area(
        picture[:, box.top : box.bottom, box.left : box.right], -(-box.size[1] // factor), -(-box.size[0] // factor)
    )
    enlarge = resizing(box.size[0] / small.shape[2], box.size[1] / small.shape[1])
    enlarge[:, 2] += (box.left, box.top)
    assert np.abs(face_cut(small, SIDE, 1, inverse(chain(enlarge, matrix)), 1.0, 0.0) - wanted).max() <= PLACES


@pytest.mark.parametrize(
    "matrices",
    [
        [similarity(0.7, 0.2, 100, 80)],
        [similarity(4.2, -0.4, 60, 70), similarity(4.0, 0.1, 68, 74)],
        [similarity(0.9, 1.0, 5, 160)],
    ],
    ids=["one", "two that overlap, reduced", "at the edge"],
)
def test_faces_are_put_back_as_the_processor_does(matrices):
    picture = scene(1, (3, HEIGHT, WIDTH))
    wanted, made, taken = picture.copy(), picture.copy(), np.zeros((1, HEIGHT, WIDTH), np.float32)
    paster = FacePaster(SIDE, 3, HEIGHT, WIDTH)
    paster.begin()
    for number, matrix in enumerate(matrices):
        face = scene(10 + number, (3, SIDE, SIDE))
        paster.paste(face.copy(), matrix, 0.8, picture, wanted)
        factor = halvings(scale_of(matrix) / LEAST_LEFT)
        box = footprint(matrix, OUTLINE, HEIGHT, WIDTH)
        assert box is not None
        shift = np.array([[1.0, 0.0, box.left], [0.0, 1.0, box.top]])
        onto = chain(chain(shift, matrix), resizing(1 / factor, 1 / factor)).astype(np.float32)
        small = face_take(face * 2 - 1, factor, 3, -1.0, 0.5, 0.0, 0.0)
        mask = resize_area(feather(SIDE)[None], SIDE // factor, SIDE // factor)
        inner = np.s_[:, box.top : box.bottom, box.left : box.right]
        made[inner], taken[inner] = face_paste(small, mask, picture[inner], taken[inner], made[inner], onto, 0.8)
    assert np.abs(wanted - picture).max() > 0.3
    assert np.abs(made - wanted).max() <= PLACES


def test_a_grey_films_face_is_the_luma_of_what_was_made():
    made, wanted, k = scene(1, (3, SIDE, SIDE)), np.empty((SIDE, SIDE), np.float32), COEFFICIENTS[Matrix.BT601]
    luma_of(made, Matrix.BT601, wanted)
    assert np.abs(face_take(made * 255, 1, 1, 0.0, 1 / 255, k.kr, k.kb)[0] - wanted).max() <= 1e-6
