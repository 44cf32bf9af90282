"""The sessions of one stage's model, one for each thread count that was tried."""

import statistics
import time
from collections.abc import Mapping

from engine.backends.base import Array, Backend, Profile, Session
from engine.model import Model

WARM_UP_RUNS = 1
TIMED_RUNS = 3


class Sessions:
    """Opens a model for one profile, with as many threads as asked, and keeps what it opened.

    Parameters
    ----------
    model, backend : what to run on what
    profile : shapes of the model's inputs

    Attributes
    ----------
    current : the session in use; one thread until `use` says otherwise
    """

    def __init__(self, model: Model, backend: Backend, profile: Profile) -> None:
        self._model, self._backend, self._profile = model, backend, profile
        self._by_threads: dict[int, Session] = {}
        self.current = self._get(1)

    def use(self, threads: int) -> None:
        """Make the session with `threads` threads the current one and close the others."""
        self.current = self._get(threads)
        for count in [count for count in self._by_threads if count != threads]:
            self._by_threads.pop(count).close()

    def time(self, threads: int, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> float:
        """Return the median seconds of one run with `threads` threads."""
        session = self._get(threads)
        seconds: list[float] = []
        for run in range(WARM_UP_RUNS + TIMED_RUNS):
            start = time.perf_counter()
            session.enqueue(inputs, outputs)
            if run >= WARM_UP_RUNS:
                seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    def close(self) -> None:
        """Close every session."""
        for session in self._by_threads.values():
            session.close()
        self._by_threads.clear()

    def _get(self, threads: int) -> Session:
        if threads not in self._by_threads:
            self._by_threads[threads] = self._backend.open(self._model, self._profile, threads)
        return self._by_threads[threads]
