"""Two frames in flight through one stage: its streams, what ties them to one another, and whether two pay.

The rules are in `engine/device/README.md`, decision 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.device.base import Device, Event, Stream

GAIN = 1.1
"""Times as fast as one lane that two must be: less is within what such short rounds differ by from one opening to the
next, and the second session takes memory."""

WARM_UP_RUNS = 2
"""Of each lane before its time is taken: TensorRT records a run when its addresses come the second time."""

RUNS, ROUNDS = 4, 3
"""Runs of a round, and rounds each way, of which the best counts: a GPU that wakes up is slow in the first."""

LONGEST_RUN = 0.04
"""Seconds of a run from which two are not tried: it fills the device, and the proof would keep the film waiting."""

LEAST_FREE = 0.25
"""Share of the device's memory that a second lane must leave to the stages that open later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneChoice:
    """How many frames may be in flight through a stage at once.

    lanes : 1 or 2
    why : in words
    one_ms, two_ms : of a run in one lane, and in two taking turns; None: not measured
    """

    lanes: int
    why: str
    one_ms: float | None = None
    two_ms: float | None = None

    def __str__(self) -> str:
        """Return the choice in words."""
        measured = "" if self.two_ms is None else f"; {self.one_ms:.2f} ms a run in one, {self.two_ms:.2f} ms in two"
        return f"{self.lanes} {'lane' if self.lanes == 1 else 'lanes'}: {self.why}{measured}"


class Lanes:
    """The streams of one stage, of which every turn takes the next.

    Parameters
    ----------
    device : theirs
    stream : the first

    Attributes
    ----------
    streams : one or two
    at : number of the one whose turn it is
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self._device = device
        self.streams: tuple[Stream, ...] = (stream,)
        self.at = 0
        self._parted, self._joined = device.event(), device.event()
        self._is_parted = False

    @property
    def stream(self) -> Stream:
        """The one whose turn it is."""
        return self.streams[self.at]

    def widen(self) -> None:
        """Add a second stream; it begins behind what the first was given so far."""
        self.streams = (self.stream, self._device.stream())
        self.stream.record(self._joined)
        self._joined.wait(self.streams[1])

    def narrow(self) -> None:
        """Leave the first stream alone; the second has nothing more to do."""
        self.streams, self.at = self.streams[:1], 0

    def turn(self) -> None:
        """Let the next lane work, behind the shared part of what the other did."""
        if len(self.streams) == 1:
            return
        if not self._is_parted:
            self.stream.record(self._parted)
        self._is_parted = False
        self.at = 1 - self.at
        self._parted.wait(self.stream)

    def part(self) -> None:
        """Say that what this turn does to things that lanes share has been given."""
        if len(self.streams) > 1:
            self.stream.record(self._parted)
            self._is_parted = True

    def join(self) -> None:
        """Let the lane that works wait for all that the other was given; what it does until the next turn is shared."""
        self._is_parted = False
        if len(self.streams) > 1:
            self.streams[1 - self.at].record(self._joined)
            self._joined.wait(self.stream)


class Lane(Protocol):
    """What one frame at a time needs of a stage: a session, and memory that its runs read and write."""

    def try_run(self, stream: Stream) -> None:
        """Run the model once on whatever its memory holds; nobody looks at the result."""
        ...

    def close(self) -> None:
        """Close the session."""
        ...


def time_one(device: Device, lane: Lane, stream: Stream) -> float:
    """Return the seconds of a run; the host waits for it."""
    begin, end = device.event(timed=True), device.event(timed=True)
    for _ in range(WARM_UP_RUNS):
        lane.try_run(stream)
    stream.record(begin)
    lane.try_run(stream)
    stream.record(end)
    end.synchronize()
    return end.seconds_since(begin)


def time_lanes(device: Device, lanes: Sequence[Lane], streams: Sequence[Stream]) -> tuple[float, float]:
    """Return the seconds of a run in the first lane, and of a run where two lanes take turns.

    Both are the best of `ROUNDS`; the host waits once, at the end.
    """
    first, second = streams
    marks, tie = [device.event(timed=True) for _ in range(2 * ROUNDS + 1)], device.event()
    for _ in range(WARM_UP_RUNS):
        for lane, stream in zip(lanes, streams, strict=True):
            lane.try_run(stream)
    _meet(second, first, tie)
    first.record(marks[0])
    for mark in range(0, 2 * ROUNDS, 2):
        for _ in range(RUNS):
            lanes[0].try_run(first)
        first.record(marks[mark + 1])
        marks[mark + 1].wait(second)
        for number in range(RUNS):
            lanes[number % 2].try_run(streams[number % 2])
        _meet(second, first, tie)
        first.record(marks[mark + 2])
    marks[-1].synchronize()
    seconds = [end.seconds_since(begin) / RUNS for begin, end in zip(marks, marks[1:], strict=False)]
    return min(seconds[::2]), min(seconds[1::2])


def judge(device: Device, lanes: Sequence[Lane], streams: Sequence[Stream]) -> LaneChoice:
    """Say whether two lanes that are open are to stay.

    The caller closes the second one where they are not; nothing works on its memory any more.
    """
    one, two = time_lanes(device, lanes, streams)
    figures = {"one_ms": 1e3 * one, "two_ms": 1e3 * two}
    free, total = device.memory()
    if one < GAIN * two:
        return LaneChoice(lanes=1, why="two runs at once are hardly faster", **figures)
    if free < LEAST_FREE * total:
        return LaneChoice(lanes=1, why="a second session leaves too little memory", **figures)
    return LaneChoice(lanes=2, why="two runs at once are faster", **figures)


def _meet(behind: Stream, ahead: Stream, event: Event) -> None:
    """Let `ahead` wait for all that `behind` was given."""
    behind.record(event)
    event.wait(ahead)
