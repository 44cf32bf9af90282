import numpy as np
import pytest

from engine.stages.dense_motion import DenseMotion
from tests.support.scenes import scene


@pytest.mark.parametrize("reduction", [1, 2])
def test_a_shift_is_found_at_full_and_at_half_size(reduction: int) -> None:
    motion = DenseMotion(120, 160, reduction)
    assert motion.size == (120 // reduction, 160 // reduction)
    first, second = (np.empty(motion.size, np.uint8) for _ in range(2))
    motion.reduce(scene(3, 4), first)
    motion.reduce(scene(3, 0), second)
    flow = np.empty((*motion.size, 2), np.float32)
    motion.find(first, second, flow)
    inside = flow[20 // reduction : -20 // reduction, 20 // reduction : -20 // reduction]
    assert np.median(inside[..., 0]) * motion.scale[0] == pytest.approx(4, abs=0.3)
    assert np.median(inside[..., 1]) == pytest.approx(0, abs=0.3)


def test_at_full_size_codes_are_those_of_the_picture_itself() -> None:
    luma = np.linspace(-0.1, 1.1, 64 * 96, dtype=np.float32).reshape(64, 96)
    codes = np.empty((64, 96), np.uint8)
    DenseMotion(64, 96, reduction=1).reduce(luma, codes)
    np.testing.assert_array_equal(codes, np.clip(luma * np.float32(255), 0, 255).astype(np.uint8))
