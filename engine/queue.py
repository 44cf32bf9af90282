"""A bounded queue of frames between two threads that can be aborted from a third."""

import threading
import time
from collections import deque

from engine.frame import Frame
from engine.trace import QueueLog


class Aborted(Exception):  # noqa: N818 - not an error: the order to leave
    """The chain is being taken down; whoever waits on a queue leaves."""


class FrameQueue:
    """Frames in order from one thread to one other.

    Bounded in frames alone: all frames of a queue have one size, so that also bounds bytes.

    Parameters
    ----------
    capacity : frames that it holds
    log : keeps each passage for a trace; None: nothing is kept

    Attributes
    ----------
    put_wait_ns, get_wait_ns : how long the two sides have waited in all
    deepest : most frames that ever lay in it
    """

    def __init__(self, capacity: int, log: QueueLog | None = None) -> None:
        self.capacity = capacity
        self.put_wait_ns = 0
        self.get_wait_ns = 0
        self.deepest = 0
        self._log = log
        self._frames: deque[Frame | None] = deque()
        self._changed = threading.Condition()
        self._aborted = False

    @property
    def depth(self) -> int:
        """Frames that lie in it now; may be asked from any thread."""
        return len(self._frames)

    def put(self, frame: Frame | None) -> None:
        """Hand a frame over (None: no more come); waits while the queue is full. Raises `Aborted`."""
        wanted = time.perf_counter_ns()
        with self._changed:
            if len(self._frames) >= self.capacity and not self._aborted:
                self._changed.wait_for(lambda: len(self._frames) < self.capacity or self._aborted)
                self.put_wait_ns += time.perf_counter_ns() - wanted
            if self._aborted:
                raise Aborted
            self._frames.append(frame)
            self.deepest = max(self.deepest, len(self._frames))
            done, depth = time.perf_counter_ns(), len(self._frames)
            self._changed.notify_all()
        if self._log is not None:
            self._log.puts.add(wanted, done, depth, time.perf_counter_ns())

    def get(self) -> Frame | None:
        """Take the next frame over; waits while the queue is empty. Raises `Aborted`."""
        wanted = time.perf_counter_ns()
        with self._changed:
            if not self._frames and not self._aborted:
                self._changed.wait_for(lambda: bool(self._frames) or self._aborted)
                self.get_wait_ns += time.perf_counter_ns() - wanted
            if self._aborted:
                raise Aborted
            frame = self._frames.popleft()
            done, depth = time.perf_counter_ns(), len(self._frames)
            self._changed.notify_all()
        if self._log is not None:
            self._log.gets.add(wanted, done, depth, time.perf_counter_ns())
        return frame

    def abort(self) -> list[Frame]:
        """Wake both sides with `Aborted`; return the frames that still lay in the queue, for the caller to release."""
        with self._changed:
            self._aborted = True
            frames, self._frames = list(self._frames), deque()
            self._changed.notify_all()
        return [frame for frame in frames if frame is not None]
