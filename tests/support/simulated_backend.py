"""Models on the simulated device: computed by ONNX Runtime on the processor, in the order and time of a stream."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backends.base import Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.model import Model
from tests.support.simulated_device import SimulatedDevice, host_view


class SimulatedSession(Session):
    def __init__(self, host: Session, model: Model, profile: Profile, device: SimulatedDevice, ns: int) -> None:
        super().__init__(model, profile, host.output_shapes, device=device)
        self._host, self._simulated, self._ns = host, device, ns
        self.runs = 0

    def _enqueue(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cuda_stream: Any) -> None:
        given, made = dict(inputs), dict(outputs)

        def run() -> None:
            taken = {name: np.array(host_view(array)) for name, array in given.items()}
            self._host.enqueue(taken, {name: host_view(array) for name, array in made.items()})

        self.runs += 1
        self._simulated.submit(cuda_stream, self.model.card.name, run, self._ns)


class SimulatedBackend(Backend):
    """Models computed by `host`, ONNX Runtime if none is given."""

    name = "simulated"

    def __init__(self, device: SimulatedDevice, *, run_ns: int = 2_000_000, host: Backend | None = None) -> None:
        self.device = self._simulated = device
        self._host, self._ns = host or OnnxRuntimeBackend(), run_ns
        self.sessions: list[SimulatedSession] = []

    def open(self, model: Model, profile: Profile, threads: int) -> SimulatedSession:
        session = SimulatedSession(self._host.open(model, profile, 1), model, profile, self._simulated, self._ns)
        self.sessions.append(session)
        return session
