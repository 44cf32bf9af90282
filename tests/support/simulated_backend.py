"""Models on the simulated device: computed by ONNX Runtime on the processor, in the order and time of a stream.

As in TensorRT, a run works in memory of its session: runs of one session follow one another also across streams.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backends.base import Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.device.base import Event, Stream
from engine.model import Model
from tests.support.simulated_device import SimulatedDevice, host_view


class SimulatedSession(Session):
    def __init__(
        self, host: Session, model: Model, profile: Profile, device: SimulatedDevice, ns: int, width: float
    ) -> None:
        super().__init__(model, profile, host.output_shapes, device=device)
        self._host, self._simulated, self._ns, self._width = host, device, ns, width
        self._last: tuple[Stream, Event] | None = None
        self.runs = 0
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def _enqueue(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cuda_stream: Any) -> None:
        given, made = dict(inputs), dict(outputs)

        def run() -> None:
            taken = {name: np.array(host_view(array)) for name, array in given.items()}
            self._host.enqueue(taken, {name: host_view(array) for name, array in made.items()})

        self.runs += 1
        assert not self.is_closed
        if self._last is not None and self._last[0] is not cuda_stream:
            self._last[1].wait(cuda_stream)
        self._simulated.submit(cuda_stream, self.model.card.name, run, self._ns, width=self._width)
        done = self._simulated.event()
        cuda_stream.record(done)
        self._last = (cuda_stream, done)


class SimulatedBackend(Backend):
    """Models computed by `host`, ONNX Runtime if none is given."""

    name = "simulated"

    def __init__(
        self,
        device: SimulatedDevice,
        *,
        run_ns: int = 2_000_000,
        width: float = 0.0,
        host: Backend | None = None,
    ) -> None:
        self.device = self._simulated = device
        self._host, self._ns, self._width = host or OnnxRuntimeBackend(), run_ns, width
        self.sessions: list[SimulatedSession] = []

    def open(self, model: Model, profile: Profile, threads: int) -> SimulatedSession:
        host = self._host.open(model, profile, 1)
        session = SimulatedSession(host, model, profile, self._simulated, self._ns, self._width)
        self.sessions.append(session)
        return session
