"""What the device does with the motion between two pictures is what the interpolate stage does on the processor."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.stages import motion_check, motion_field
from engine.stages.bisection import FAINT, MotionComposer
from engine.stages.device import motion_check as on_device
from engine.stages.flow_model import FlowModel
from engine.stages.motion_check import CHECK_REDUCTION, Differences, MotionCheck, Verdict
from engine.stages.motion_field import CoarseLook
from kernels.catalogue import catalogue
from kernels.reference import between
from kernels.reference.resize import area, resized
from tests.support.published_like import measuring_interpolator

BOUNDS = between.Bounds(
    doubtful=motion_field.DOUBTFUL,
    better=motion_field.BETTER,
    strangers=motion_check.STRANGERS,
    noise=motion_check.NOISE,
    margin=motion_check.MARGIN,
)


def scene(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    return (soft - soft.min()) / (soft.max() - soft.min())


def some_motion(height: int, width: int) -> np.ndarray:
    motion = np.stack([scene(number, height, width) for number in range(5)])
    motion[:4] = (motion[:4] - 0.5) * 12
    return motion


@pytest.mark.parametrize(("grid", "divisor"), [((96, 128), 1), ((24, 32), 1), ((12, 16), 1), ((48, 64), 2)])
def test_differences_are_those_by_which_motion_is_judged(grid: tuple[int, int], divisor: int):
    pictures, motion = [scene(seed, 96, 128) for seed in (1, 2)], some_motion(*grid)
    check = MotionCheck(96, 128, 1.0)
    for picture in pictures:
        check.see(picture)
    enlarged = motion.copy()
    enlarged[:4] *= divisor
    expected = check.differences(enlarged)
    small = resized(np.stack(pictures), 24, 32, area)
    change = between.between_change(small[0], small[1], [motion], divisor / CHECK_REDUCTION)
    spreads = between.between_spread(change, between.block_sums(change), 3)
    stood, moved = spreads.sum(1) / change[0].size
    assert (moved, stood) == pytest.approx((expected.moved, expected.stood), abs=1e-5)


@pytest.mark.parametrize("moved", [0.0, 0.003, 0.02, 0.1, 0.13, 0.3])
@pytest.mark.parametrize("stood", [0.0, 0.003, 0.02, 0.1, 0.13, 0.3])
def test_verdicts_are_the_processors(moved: float, stood: float):
    decision = np.zeros(5, np.int32)
    made = between.between_decide(np.array([[stood], [moved]], np.float32), decision, 1.0, BOUNDS, is_first=True)
    verdict = on_device.VERDICTS[made[between.VERDICT]]
    assert verdict is Differences(moved=moved, stood=stood).verdict
    counts = dict(zip(on_device.VERDICTS, made[on_device.COUNTS :].tolist(), strict=True))
    assert counts == {each: int(each is verdict) for each in Verdict}


def test_motion_found_at_half_the_size_is_enlarged_as_on_the_processor(tmp_path: Path):
    model, backend = measuring_interpolator(tmp_path), OnnxRuntimeBackend()
    fine = FlowModel(model, backend, (96, 160))
    look = CoarseLook(model, backend, fine)
    found = some_motion(64, 96)  # a half of 96 x 160, padded to what the model takes
    look._find_half.find = lambda timestep, out: np.copyto(out, found)
    expected = np.empty(fine.shape, np.float32)
    look.find(0.5, expected)
    np.testing.assert_allclose(between.between_enlarge(found[:4], found[4:], 2, 96, 160, 1.0), expected, atol=1e-5)


@pytest.mark.parametrize("made", [(False, False), (True, False), (False, True), (True, True)])
def test_motion_is_composed_as_on_the_processor(made: tuple[bool, bool]):
    step, left, right = (some_motion(40, 56) for _ in range(3))
    ends = [motion if is_made else None for motion, is_made in zip((left, right), made, strict=True)]
    expected = np.empty_like(step)
    MotionComposer(step.shape, 4).compose(step, ends[0], ends[1], expected)
    composed = between.between_compose(step[:4], step[4:], ends[0], ends[1], 1 / 4, FAINT)
    np.testing.assert_allclose(composed, expected, atol=1e-3)


def test_blocks_of_threads_are_those_that_the_device_counts():
    blocks = catalogue()["between_change"].block
    assert blocks == (on_device.BLOCK_WIDTH, on_device.BLOCK_HEIGHT, 1)
    assert blocks[1::-1] == between.BLOCK
    assert catalogue()["between_spread"].block == (on_device.THREADS, 1, 1)
