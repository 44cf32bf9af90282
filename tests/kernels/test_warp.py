"""Pictures carried along a flow are those that the processor's chain makes."""

import cv2
import numpy as np
import pytest

from engine.stages.warp import Warper, sample, sample_along
from kernels.reference.warp import flow_seen, warp_bicubic, warp_bilinear, warp_blend, warp_blend_seen
from tests.kernels.surface_formats import scene

HEIGHT, WIDTH = 91, 134
BLENDED = 2e-5
"""`cv2.blendLinear` divides by the sum of the weights and 1e-5, which darkens by as much; the kernels do not."""


def flow(seed: int, shape: tuple[int, ...], spread: float = 6.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape) * spread
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 1.5) * 3 for plane in noise]).astype(np.float32)


def test_a_picture_along_a_flow_is_the_processors():
    picture, motion = scene(1, (1, HEIGHT, WIDTH)), flow(1, (2, HEIGHT, WIDTH))
    made, wanted = warp_bilinear(picture, motion)[0], np.empty((2, HEIGHT, WIDTH), np.float32)
    sample(picture[0], motion[0], motion[1], wanted[0])
    sample_along(picture[0], np.ascontiguousarray(motion.transpose(1, 2, 0)), wanted[1])
    assert np.abs(made - wanted).max() <= 1e-5


def test_bicubic_is_opencvs():
    picture, motion = scene(1, (1, HEIGHT, WIDTH)), flow(1, (2, HEIGHT, WIDTH))
    rows, columns = np.indices((HEIGHT, WIDTH), np.float32)
    wanted = cv2.remap(
        picture[0], columns + motion[0], rows + motion[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(warp_bicubic(picture, motion)[0] - wanted).max() <= 1e-5


@pytest.mark.parametrize(
    ("cell", "reduction", "grid"),
    [(1, 1, (HEIGHT, WIDTH)), (4, 1, (24, 36)), (4, 2, (24, 36)), (1, 2, (96, 136)), (8, 1, (12, 17))],
)
def test_a_picture_between_two_is_the_processors(cell, reduction, grid):
    size = (-(-HEIGHT // reduction), -(-WIDTH // reduction))
    first, second = scene(1, (2, *size)), scene(2, (2, *size))
    motion, mask = flow(3, (4, *grid)), scene(4, (1, *grid))
    warper, wanted = Warper(*size, reduction), np.empty_like(first)
    warper.aim(motion, mask, cell)
    for before, after, out in zip(first, second, wanted, strict=True):
        warper.blend(before, after, out)
    assert np.abs(warp_blend(first, second, motion, mask, cell, reduction) - wanted).max() <= BLENDED


def test_what_one_picture_hides_comes_from_the_other():
    first, second = np.full((1, 8, 8), 0.2, np.float32), np.full((1, 8, 8), 0.8, np.float32)
    still, seen = np.zeros((4, 8, 8), np.float32), np.ones((2, 8, 8), np.float32)
    seen[0, :, :2], seen[1, :, 2:4], seen[:, :, 4:6] = 0, 0, 0
    made = warp_blend_seen(first, second, still, seen, 0.25, 1, 1)[0, 0]
    assert np.abs(made[:2] - 0.8).max() < 0.003
    assert np.abs(made[2:4] - 0.2).max() < 0.003
    assert np.abs(made[4:] - (0.2 + 0.25 * 0.6)).max() < 1e-6  # hidden in both, or seen in both: by the time


def test_ways_that_do_not_meet_are_not_seen():
    there = np.zeros((2, 20, 30), np.float32)
    there[0] = 4.0
    back = -there
    back[0, 8:12, 10:16] = 3.0  # what is there moves differently: it hides what came from 4 to the left
    seen = flow_seen(there, back)[0]
    assert seen[9, 8] < 1e-3  # far below what counts as firm
    assert np.abs(seen[:8, :26] - 1).max() < 1e-6
    assert (seen[:, 26:] == 0).all()  # they lead out of the picture
