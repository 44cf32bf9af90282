"""How long a stage's work takes, and when: piece by piece, each the making of one frame or of none."""

import time
from typing import Protocol

from engine.frame import Frame
from engine.timing import StageClock
from engine.trace import NONE, Ring


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
    """

    def __init__(self, clock: StageClock, slices: Ring | None = None) -> None:
        self._clock, self._slices = clock, slices
        self._began = 0

    def begin(self) -> int:
        """Let the next piece begin."""
        self._began = time.perf_counter_ns()
        return self._began

    def end(self, taken: int, frame: Frame | None, *, hands_on: bool = True) -> int:
        """End the piece."""
        ended = time.perf_counter_ns()
        if self._slices is not None:
            self._slices.add(self._began, ended, *slice_row(taken, self._clock.frames, frame, hands_on=hands_on))
        if frame is None:
            self._clock.add_idle(ended - self._began)
        else:
            self._clock.add(ended - self._began)
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
