"""Colour is carried from picture to picture as the processor's chain does."""

import numpy as np
import pytest

from engine.stages import steadiness
from engine.stages.dense_motion import FINEST_SCALE, DenseMotion
from engine.stages.steadiness import Steadiness
from kernels.catalogue import catalogue
from kernels.reference import carry, warp
from kernels.reference.carry import carry_chroma, carry_trust, luma_change, mean_change
from kernels.reference.warp import flow_seen
from tests.kernels.surface_formats import scene

SIZE = (72, 96)
SPEED = 3


@pytest.mark.parametrize("is_anchored", [False, True])
@pytest.mark.parametrize("fine", [(90, 130), SIZE])
def test_chroma_along_the_motion_is_the_processors(fine, is_anchored):
    wide = scene(1, (1, SIZE[0], SIZE[1] + SPEED))
    before, luma = wide[:, :, SPEED:].copy(), wide[:, :, : SIZE[1]] * 0.9
    ab_before, ab = scene(2, (2, *fine)), scene(3, (2, *fine))
    wanted, strength = ab.copy(), 0.8
    processor = Steadiness(SIZE, fine, strength)
    (processor.anchor if is_anchored else processor.steady)(before[0], ab_before.copy())
    processor.steady(np.ascontiguousarray(luma[0]), wanted)
    finest = steadiness.REFERENCE_SCALE if is_anchored else FINEST_SCALE
    back, forth = ways(before[0], luma[0], finest)
    change, sums = luma_change(luma, before, back, catalogue()["luma_change"].block[:2])
    mean = float(mean_change(sums, SIZE[0] * SIZE[1])[0])
    sure, nothing = (np.full((1, *SIZE), float(value), np.float32) for value in (is_anchored, 0))
    weight = 0.0 if is_anchored else strength
    trust, _ = carry_trust(change, mean, flow_seen(back, forth), sure, nothing, back, weight)
    made = carry_chroma(ab_before, ab, back, trust)
    assert np.abs(made - ab).max() > 0.3
    assert np.abs(made - wanted).max() <= 2e-5
    ours = (carry.MISFIT, 2 * carry.WINDOW + 1, carry.FIRM)
    assert ours == (steadiness.MISFIT, steadiness.WINDOW, steadiness.FIRM)
    assert (warp.WAY_SHARE, warp.WAY_PIXELS) == (steadiness.WAY_SHARE, steadiness.WAY_PIXELS)


def ways(before: np.ndarray, luma: np.ndarray, finest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the motion from a picture back to the one before, and forth, as the processor finds it."""
    motion = DenseMotion(*SIZE, reduction=1, finest=finest)
    codes, found = np.zeros((2, *SIZE), np.uint8), np.zeros((2, *SIZE, 2), np.float32)
    for picture, out in zip((before, luma), codes, strict=True):
        motion.reduce(np.ascontiguousarray(picture), out)
    motion.find(codes[1], codes[0], found[0])
    motion.find(codes[0], codes[1], found[1])
    back, forth = np.ascontiguousarray(found.transpose(0, 3, 1, 2))
    return back, forth
