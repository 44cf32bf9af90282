"""How long a stage's work takes, and when: piece by piece, each the making of one frame or of none."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from engine.frame import Frame
from engine.timing import StageClock
from engine.trace import NONE, Ring

_thread = threading.local()


@contextmanager
def waiting() -> Generator[None]:
    """Wait for a device or a program within: the clock of this thread's stage, if the host's, stands still."""
    began = time.perf_counter_ns()
    try:
        yield
    finally:
        clock: HostClock | None = getattr(_thread, "clock", None)
        if clock is not None:
            clock.waited_ns += time.perf_counter_ns() - began


class WorkClock(Protocol):
    """Measures a stage's pieces of work one after another; `engine/device/clock.py` has the one for a device."""

    def begin(self) -> int:
        """Let the next piece begin; return when the host did, nanoseconds (`time.perf_counter_ns`)."""
        ...

    def end(self, taken: int, frame: Frame | None, *, hands_on: bool = True) -> int:
        """End the piece; return when the host did, nanoseconds.

        Parameters
        ----------
        taken : number of the frame that was worked on, or `NONE`
        frame : that came of it, if one did; it may have been released since
        hands_on : whether the frame goes on to another stage
        """
        ...


class HostClock:
    """Measures work that is done when the host has done it.

    Parameters
    ----------
    clock : takes the durations
    slices : takes when they were; None: nobody wants to know

    Attributes
    ----------
    waited_ns : how long the piece's thread has waited for a device, which is not work
    """

    def __init__(self, clock: StageClock, slices: Ring | None = None) -> None:
        self._clock, self._slices = clock, slices
        self._began = self.waited_ns = 0

    def begin(self) -> int:
        """Let the next piece begin."""
        _thread.clock, self.waited_ns = self, 0
        self._began = time.perf_counter_ns()
        return self._began

    def end(self, taken: int, frame: Frame | None, *, hands_on: bool = True) -> int:
        """End the piece; in the trace it ends when it ended, and is as long as there was work."""
        ended = time.perf_counter_ns()
        duration = ended - self._began - self.waited_ns
        if self._slices is not None:
            row = slice_row(taken, self._clock.frames, frame, hands_on=hands_on)
            self._slices.add(ended - duration, ended, *row)
        if frame is None:
            self._clock.add_idle(duration)
        else:
            self._clock.add(duration)
        return ended


def slice_row(taken: int, given: int, frame: Frame | None, *, hands_on: bool) -> tuple[int, int, int, int]:
    """Return what the trace keeps behind a piece's two times (`engine.trace.SLICE_FIELDS`).

    Parameters
    ----------
    taken, frame, hands_on : as `WorkClock.end` was given them
    given : frames that came of earlier pieces
    """
    if frame is None:
        return (taken, NONE, NONE, 0)
    return (taken, given if hands_on else NONE, frame.index, frame.first_ns)
