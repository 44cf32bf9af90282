import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from engine.backends.tensorrt import library as tensorrt_library
from engine.backends.tensorrt.device import Gpu
from engine.doctor import gpu as module
from engine.doctor.finding import Verdict
from engine.doctor.gpu import check_driver, check_nvml, check_tensorrt
from engine.errors import BuildError, NoDeviceError

RTX = Gpu(name="RTX 4070", compute_capability=(8, 9), driver="CUDA 13.0")


def nothing(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def test_no_driver_does_not_apply_a_driver_without_a_gpu_is_bad() -> None:
    assert [finding.verdict for finding in check_driver(lambda: None, nothing)] == [Verdict.NOT_APPLICABLE]
    assert [finding.verdict for finding in check_driver(lambda: None, lambda name: object())] == [Verdict.BAD]
    (found,) = check_driver(lambda: RTX)
    assert found.verdict is Verdict.GOOD
    assert "RTX 4070, compute capability 8.9" in found.detail

    def broken() -> Gpu:
        raise NoDeviceError("GPU: its driver answers with CUDA error 999; check it with nvidia-smi")

    (found,) = check_driver(broken)
    assert (found.verdict, "999" in found.detail) == (Verdict.BAD, True)


def nvml(degrees: int, code: int = 0) -> Any:
    def handle(index: int, device: Any) -> int:
        return 0

    def temperature(device: Any, sensor: int, out: Any) -> int:
        out._obj.value = degrees
        return 0

    def memory(device: Any, out: Any) -> int:
        out[0], out[1], out[2] = 12_000_000_000, 9_000_000_000, 3_000_000_000
        return 0

    return SimpleNamespace(
        nvmlInit_v2=lambda: code,
        nvmlShutdown=lambda: 0,
        nvmlDeviceGetHandleByIndex_v2=handle,
        nvmlDeviceGetTemperature=temperature,
        nvmlDeviceGetMemoryInfo=memory,
    )


def test_a_hot_gpu_and_a_broken_driver_are_bad() -> None:
    assert [finding.verdict for finding in check_nvml(nothing)] == [Verdict.NOT_APPLICABLE]
    (cool,) = check_nvml(lambda name: nvml(55))
    assert (cool.verdict, cool.detail) == (Verdict.GOOD, "55 °C, 9.0 of 12.0 GB free")
    assert [finding.verdict for finding in check_nvml(lambda name: nvml(93))] == [Verdict.BAD]
    assert [finding.verdict for finding in check_nvml(lambda name: nvml(55, code=18))] == [Verdict.BAD]
    assert ctypes.c_uint(3).value == 3


@pytest.fixture
def fake_rtx(monkeypatch: pytest.MonkeyPatch) -> None:
    library = tensorrt_library.Library(module=None, name="tensorrt_rtx", flavour="rtx", version="1.7.1")

    def find(flavour: str) -> tensorrt_library.Library:
        if flavour == "rtx":
            return library
        raise ImportError("libnvinfer.so.11: cannot open shared object file")

    monkeypatch.setattr(module, "find_library", find)


def test_a_library_that_builds_is_good_one_that_does_not_load_is_bad(
    fake_rtx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def builds(name: str, data: bytes, key: Any, unfinished: Any, *rest: Any) -> None:
        unfinished.write_bytes(bytes(4096))

    monkeypatch.setattr(module, "run_build", builds)
    found = {finding.subject: finding for finding in check_tensorrt(lambda: RTX)}
    assert found["TensorRT for RTX"].verdict is Verdict.GOOD
    assert "on RTX 4070" in found["TensorRT for RTX"].detail
    assert found["TensorRT"].verdict is Verdict.BAD
    assert "libnvinfer" in found["TensorRT"].detail


def test_a_library_that_builds_nothing_is_bad(fake_rtx: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise BuildError("model doctor: the child was killed")

    monkeypatch.setattr(module, "run_build", fails)
    found = {finding.subject: finding for finding in check_tensorrt(lambda: None)}
    assert found["TensorRT for RTX"].verdict is Verdict.BAD
    assert "was killed" in found["TensorRT for RTX"].detail
