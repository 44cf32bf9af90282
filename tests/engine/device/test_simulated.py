"""The simulated device punishes what a GPU would punish now and then."""

import numpy as np
import pytest

from engine.device.base import DeviceArray
from engine.errors import BindingError, DeviceError, KernelError
from tests.support.simulated_device import SimulatedDevice

FLOW = np.zeros((2, 8, 32), np.float32)


def _warp(device: SimulatedDevice, source: DeviceArray, flow: DeviceArray, out: DeviceArray, stream) -> None:
    device.launch("warp_bilinear", "float32", (32, 8, 1), [source, flow, out, 32, 8, 1, 32, 256, 32, 256], stream)


def _run(device: SimulatedDevice, *, waits: bool) -> bool:
    """Upload on one stream, warp on a second; return whether the result is right."""
    picture = np.random.default_rng(0).random((1, 8, 32), np.float32)
    source, flow, out = (device.empty(shape, np.float32) for shape in (picture.shape, FLOW.shape, picture.shape))
    first, second = device.stream(), device.stream()
    event, result = device.event(), device.pinned(picture.shape, np.float32)
    device.upload(FLOW, flow, first)
    device.upload(picture, source, first)
    first.record(event)
    if waits:
        event.wait(second)
    _warp(device, source, flow, out, second)
    device.download(out, result, second)
    second.synchronize()
    return bool((result == picture).all())


def test_work_runs_in_the_order_that_events_give():
    assert all(_run(SimulatedDevice(seed=seed), waits=True) for seed in range(20))


def test_a_wait_that_is_missing_shows():
    assert not all(_run(SimulatedDevice(seed=seed), waits=False) for seed in range(20))


def test_two_streams_overlap_on_the_clock_and_one_does_not():
    device = SimulatedDevice()
    first, second = device.stream(), device.stream()
    for _ in range(10):
        device.submit(first, "a", lambda: None, 1000)
        device.submit(second, "b", lambda: None, 1000)
    first.synchronize()
    second.synchronize()
    assert max(piece.end_ns for piece in device.slices) == 10_000
    assert device.host_ns == 10_000


@pytest.mark.parametrize(("width", "at_once"), [(0.0, 3), (0.4, 2), (0.5, 2), (0.7, 1), (1.0, 1)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_work_runs_at_once_as_far_as_the_device_is_wide(width: float, at_once: int, seed: int):
    device = SimulatedDevice(seed=seed)
    streams = [device.stream() for _ in range(3)]
    for _ in range(10):
        for stream in streams:
            device.submit(stream, "work", lambda: None, 1000, width=width)
    for stream in streams:
        stream.synchronize()
    uneven = 5_000 * (at_once == 2)  # one of three streams may be left for last
    assert 30_000 / at_once <= max(piece.end_ns for piece in device.slices) <= 30_000 / at_once + uneven
    for piece in device.slices:
        assert sum(other.start_ns <= piece.start_ns < other.end_ns for other in device.slices) <= at_once
    for stream in streams:
        own = [piece for piece in device.slices if piece.stream == stream.handle]
        assert all(later.start_ns >= earlier.end_ns for earlier, later in zip(own, own[1:], strict=False))


def test_a_graph_runs_what_was_recorded_and_only_when_launched():
    device, runs = SimulatedDevice(), []
    stream = device.stream()
    graph = device.record_graph(stream, lambda: device.submit(stream, "work", lambda: runs.append(1), 10) and None)
    stream.synchronize()
    assert runs == []
    graph.launch(stream)
    graph.launch(stream)
    stream.synchronize()
    assert runs == [1, 1]


def test_waits_that_no_work_has_followed_are_kept():
    device, runs = SimulatedDevice(), []
    first, second, event = device.stream(), device.stream(), device.event()
    device.submit(first, "work", lambda: runs.append(1), 10)
    first.record(event)
    event.wait(second)
    second.synchronize()
    assert runs == [1]


def test_a_wait_before_a_recording_belongs_to_the_stream():
    device, runs = SimulatedDevice(), []
    first, second, event = device.stream(), device.stream(), device.event()
    device.submit(first, "work", lambda: runs.append(1), 10)
    first.record(event)
    event.wait(second)
    device.record_graph(second, lambda: None)
    second.synchronize()
    assert runs == [1]


def test_the_host_must_not_wait_while_a_graph_is_recorded():
    device = SimulatedDevice()
    stream = device.stream()
    with pytest.raises(DeviceError, match="recorded"):
        device.record_graph(stream, stream.synchronize)


def test_a_failure_is_told_to_whoever_waits_next():
    device = SimulatedDevice()
    device.fail_on = ("upload", 1)
    stream, array = device.stream(), device.empty((4,), np.float32)
    device.upload(np.zeros(4, np.float32), array, stream)
    stream.synchronize()
    device.upload(np.zeros(4, np.float32), array, stream)
    with pytest.raises(DeviceError, match="upload failed"):
        stream.synchronize()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "got 0 arguments; wanted picture"),
        ([1] * 10, "picture got 1; wanted device memory of float32"),
        ([None, None, None, 1.5, 1, 1, 1, 1, 1, 1], "width got 1.5; wanted int"),
    ],
)
def test_arguments_that_do_not_fit_a_kernel_are_refused(arguments, said):
    device = SimulatedDevice()
    with pytest.raises(BindingError, match=said):
        device.launch("warp_bilinear", "float32", (1, 1, 1), arguments, device.stream())


def test_more_blocks_than_a_gpu_launches_are_refused():
    device = SimulatedDevice()
    planes = [device.empty((1, 1), np.float32)] * 3
    with pytest.raises(KernelError, match=r"kernel warp_bilinear: 1 x 1 x 65536 blocks .*: reduce it first"):
        device.launch("warp_bilinear", "float32", (1, 1, 65536), [*planes, *[1] * 7], device.stream())


def test_memory_of_another_type_is_refused():
    device = SimulatedDevice()
    wrong = device.empty((1, 1), np.float16)
    with pytest.raises(BindingError, match="picture got float16"):
        device.launch("warp_bilinear", "float32", (1, 1, 1), [wrong] * 3 + [1] * 7, device.stream())
