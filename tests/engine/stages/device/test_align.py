"""The aligner of a device has all its memory when it was made."""

import numpy as np
import pytest

from engine.device.operators import Operators, view
from engine.stages.device.align import DeviceAligner
from tests.support.simulated_device import SimulatedDevice


@pytest.mark.parametrize("has_chroma", [False, True])
def test_nothing_is_allocated_when_the_first_window_is_aligned(has_chroma: bool):
    device, (height, width) = SimulatedDevice(), (48, 64)
    operators = Operators(device, device.stream())
    aligner = DeviceAligner(operators, 1, 1, height, width, has_chroma=has_chroma)
    sizes = [(height, width), (height // 2, width // 2)][: 1 + has_chroma]
    noise = np.random.default_rng(1).random((1, height, width)).astype(np.float32)
    lumas = [view(operators.constant(np.roll(noise, step, 2))) for step in range(3)]
    half = [view(operators.zeros(1, *size)) for size in sizes[1:]]
    window = [[luma, *half] for luma in lumas]
    out = [[view(operators.zeros(1, *size)) for size in sizes] for _ in window]
    before = device.allocations
    for luma in lumas:
        aligner.append(luma)
    aligner.write(window, out)
    operators.stream.synchronize()
    assert device.allocations == before
