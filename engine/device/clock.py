"""How long a stage's work takes on the device, and when, by pairs of events that nobody waits for."""

import math
import time
from collections import deque
from dataclasses import dataclass, field

from engine.device.base import Device, Event, Stream
from engine.frame import Frame
from engine.timing import StageClock
from engine.trace import NONE, Ring
from engine.work_clock import slice_row

Stretch = tuple[Event, Event]


@dataclass(slots=True, eq=False)
class _Piece:
    """One piece of a stage's work.

    stretches : in which the stream worked
    gave_frame : whether a frame came of it
    row : what the trace keeps behind the two times (`engine.trace.SLICE_FIELDS`)
    """

    stretches: list[Stretch] = field(default_factory=list[Stretch])
    gave_frame: bool = False
    row: tuple[int, int, int, int] = (NONE, NONE, NONE, 0)


class DeviceClock:
    """Measures pieces of one stage's work. The numbers come a little late, when the events have come.

    A piece is made of stretches: while the stream waits for a buffer, the stage does not work. Pieces of a stage that
    works in two streams overlap: each lasts as long as it does in its own, and what the stage worked in all counts
    every moment once.

    Parameters
    ----------
    device, stream : whose work
    clock : takes the durations
    slices : takes when they were, on the host's clock; None: nobody wants to know
    """

    def __init__(self, device: Device, stream: Stream, clock: StageClock, slices: Ring | None = None) -> None:
        self._device, self._stream, self._clock, self._slices = device, stream, clock, slices
        self._free: list[Stretch] = []
        self._open: deque[_Piece] = deque()
        self._piece = _Piece()
        self._given = 0
        self._anchor: Stretch = self._stretch()
        self._anchor_ns = 0
        self._reached = -math.inf  # until when work was counted, seconds after the anchor; before any: ever

    def start(self) -> None:
        """Lay the device's clock beside the host's, while the stream has nothing to do."""
        self._stream.record(self._anchor[0])
        self._anchor[0].synchronize()
        self._anchor_ns = time.perf_counter_ns()

    def turn(self, stream: Stream) -> None:
        """Measure in another of the stage's streams from the next piece on."""
        self._stream = stream

    def begin(self) -> int:
        """Let the next piece begin where the stream is now; return the host's time, nanoseconds."""
        began = time.perf_counter_ns()
        self.collect()
        self._piece = _Piece()
        self.go_on()
        return began

    def pause(self) -> None:
        """End a stretch of the piece: what follows in the stream is waiting."""
        self._stream.record(self._piece.stretches[-1][1])

    def go_on(self) -> None:
        """Begin a stretch: the stream works again."""
        stretch = self._free.pop() if self._free else self._stretch()
        self._stream.record(stretch[0])
        self._piece.stretches.append(stretch)

    def end(self, taken: int, frame: Frame | None, *, hands_on: bool = True) -> int:
        """End the piece; parameters are those of `WorkClock.end`."""
        self.pause()
        self._piece.row = slice_row(taken, self._given, frame, hands_on=hands_on)
        self._piece.gave_frame = frame is not None
        self._given += self._piece.gave_frame
        self._open.append(self._piece)
        return time.perf_counter_ns()

    def collect(self) -> None:
        """Count the pieces that are done."""
        while self._open and self._open[0].stretches[-1][1].has_come:
            piece = self._open.popleft()
            first, lasted, worked = piece.stretches[0], 0.0, 0.0
            if self._slices is not None or self._reached > -math.inf:
                self._move_anchor(first[0])
            for begin, end in piece.stretches:
                start, stop = begin.seconds_since(first[0]), end.seconds_since(first[0])
                lasted += stop - start
                worked += max(0.0, stop - max(start, self._reached))
                self._reached = max(self._reached, stop)
            if piece.gave_frame:
                self._clock.add(_ns(lasted), _ns(worked))
            else:
                self._clock.add_idle(_ns(worked))
            if self._slices is not None:
                end_ns = self._anchor_ns + _ns(piece.stretches[-1][1].seconds_since(first[0]))
                self._slices.add(end_ns - _ns(worked), end_ns, *piece.row)
            piece.stretches[0], self._anchor = self._anchor, first
            self._free.extend(piece.stretches)

    def _move_anchor(self, event: Event) -> None:
        """Reckon from an event on, the beginning of a piece, since CUDA tells long times coarsely."""
        moved = event.seconds_since(self._anchor[0])
        self._anchor_ns += _ns(moved)
        self._reached -= moved

    def _stretch(self) -> Stretch:
        return self._device.event(timed=True), self._device.event(timed=True)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
