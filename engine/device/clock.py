"""How long a stage's work takes on the device, and when, by pairs of events that nobody waits for."""

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
    """Measures pieces of one stream's work. The numbers come a little late, when the events have come.

    A piece is made of stretches: while the stream waits for a buffer, the stage does not work.

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

    def start(self) -> None:
        """Lay the device's clock beside the host's, while the stream has nothing to do."""
        self._stream.record(self._anchor[0])
        self._anchor[0].synchronize()
        self._anchor_ns = time.perf_counter_ns()

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
            duration = _ns(sum(end.seconds_since(begin) for begin, end in piece.stretches))
            if piece.gave_frame:
                self._clock.add(duration)
            else:
                self._clock.add_idle(duration)
            if self._slices is not None:
                self._tell(piece, self._slices, duration)
            self._free.extend(piece.stretches)

    def _tell(self, piece: _Piece, slices: Ring, duration: int) -> None:
        """Put a piece into the trace: as long as the stream worked, and ending when it ended.

        The piece's beginning becomes the anchor, since CUDA tells long times coarsely.
        """
        first = piece.stretches[0]
        begin = self._anchor_ns + _ns(first[0].seconds_since(self._anchor[0]))
        end = begin + _ns(piece.stretches[-1][1].seconds_since(first[0]))
        slices.add(end - duration, end, *piece.row)
        piece.stretches[0], self._anchor, self._anchor_ns = self._anchor, first, begin

    def _stretch(self) -> Stretch:
        return self._device.event(timed=True), self._device.event(timed=True)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
