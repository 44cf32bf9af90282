"""What the device measures of a film is what the inspect stage measures, so that it decides the same."""

import cv2
import numpy as np
import pytest

from engine.stages import cuts
from engine.stages.device.looks import Measured
from engine.stages.repeats import DifferenceMeter
from kernels.catalogue import catalogue
from kernels.reference import inspect
from kernels.reference.resize import area, resized
from tests.kernels.conftest import HostBuild


def _film(seed: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 12 + 2, width // 12 + 2)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + 0.03 * rng.normal(size=picture.shape), 0, 1).astype(np.float32)


def _looked_at(picture: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture thinned, and of LOOK_SIZE, as `Inspect` makes them."""
    grain = np.ascontiguousarray(picture[::step, ::step])
    return grain, cv2.resize(grain, cuts.LOOK_SIZE[::-1], interpolation=cv2.INTER_AREA)


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the likeness that the stage decides on by what the device measures."""
    difference, one, other, matched = inspect.likeness(first, second)
    return cuts.likeness_of(Measured(difference, (one, other), matched))


PAIRS = {
    "neighbours": (_film(1, 240, 320), np.roll(_film(1, 240, 320), (3, -8), (0, 1))),
    "the same": (_film(2, 240, 320), _film(2, 240, 320)),
    "strangers": (_film(3, 241, 321), _film(4, 241, 321)),
    "other brightness": (_film(5, 187, 333), _film(5, 187, 333) * np.float32(0.8)),
    "a fade to black": (_film(6, 120, 160), np.full((120, 160), 0.02, np.float32)),
    "two greys": (np.full((120, 160), 0.2, np.float32), np.full((120, 160), 0.5, np.float32)),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("step", [1, 2])
def test_differences_are_those_by_which_repeats_are_judged(name: str, step: int):
    first, second = (_looked_at(picture, step)[0] for picture in PAIRS[name])
    expected = DifferenceMeter(*first.shape).compare(first, second)
    np.testing.assert_allclose(
        inspect.difference(first, second),
        (expected.mean, expected.peak, expected.steady_mean, expected.steady_peak),
        atol=2e-6,
    )


@pytest.mark.parametrize("name", PAIRS)
def test_likeness_is_that_by_which_cuts_are_judged(name: str):
    for first, second in (PAIRS[name], PAIRS[name][::-1]):
        looks = _looked_at(first, 1)[1], _looked_at(second, 1)[1]
        assert _likeness(*looks) == pytest.approx(cuts.likeness(*looks), abs=2e-5)


def test_the_small_picture_is_the_one_that_the_stage_makes():
    grain, small = _looked_at(_film(7, 243, 331), 2)
    np.testing.assert_allclose(resized(grain[None], *cuts.LOOK_SIZE, area)[0], small, atol=1e-6)


def test_the_launches_in_order_measure_what_the_reference_measures(host_kernels: HostBuild):
    first, second = PAIRS["other brightness"]
    launch = host_kernels("inspect", "float32").launch
    kernels = catalogue()
    height, width = -(-first.shape[0] // 2), -(-first.shape[1] // 2)
    thin = np.zeros((2, height, width), np.float32)
    for picture, target in zip((first, second), thin, strict=True):
        domain = (width, height, 1)
        launch(kernels["inspect_thin"], domain, [picture, target, first.shape[1], 2, width, height])
    found, level = [], np.zeros(1, np.float32)
    for _ in range(2):
        blocks, scores = np.zeros((2, 192), np.float32), np.zeros(3, np.float32)
        launch(kernels["inspect_blocks"], (64, 192, 1), [*thin, level, blocks, width, height])
        launch(kernels["inspect_difference"], (256, 1, 1), [blocks, scores])
        found += scores[:2].tolist()
        level = scores[2:].copy()
    np.testing.assert_allclose(found, inspect.difference(*thin), atol=1e-6)
    looks = [_looked_at(picture, 2)[1] for picture in (first, second)]
    spread, parts, likeness = np.zeros(3, np.float32), np.zeros((2, 12), np.float32), np.zeros(1, np.float32)
    launch(kernels["inspect_spread"], (256, 1, 1), [*looks, spread])
    launch(kernels["inspect_parts"], (512, 12, 1), [*looks, spread, parts])
    launch(kernels["inspect_likeness"], (32, 1, 1), [parts, likeness])
    np.testing.assert_allclose([*spread, *likeness], inspect.likeness(*looks), atol=1e-5)


def test_constants_are_those_of_the_stages():
    assert inspect.LOOK_SIZE == cuts.LOOK_SIZE
    assert (inspect.EDGE, inspect.SIDE, inspect.REACH) == (cuts.EDGE, cuts.BLOCK, cuts.REACH)
    assert inspect.TEXTURE_CAP == cuts.TEXTURE_CAP
