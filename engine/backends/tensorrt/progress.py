"""How far a build is: one share made of the library's nested phases."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[float, str], None]
"""Takes the share that is done, 0 to 1, and the phase; the share never falls."""


@dataclass(slots=True)
class _Phase:
    parent: str
    steps: int
    done: int = 0


class PhaseTree:
    """Turns phases that start, step and finish into one share.

    Every step of a phase counts the same, and what runs within a phase is part of its current step. The library calls
    from several threads.

    Parameters
    ----------
    report : called after each change
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase of so many steps within another."""
        with self._lock:
            self._phases[name] = _Phase(parent=parent or "", steps=max(1, steps))
            self._tell(name)

    def step(self, name: str, step: int) -> None:
        """Note that a step, counted from 0, is done."""
        with self._lock:
            phase = self._phases.get(name)
            if phase is not None:
                phase.done = min(phase.steps, max(phase.done, step + 1))
                self._tell(name)

    def finish(self, name: str) -> None:
        """End a phase."""
        with self._lock:
            self._phases.pop(name, None)

    def _tell(self, name: str) -> None:
        tops = [key for key, phase in self._phases.items() if phase.parent not in self._phases]
        if tops:
            self._share = max(self._share, min(1.0, self._portion(tops[0])))
        self._report(self._share, name)

    def _portion(self, name: str) -> float:
        phase = self._phases[name]
        within = [self._portion(key) for key, child in self._phases.items() if child.parent == name and key != name]
        return min(1.0, (phase.done + max(within, default=0.0)) / phase.steps)
