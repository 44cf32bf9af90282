import sys

import numpy as np
import pytest

import engine.doctor.kernels as module
from engine.backends.tensorrt.device import Gpu
from engine.device.base import Device
from engine.doctor.finding import Verdict
from engine.doctor.kernels import check_kernels
from engine.errors import NoDeviceError
from kernels.compiler import CompileError
from tests.support.simulated_device import SimulatedDevice

RTX = Gpu(name="RTX 4070", compute_capability=(8, 9), driver="CUDA 13.0")


def test_without_a_gpu_kernels_are_compiled_and_not_run() -> None:
    pytest.importorskip("cuda.core", reason="cuda-core comes with the extra gpu or rtx")
    (found,) = check_kernels(lambda: None)
    assert (found.verdict, "sm_86" in found.detail) == (Verdict.GOOD, True)


def test_with_a_gpu_a_kernel_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compile_source", lambda *given: None)
    (found,) = check_kernels(lambda: RTX, SimulatedDevice)
    assert (found.verdict, found.detail) == (
        Verdict.GOOD,
        "compiled for sm_89 and run on simulated, with the right result",
    )


def test_a_wrong_result_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(SimulatedDevice):
        def download(self, source, out, stream):  # type: ignore[no-untyped-def]
            self.submit(stream, "download", lambda: np.copyto(out, 0.5), 10)

    monkeypatch.setattr(module, "compile_source", lambda *given: None)
    (found,) = check_kernels(lambda: RTX, Wrong)
    assert (found.verdict, "make gpu-check" in found.cure) == (Verdict.BAD, True)


def test_a_gpu_that_does_not_open_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> Device:
        raise NoDeviceError("GPU: CUDA does not start")

    monkeypatch.setattr(module, "compile_source", lambda *given: None)
    (found,) = check_kernels(lambda: RTX, refuses)
    assert (found.verdict, found.detail) == (Verdict.BAD, "GPU: CUDA does not start")


def test_a_compiler_that_is_missing_does_not_apply_and_one_that_fails_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    assert [found.verdict for found in check_kernels(lambda: None)] == [Verdict.NOT_APPLICABLE]

    def fails(*given: object) -> None:
        raise CompileError("kernels: resize.cu for sm_86: libnvrtc is broken\nmore")

    monkeypatch.setattr(module, "compile_source", fails)
    (found,) = check_kernels(lambda: None)
    assert (found.verdict, "libnvrtc is broken" in found.detail, "\n" in found.detail) == (Verdict.BAD, True, False)
