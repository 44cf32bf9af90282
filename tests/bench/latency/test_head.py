"""What stands above the figures."""

import pytest

import bench.latency.head as head_module
from bench.latency.head import head, head_lines
from engine.backends.tensorrt.device import Gpu
from engine.errors import NoDeviceError

GPU = Gpu(name="G", compute_capability=(9, 0), driver="CUDA 13.0, 580.1")


def test_libraries_for_gpus_are_named_where_they_are_installed(monkeypatch):
    installed = {"numpy": "2.0", "onnxruntime-gpu": "1.24", "tensorrt-rtx-cu13-bindings": "1.7", "cuda-core": "1.2"}
    installed |= {"cuda-bindings": "13.0", "nvidia-cuda-nvrtc": "13.1"}
    monkeypatch.setattr(head_module, "_version", installed.get)
    libraries = head([])["libraries"]
    assert installed.items() <= libraries.items()
    assert libraries["onnxruntime"] is None
    assert "tensorrt" not in libraries


def test_the_driver_is_named_where_there_is_one(monkeypatch):
    monkeypatch.setattr(head_module, "current_gpu", lambda: GPU)
    found = head([])
    assert found["machine"]["driver"] == "CUDA 13.0, 580.1"
    assert "CUDA 13.0, 580.1" in head_lines(found)[1]
    monkeypatch.setattr(head_module, "current_gpu", lambda: None)
    assert head([])["machine"]["driver"] is None
    assert "driver" not in head_lines(head([]))[1]


def test_a_driver_that_fails_is_told(monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise NoDeviceError("GPU: its driver answers with CUDA error 999")

    monkeypatch.setattr(head_module, "current_gpu", fail)
    assert "999" in head([])["machine"]["driver"]
