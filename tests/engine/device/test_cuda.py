"""The one module that talks to CUDA, over a stand-in that has just what the real libraries have."""

import inspect
import sys
import threading
from typing import Any

import numpy as np
import pytest

import engine.device.cuda as cuda_module
from engine.backends.tensorrt.device import current_gpu
from engine.device.cuda import CudaDevice, open_device
from engine.device.operators import Operators
from engine.errors import (
    BindingError,
    BuildError,
    DeviceError,
    DeviceMemoryError,
    InternalError,
    KernelError,
    NoDeviceError,
)
from kernels.compiler import CompileError
from tests.support import fake_cuda


def _warp_arguments(device: CudaDevice, stream: Any) -> tuple[np.ndarray, list[Any]]:
    picture = np.random.default_rng(0).random((1, 8, 32), np.float32)
    source, out = device.empty(picture.shape, np.float32), device.empty(picture.shape, np.float32)
    flow = device.empty((2, 8, 32), np.float32)
    device.upload(np.zeros((2, 8, 32), np.float32), flow, stream)
    device.upload(picture, source, stream)
    return picture, [source, flow, out, 32, 8, 1, 32, 256, 32, 256]


def test_a_picture_goes_up_through_a_kernel_and_down(device):
    stream = device.stream()
    device.prepare(["warp_bilinear"], "float32")
    picture, arguments = _warp_arguments(device, stream)
    device.launch("warp_bilinear", "float32", (32, 8, 1), arguments, stream)
    result = device.pinned(picture.shape, np.float32)
    device.download(arguments[2], result, stream)
    stream.synchronize()
    assert (result == picture).all()
    copy = device.empty(picture.shape, np.float32)
    device.copy(arguments[2], copy, stream)
    device.download(copy, result, stream)
    assert (result == picture).all()


def test_memory_is_cleared(device):
    stream, result = device.stream(), np.ones(4, np.float32)
    array = device.empty((4,), np.float32)
    device.upload(result, array, stream)
    device.clear(array, stream)
    device.download(array, result, stream)
    assert not result.any()


def test_what_is_recorded_runs_when_launched(device):
    stream = device.stream()
    picture, arguments = _warp_arguments(device, stream)
    result = device.pinned(picture.shape, np.float32)
    graph = device.record_graph(
        stream, lambda: device.launch("warp_bilinear", "float32", (32, 8, 1), arguments, stream)
    )
    device.download(arguments[2], result, stream)
    assert not result.any()
    graph.launch(stream)
    device.download(arguments[2], result, stream)
    assert (result == picture).all()


def test_a_recording_that_fails_ends_and_tells(device):
    stream = device.stream()
    with pytest.raises(DeviceError, match="stream: CUDA: CUDA_ERROR_STREAM_CAPTURE"):
        device.record_graph(stream, stream.synchronize)
    stream.synchronize()  # no longer captured


@pytest.mark.parametrize("work", ["fails", "passes"])
def test_a_recording_that_cannot_be_ended_is_closed_all_the_same(device, monkeypatch, work):
    closed: list[fake_cuda.GraphBuilder] = []

    def end(builder: fake_cuda.GraphBuilder) -> None:
        raise fake_cuda.CudaError("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED: the end")

    monkeypatch.setattr(fake_cuda.GraphBuilder, "end_building", end)
    monkeypatch.setattr(fake_cuda.GraphBuilder, "close", lambda builder: closed.append(builder))
    stream = device.stream()
    with pytest.raises(DeviceError, match="UNSUPPORTED" if work == "fails" else "INVALIDATED"):
        device.record_graph(stream, stream.synchronize if work == "fails" else lambda: None)
    assert len(closed) == 1


def test_page_locked_memory_outlives_the_object_that_made_it(device):
    array = device.pinned((3, 5), np.float32)
    array[:] = 7
    view = array[1:]
    del array
    assert (view == 7).all()
    assert view.shape == (2, 5)


@pytest.mark.parametrize("which", ["1", "0000-1", "GPU-0000-1"])
def test_a_gpu_is_found_by_number_and_by_uuid(device, which):
    assert open_device(which).name == "fake 1"


def test_a_gpu_that_is_not_there_is_told_with_those_that_are(device):
    with pytest.raises(NoDeviceError, match=r"GPU 7: not there; there are: 0: fake 0, GPU-0000-0; 1: fake 1"):
        open_device("7")


