"""What a device decides about motion, decided as the processor does, stands for the pair of pictures."""

import numpy as np
import pytest

from engine.device.operators import Operators, view
from engine.stages.device.motion_check import DeviceMotionCheck
from engine.stages.motion_check import MotionCheck, Verdict
from tests.support.simulated_device import SimulatedDevice, host_view

HEIGHT, WIDTH = 96, 128


def picture(shift: float) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return (0.5 + 0.3 * np.sin((x - shift) / 9) + 0.15 * np.cos(y / 9))[None]


def pan(distance: float, cell: int = 4) -> np.ndarray:
    """Return motion (5, h, w) from the middle of two pictures, of which the second is moved to the right."""
    motion = np.zeros((5, HEIGHT // cell, WIDTH // cell), np.float32)
    motion[0], motion[2], motion[4] = -distance / 2, distance / 2, 0.5
    return motion


class Check:
    """A check on a simulated device, two pictures seen."""

    def __init__(self, *shifts: float, looks_twice: bool = True) -> None:
        self.device = SimulatedDevice()
        self.stream = self.device.stream()
        self._operators = Operators(self.device, self.stream)
        self._check = DeviceMotionCheck(
            self._operators, HEIGHT, WIDTH, 1.0, divisor=1, looks_twice=looks_twice, doubtful=0.05, better=0.95
        )
        for shift in shifts:
            self.see(shift)

    def see(self, shift: float) -> None:
        self._check.see(view(self._operators.constant(picture(shift))))

    def decide(self, found: float, again: float, *, is_new_pair: bool) -> tuple[Verdict, int]:
        """Return what was decided and which motion serves, for motion that is thought to be so far."""
        flow, second = (self._operators.constant(pan(distance)) for distance in (found, again))
        whole = view(flow)
        self._check.decide(whole.part(0, 4), second, is_new_pair=is_new_pair)
        self.stream.synchronize()
        verdict, source = host_view(self._check.decision)[:2].tolist()
        return (Verdict.FOLLOW, Verdict.CROSS_FADE, Verdict.HOLD)[verdict], source

    @property
    def verdicts(self) -> dict[Verdict, int]:
        return dict(self._check.verdicts)


@pytest.mark.parametrize("found", [0.0, 8.0, 16.0, 30.0, 60.0])
@pytest.mark.parametrize("shift", [0.5, 8.0, 16.0, 28.0])
def test_motion_is_judged_as_on_the_processor(shift: float, found: float):
    on_host = MotionCheck(HEIGHT, WIDTH, 1.0)
    for each in (0.0, shift):
        on_host.see(picture(each)[0])
    verdict, _ = Check(0.0, shift, looks_twice=False).decide(found, 0.0, is_new_pair=True)
    assert verdict is on_host.differences(pan(found)).verdict


def test_which_motion_serves_is_decided_once_for_a_pair():
    check = Check(0.0, 20.0)
    assert check.decide(8.0, 20.0, is_new_pair=True) == (Verdict.FOLLOW, 1)
    assert check.decide(20.0, 80.0, is_new_pair=False)[1] == 1  # though the first would serve this moment better
    check.see(28.0)
    assert check.decide(8.0, 7.9, is_new_pair=True) == (Verdict.FOLLOW, 0)  # explains the picture: no doubt
    assert check.decide(20.0, 8.0, is_new_pair=False)[1] == 0
    check.see(48.0)
    assert check.decide(8.0, 8.2, is_new_pair=True)[1] == 0  # in doubt, but hardly better


def test_decisions_are_counted_without_waiting():
    check = Check(0.0, 8.0)
    assert check.verdicts == {}
    for _ in range(3):
        check.decide(8.0, 8.0, is_new_pair=True)
    check.decide(60.0, 60.0, is_new_pair=True)
    assert sum(check.verdicts.values()) == 4
    assert check.verdicts[Verdict.FOLLOW] == 3
