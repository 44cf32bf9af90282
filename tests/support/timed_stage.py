"""A stage of known length, and a reader and a writer that take no time, for tests of the clock."""

import time
from collections.abc import Callable, Iterator, Sequence

from engine.frame import Frame
from engine.stages.base import Stage
from engine.types import FrameSpec
from tests.support.frames import Collector, ListReader

Spend = Callable[[int], None]
"""Spends nanoseconds."""


def sleep(length_ns: int) -> None:
    """Give the processor away."""
    time.sleep(length_ns / 1e9)


def spin(length_ns: int) -> None:
    """Keep the processor."""
    until = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + length_ns
    while time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) < until:
        pass


class VirtualClock:
    """Time that passes when it is spent, and a little whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        self.now += 100
        return self.now

    def spend(self, length_ns: int) -> None:
        self.now += length_ns


class TimedStage(Stage):
    """Takes a known time for each frame, by turns from a list, and notes by another clock how long it really was.

    Attributes
    ----------
    really_ns : by the hardware's own clock, which nothing corrects; of each frame
    """

    def __init__(self, lengths_ns: Sequence[int], spend: Spend, name: str = "timed") -> None:
        self.name = name
        super().__init__()
        self._lengths, self._spend = lengths_ns, spend
        self.really_ns: list[int] = []

    def open(self, incoming: FrameSpec) -> FrameSpec:
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        self._spend(self._lengths[len(self.really_ns) % len(self._lengths)])
        self.really_ns.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - began)
        yield frame


class SlowCollector(Collector):
    """A writer that makes the stage before it wait."""

    def __init__(self, length_ns: int) -> None:
        super().__init__()
        self._length_ns = length_ns

    def write(self, frame: Frame) -> None:
        time.sleep(self._length_ns / 1e9)
        super().write(frame)


class ClockedReader(ListReader):
    """Tells when each frame was read, by a clock of the test's own."""

    def __init__(self, count: int, clock: Callable[[], int]) -> None:
        super().__init__(count)
        self._clock = clock

    def frames(self) -> Iterator[Frame]:
        for frame in super().frames():
            frame.first_ns = self._clock()
            yield frame
