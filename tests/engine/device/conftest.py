"""A GPU of a stand-in for cuda-core."""

import sys

import pytest

import engine.device.cuda as cuda_module
from engine.device.cuda import CudaDevice, open_device
from kernels.host.build import build_source
from tests.support import fake_cuda


@pytest.fixture(scope="module")
def warp(tmp_path_factory: pytest.TempPathFactory):
    return {("warp", "float32"): build_source("warp", "float32", tmp_path_factory.mktemp("kernels"))}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, warp) -> CudaDevice:
    monkeypatch.setitem(sys.modules, "cuda.core", fake_cuda.fake_core(warp))
    monkeypatch.setitem(sys.modules, "cuda.core.utils", fake_cuda.fake_utils())
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", fake_cuda.fake_driver())
    monkeypatch.setattr(cuda_module, "compile_source", lambda *given, **options: fake_cuda.ObjectCode())
    monkeypatch.setattr(fake_cuda.CONTEXT, "current", 0)
    return open_device("0")