def test_without_a_driver_there_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.delitem(sys.modules, "cuda.core", raising=False)
    pytest.importorskip("cuda.core", reason="cuda-core comes with the extra gpu or rtx")
    if current_gpu() is not None:
        pytest.skip("this machine has a GPU")
    with pytest.raises(NoDeviceError, match=r"CUDA does not start: .*nvidia-smi"):
        open_device("0")


@pytest.mark.parametrize("pooled", [True, False])
def test_memory_that_is_not_there_is_a_memory_error(device, pooled):
    with pytest.raises(DeviceMemoryError, match="OUT_OF_MEMORY.*smaller picture"):
        device.empty((1 << 21,), np.float32, pooled=pooled)


def test_memory_of_no_pool_is_freed_with_its_last_array(device):
    array = device.empty((4, 5), np.float32, pooled=False)
    assert array.pointer in fake_cuda.PLAIN
    part = array.view(8, (2,))
    del array
    assert part.owner is not None
    assert fake_cuda.PLAIN
    del part
    assert not fake_cuda.PLAIN
    assert device.empty((4,), np.float32).pointer not in fake_cuda.PLAIN


def test_a_kernels_code_is_on_the_device_before_its_first_launch(device):
    fake_cuda.LOADED.clear()
    device.prepare(["warp_bilinear"], "float32")
    assert "warp_bilinear" in fake_cuda.LOADED


def test_memory_that_the_pool_holds_ready_counts_as_free(device, monkeypatch):
    assert device.memory() == (700 + 250 - 50, 1000)
    monkeypatch.setattr(fake_cuda.Device, "memory_resource", object())  # of a device without a pool
    assert device.memory() == (700, 1000)


def test_a_kernel_that_cannot_be_compiled_is_a_build_error(device, monkeypatch):
    def refuses(*given: Any, **options: Any) -> None:
        raise CompileError("kernels: warp.cu for sm_86: no")

    monkeypatch.setattr(cuda_module, "compile_source", refuses)
    with pytest.raises(BuildError, match="sm_86: no"):
        device.prepare(["warp_bilinear"], "float32")


def test_more_blocks_than_a_gpu_launches_are_refused(device):
    stream = device.stream()
    _, arguments = _warp_arguments(device, stream)
    with pytest.raises(KernelError, match="kernel warp_bilinear: 1 x 1 x 65536 blocks"):
        device.launch("warp_bilinear", "float32", (32, 8, 65536), arguments, stream)


def test_what_a_launch_over_a_domain_needs_is_made_once(device, monkeypatch):
    stream, made = device.stream(), []
    make = device._core.LaunchConfig
    monkeypatch.setattr(device._core, "LaunchConfig", lambda **given: made.append(given["grid"]) or make(**given))
    _, arguments = _warp_arguments(device, stream)
    for domain in ((32, 8, 1), (32, 8, 1), (20, 8, 1), (64, 8, 1), (64, 8, 1)):
        device.launch("warp_bilinear", "float32", domain, arguments, stream)
    assert made == [(1, 1, 1), (1, 1, 1), (2, 1, 1)]
    for _ in range(2):  # what is refused is refused again
        with pytest.raises(KernelError, match="65536 blocks"):
            device.launch("warp_bilinear", "float32", (32, 8, 65536), arguments, stream)


@pytest.mark.parametrize(
    ("place", "given", "message"),
    [
        (0, 3, "picture got 3; wanted device memory of float32"),
        (3, 1.5, "width got 1.5; wanted int"),
        (3, "32", "width got '32'; wanted int"),
        (10, 7, "got 11 arguments; wanted picture, flow, out, width, "),
    ],
)
def test_arguments_that_do_not_fit_are_refused_behind_some_that_do(device, place, given, message):
    stream = device.stream()
    _, arguments = _warp_arguments(device, stream)
    device.launch("warp_bilinear", "float32", (32, 8, 1), arguments, stream)
    with pytest.raises(BindingError, match=f"kernel warp_bilinear: {message}"):
        device.launch(
            "warp_bilinear", "float32", (32, 8, 1), [*arguments[:place], given, *arguments[place + 1 :]], stream
        )
    wrong = device.empty((1, 8, 32), np.uint8)
    with pytest.raises(BindingError, match="flow got uint8; wanted device memory of float32"):
        device.launch("warp_bilinear", "float32", (32, 8, 1), [arguments[0], wrong, *arguments[2:]], stream)


