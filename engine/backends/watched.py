"""A backend around another one that notes when its models run."""

import time
from collections.abc import Mapping
from typing import Any

from engine.backends.base import Array, Backend, Profile, Session
from engine.device.base import DeviceArray, Stream
from engine.model import Model
from engine.trace import Trace, TracedModel


class WatchedBackend(Backend):
    """Runs models with another backend and keeps each run in a trace.

    Runs on a device are not kept: the host knows when it asked for one, not when it was done.

    Parameters
    ----------
    inner : does the work
    trace : keeps the runs
    """

    def __init__(self, inner: Backend, trace: Trace) -> None:
        self.name, self.device, self.int8_form = inner.name, inner.device, inner.int8_form
        self._inner, self._trace = inner, trace

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Make a model ready with the other backend."""
        session = self._inner.open(model, profile, threads)
        if session.device is not None:
            return session
        opened = TracedModel(name=model.card.name, sha256=model.sha256, shapes=dict(profile.shapes), threads=threads)
        self._trace.models.append(opened)
        return _WatchedSession(session, profile, self._trace, len(self._trace.models) - 1)


class _WatchedSession(Session):
    def __init__(self, inner: Session, profile: Profile, trace: Trace, number: int) -> None:
        super().__init__(inner.model, profile, inner.output_shapes, device=inner.device, dtypes=inner.dtypes)
        self._inner, self._trace, self._number = inner, trace, number

    def close(self) -> None:
        self._inner.close()

    def enqueue(
        self,
        inputs: Mapping[str, Array] | Mapping[str, DeviceArray],
        outputs: Mapping[str, Array] | Mapping[str, DeviceArray],
        cuda_stream: Stream | None = None,
    ) -> None:
        """Run; the session within checks what it is given."""
        start = time.perf_counter_ns()
        self._inner.enqueue(inputs, outputs, cuda_stream)
        self._trace.ran(self._number, start, time.perf_counter_ns())

    def _enqueue(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cuda_stream: Any) -> None:
        self._inner.enqueue(inputs, outputs, cuda_stream)
