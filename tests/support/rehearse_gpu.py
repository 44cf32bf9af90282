"""A plugin of pytest: tests that need a GPU run on the simulated device, so that what they ask can be asked at all."""

from typing import Any

import engine.backends.onnxruntime_cuda
import engine.backends.tensorrt.backend
import engine.chain
import engine.device.cuda
from engine.backends.base import Backend
from engine.device.base import Device
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice


def _device(*_: Any, **__: Any) -> Device:
    return SimulatedDevice()


def _backend(device: Device, **_: Any) -> Backend:
    return SimulatedBackend(device)


engine.device.cuda.open_device = _device
engine.chain.open_backend = lambda settings: SimulatedBackend(SimulatedDevice())
engine.backends.tensorrt.backend.TensorRtBackend = _backend
engine.backends.onnxruntime_cuda.CudaBackend = _backend