def test_an_operator_names_arguments_that_are_missing_or_too_many(device):
    operators = Operators(device, device.stream())
    given = {"sums": device.empty((4,), np.float32), "mean": device.empty((1,), np.float32), "blocks": 4, "pixels": 9}
    for wrong, odd in (
        ({}, "'blocks', 'mean', 'pixels', 'sums'"),
        ({**given, "more": 1}, "'more'"),
        ({**{name: given[name] for name in ("sums", "mean", "blocks")}, "pixel": 9}, "'pixel', 'pixels'"),
    ):
        with pytest.raises(InternalError, match=rf"kernel mean_change: arguments \[{odd}\] are missing or too many"):
            operators.run("mean_change", (1024, 1, 1), **wrong)


def test_copies_of_two_sizes_and_streams_of_two_devices_are_refused(device):
    stream = device.stream()
    with pytest.raises(InternalError, match="copy of 16 bytes into 8"):
        device.upload(np.zeros(4, np.float32), device.empty((2,), np.float32), stream)
    with pytest.raises(BindingError, match="picture"):
        device.launch("warp_bilinear", "float32", (1, 1, 1), [1] * 10, stream)
    with pytest.raises(InternalError, match="another device"):
        stream.record(object())  # type: ignore[arg-type]


def test_urgent_streams_go_first_and_events_measure(device):
    assert device.stream(urgent=True).native.priority < device.stream().native.priority
    first, second = device.event(timed=True), device.event(timed=True)
    assert second.seconds_since(first) == 0.0025
    with pytest.raises(DeviceError, match="timing"):
        device.event().seconds_since(first)
    assert first.has_come


def test_the_context_is_made_current_once_in_each_thread(device):
    before = fake_cuda.Device.entered
    for _ in range(3):
        device.event()
    assert fake_cuda.Device.entered == before


def test_a_thread_that_only_gives_a_stream_work_has_the_context_too(device):
    stream, event = device.stream(), device.event()
    before = fake_cuda.Device.entered
    for work in (lambda: stream.record(event), lambda: event.wait(stream), stream.synchronize):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert fake_cuda.Device.entered == before + 3


def test_the_stand_in_has_nothing_that_the_real_library_lacks():
    core = pytest.importorskip("cuda.core", reason="cuda-core comes with the extra gpu or rtx")
    view = pytest.importorskip("cuda.core.utils").StridedMemoryView
    for name in (
        "from_any_interface",
        "from_buffer",
        "ptr",
        "shape",
        "dtype",
        "strides",
        "is_device_accessible",
        "device_id",
    ):
        assert hasattr(view, name), name
    pool = pytest.importorskip("cuda.core._memory._memory_pool")._MemPoolAttributes
    for name in ("reserved_mem_current", "used_mem_current"):
        assert hasattr(fake_cuda.MemPoolAttributes, name)
        assert hasattr(pool, name), name
    graph = pytest.importorskip("cuda.core.graph")
    driver = pytest.importorskip("cuda.bindings.driver")
    for name in vars(fake_cuda.fake_core({})):
        assert hasattr(core, name), name
    for name in vars(fake_cuda.fake_driver()):
        assert hasattr(driver, name), name
    assert hasattr(core.Kernel, "handle")
    ours = {"count", "captured", "waited", "give", "syncs", "memory", "entered"}
    for home, names in (
        (core, ("Device", "Stream", "Event", "Buffer", "DeviceMemoryResource", "ObjectCode")),
        (core, ("LegacyPinnedMemoryResource",)),
        (graph, ("GraphBuilder", "Graph")),
    ):
        for name in names:
            stand_in, real = getattr(fake_cuda, name), getattr(home, name)
            for member, value in vars(stand_in).items():
                if member.startswith("_") or member in ours:
                    continue
                assert hasattr(real, member), f"{name}.{member}"
                if inspect.isfunction(value):
                    wanted = set(inspect.signature(value).parameters) - {"self"}
                    assert wanted <= set(_parameters(real, member)), f"{name}.{member}"


def _parameters(real: Any, member: str) -> list[str]:
    function = getattr(real, member)
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        line = (function.__doc__ or "").splitlines()[0]
        return [part.split(":")[0].split("=")[0].strip().split(" ")[-1] for part in line.split("(", 1)[1].split(",")]


def test_options_that_are_given_exist():
    core = pytest.importorskip("cuda.core", reason="cuda-core comes with the extra gpu or rtx")
    core.StreamOptions(nonblocking=True, priority=cuda_module.URGENT)
    core.EventOptions(timing_enabled=True, blocking_sync=True)
    config = core.LaunchConfig(grid=(1, 2, 3), block=(32, 8, 1))
    assert (tuple(config.grid), tuple(config.block)) == ((1, 2, 3), (32, 8, 1))
