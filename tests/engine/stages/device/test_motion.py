"""Motion on a device against the reference and against the processor's."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from engine.device.base import DeviceArray, Stream
from engine.device.operators import Operators, view
from engine.stages.dense_motion import FINEST_SCALE, DenseMotion
from engine.stages.device.motion import DeviceMotion
from engine.stages.steadiness import REFERENCE_SCALE
from kernels.reference.motion import find_motion
from tests.support.simulated_device import SimulatedDevice, SimulatedGraph


class _Sketch(SimulatedDevice):
    """A device without memory, on which nothing runs: it notes how many launches each recorded graph has."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[int] = []

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
        return DeviceArray(1 << 20, tuple(shape), np.dtype(dtype), None)

    def record_graph(self, stream: Stream, work: Callable[[], None]) -> SimulatedGraph:
        graph = super().record_graph(stream, work)
        self.recorded.append(len(graph.works))
        return graph


def _picture(shift: float, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A picture of blurred noise, moved to the right."""
    noise = np.random.default_rng(3).random((size[0] + 40, size[1] + 80), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    matrix = np.array([[1, 0, shift - 40], [0, 1, -20]], np.float32)
    return cv2.warpAffine(soft, matrix, (size[1], size[0]), flags=cv2.INTER_CUBIC).clip(0, 1)


def _upload(device: SimulatedDevice, operators: Operators, picture: np.ndarray):
    array = device.empty((1, *picture.shape), np.float32)
    device.upload(picture[None], array, operators.stream)
    return view(array)


def _found(device: SimulatedDevice, operators: Operators, motion: DeviceMotion) -> tuple[np.ndarray, np.ndarray]:
    result = [np.empty((2, *motion.size), np.float32) for _ in range(2)]
    for array, out in zip((motion.forward, motion.backward), result, strict=True):
        device.download(array, out, operators.stream)
    operators.stream.synchronize()
    return result[0], result[1]


def test_it_finds_what_the_reference_finds_and_a_replay_finds_the_same():
    device = SimulatedDevice()
    operators = Operators(device, device.stream())
    pictures = [_picture(shift) for shift in (0.0, 3.0, 1.0, 4.0)]
    motion = DeviceMotion(operators, 96, 128)
    motion.see(_upload(device, operators, pictures[0]))
    for before, newest in zip(pictures, pictures[1:], strict=False):
        motion.see(_upload(device, operators, newest))
        motion.find()
        forward, backward = _found(device, operators, motion)
        np.testing.assert_allclose(forward, find_motion(before, newest, *motion.size), atol=2e-3)
        np.testing.assert_allclose(backward, find_motion(newest, before, *motion.size), atol=2e-3)
    assert device.graph_launches == 3  # one per pair: all that is small was recorded when the finder was made


def test_it_finds_about_what_the_processor_finds():
    device = SimulatedDevice()
    operators = Operators(device, device.stream())
    first, second = _picture(0.0), _picture(3.0)
    motion = DeviceMotion(operators, 96, 128)
    for picture in (first, second):
        motion.see(_upload(device, operators, picture))
    motion.find()
    forward, _ = _found(device, operators, motion)
    host = DenseMotion(96, 128)
    codes = [np.empty(host.size, np.uint8) for _ in range(2)]
    for picture, out in zip((first, second), codes, strict=True):
        host.reduce(picture, out)
    flow = np.zeros((*host.size, 2), np.float32)
    host.find(*codes, flow)
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(flow[inner][..., 0] - 1.5).mean() < 0.1
    assert np.abs(forward[0][inner] - 1.5).mean() < 0.1
    assert np.abs(forward[0][inner] - flow[inner][..., 0]).mean() < 0.1


@pytest.mark.parametrize("size", [(48, 64), (33, 71)])
def test_small_and_odd_sizes(size):
    device = SimulatedDevice()
    operators = Operators(device, device.stream())
    motion = DeviceMotion(operators, *size)
    for shift in (0.0, 1.0):
        motion.see(_upload(device, operators, _picture(shift, size)))
    motion.find()
    forward, backward = _found(device, operators, motion)
    assert np.isfinite(forward).all()
    assert np.isfinite(backward).all()


@pytest.mark.parametrize(
    ("size", "reduction", "finest", "launches"),
    [
        ((1080, 1920), 2, FINEST_SCALE, 56),
        ((2160, 3840), 2, FINEST_SCALE, 70),
        ((4320, 7680), 2, FINEST_SCALE, 84),
        ((256, 336), 1, REFERENCE_SCALE, 42),
    ],
)
def test_launches_of_one_search_stay_few(size: tuple[int, int], reduction: int, finest: int, launches: int):
    device = _Sketch()
    DeviceMotion(Operators(device, device.stream()), *size, reduction, finest=finest)
    assert device.recorded == [launches, launches]  # one graph for each place of the newest picture


def test_the_largest_search_fits_what_a_gpu_launches():
    device = _Sketch()
    DeviceMotion(Operators(device, device.stream()), 4320, 8192, 1, finest=0)  # else: KernelError


def test_both_ways_are_those_that_each_alone_would_be():
    device = SimulatedDevice()
    operators = Operators(device, device.stream())
    there, back = DeviceMotion(operators, 64, 80), DeviceMotion(operators, 64, 80)
    first, second = (_upload(device, operators, _picture(shift, (64, 80))) for shift in (0.0, 2.0))
    for motion, pictures in ((there, (first, second)), (back, (second, first))):
        for picture in pictures:
            motion.see(picture)
        motion.find()
    forward, backward = _found(device, operators, there)
    assert np.abs(forward).max() > 0.5
    np.testing.assert_array_equal(forward, _found(device, operators, back)[1])
    np.testing.assert_array_equal(backward, _found(device, operators, back)[0])
