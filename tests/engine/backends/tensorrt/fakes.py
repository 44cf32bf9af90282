"""Backends over the fake library, with plans that are there already."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Profile, Session
from engine.backends.tensorrt import ensure
from engine.backends.tensorrt.backend import TensorRtBackend
from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.library import Flavour, Library
from engine.backends.tensorrt.plans import PlanKey, write_plan
from engine.device.base import DeviceArray, Stream
from engine.model import Model
from tests.engine.backends.tensorrt.bindings import common, names
from tests.support.fake_tensorrt import FakeTensorRt
from tests.support.simulated_device import SimulatedDevice, host_view

ADA = Gpu(name="simulated", compute_capability=(8, 9), driver="CUDA 13.0")


@dataclass(slots=True)
class Bench:
    """A simulated GPU, the library on it, and its folder of plans.

    built : keys of the plans that were built
    """

    device: SimulatedDevice
    library: FakeTensorRt
    flavour: Flavour
    folder: Path
    built: list[PlanKey]

    def backend(self) -> TensorRtBackend:
        found = Library(module=self.library, name="tensorrt", flavour=self.flavour, version="10.3.0")
        return TensorRtBackend(self.device, library=found, gpu=ADA, folder=self.folder)

    def open(self, model: Model, shapes: dict[str, tuple[int, ...]]) -> Session:
        return self.backend().open(model, Profile(shapes), 1)


def make_bench(folder: Path, flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose builder writes the ONNX file as the engine."""
    device = SimulatedDevice(seed=3)
    offered = names("tensorrt-rtx-1.7") if flavour == "rtx" else common()
    bench = Bench(device, FakeTensorRt(device, offered, rtx=flavour == "rtx"), flavour, folder, [])

    def build(library: str, data: bytes, key: PlanKey, unfinished: Path, *others: object) -> None:
        bench.built.append(key)
        write_plan(unfinished, key, data, 0.1)

    monkeypatch.setattr(ensure, "run_build", build)
    return bench


def on_device(device: SimulatedDevice, array: np.ndarray, stream: Stream) -> DeviceArray:
    """Return a copy in the device's memory."""
    out = device.empty(array.shape, array.dtype)
    device.upload(array, out, stream)
    return out


def finish(device: SimulatedDevice, stream: Stream) -> None:
    """Wait for all that a stream was given, and for what it waits for itself."""
    event = device.event()
    stream.record(event)
    event.synchronize()


def leases(session: Session) -> dict[str, DeviceArray]:
    """Return arrays for a session's outputs."""
    assert session.device is not None
    return {name: session.device.empty(shape, session.dtypes[name]) for name, shape in session.output_shapes.items()}


def read(arrays: dict[str, DeviceArray]) -> dict[str, np.ndarray]:
    """Return what lies in simulated memory; whoever asks has waited."""
    return {name: host_view(array).copy() for name, array in arrays.items()}
