"""What a model that judges motion is given on a device is what it is given on the processor."""

import cv2
import numpy as np
import pytest

from engine.device.operators import Operators, view
from engine.stages.device.given_motion import DeviceGivenMotion
from engine.stages.given_motion import GivenMotion
from tests.support.simulated_device import SimulatedDevice, host_view

HEIGHT, WIDTH = 96, 128


def shot(count: int) -> list[np.ndarray]:
    """Show a picture that moves to the right, faster and faster."""
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH + 160), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    wide = (soft - soft.min()) / (soft.max() - soft.min())
    places = [1.5 * t * t for t in range(count)]
    return [
        cv2.warpAffine(wide, np.array([[1, 0, place - 80], [0, 1, 0]]), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        for place in places
    ]


@pytest.mark.parametrize("is_even", [True, False])
@pytest.mark.parametrize(("count", "ends"), [(2, True), (3, True), (3, False), (5, False)])
def test_both_are_given_the_same(count: int, ends: bool, is_even: bool) -> None:
    device = SimulatedDevice()
    stream = device.stream()
    host = GivenMotion(HEIGHT, WIDTH)
    ours = DeviceGivenMotion(Operators(device, stream), HEIGHT, WIDTH)
    for motion in (host, ours):
        motion.clear()
    for picture in shot(count):
        array = np.clip(picture, 0, 1)
        host.append(array, is_even=is_even)
        ours.append(view(Operators(device, stream).constant(array[None])), is_even=is_even)
    if ends:
        host.finish()
        ours.finish()
    for timestep in (0.25, 0.5):
        host.aim(timestep)
        ours.aim(timestep)
        stream.synchronize()
        inner = np.s_[0, :, 3:-3, 4:-4]
        for found, wanted, tolerance in (
            (ours.motion, host.motion, 0.15),
            (ours.evidence, host.evidence, 0.03),
        ):
            difference = np.abs(host_view(found) - wanted)[inner]
            assert difference.mean((1, 2)).max() < tolerance
    assert np.any(host_view(ours.motion)[0, 4:6]) == (count > (2 if ends else 3) and is_even)
    assert np.any(host_view(ours.motion)[0, 6:]) == (not ends and is_even)
