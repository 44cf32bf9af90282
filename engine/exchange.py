"""Where a program's own thread and a running chain hand frames to each other."""

import threading
from enum import Enum

from engine.frame import Frame
from engine.queue import Aborted


class Turn(Enum):
    """What the program's thread is to do next."""

    GIVE = "give"
    """Hand the next frame in."""
    LEAVE = "leave"
    """The chain has ended, well or not."""


class Exchange:
    """One frame on its way in, one on its way out; the program's thread is woken for whichever comes first.

    The chain's first thread gets, its last one puts; the program's thread does all else. Nothing in here depends on how
    many frames a chain holds back, so a program that does one thing at a time cannot lock itself out.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given: Frame | None = None
        self._made: Frame | None = None
        self._no_more = self._is_aborted = self._is_closed = False

    def turn(self) -> Frame | Turn:
        """Wait until there is something to do: a frame to take over, or one to hand in."""
        with self._changed:
            self._changed.wait_for(lambda: self._made is not None or self._is_closed or self._has_room)
            made, self._made = self._made, None
            self._changed.notify_all()
            if made is not None:
                return made
            return Turn.LEAVE if self._is_closed else Turn.GIVE

    def give(self, frame: Frame) -> None:
        """Hand a frame over; a chain that has been given up meanwhile releases it at once."""
        with self._changed:
            if not self._is_aborted:
                self._given = frame
                self._changed.notify_all()
                return
        frame.release()

    def end(self) -> None:
        """Say that no more frames come."""
        with self._changed:
            self._no_more = True
            self._changed.notify_all()

    def get(self) -> Frame | None:
        """Take the next frame over; None: no more come. Raises `Aborted`."""
        with self._changed:
            self._changed.wait_for(lambda: self._given is not None or self._no_more or self._is_aborted)
            if self._is_aborted:
                raise Aborted
            given, self._given = self._given, None
            self._changed.notify_all()
            return given

    def put(self, frame: Frame) -> None:
        """Hand a frame out and wait until it was taken. Raises `Aborted`; the frame is whoever aborted's then."""
        with self._changed:
            if not self._is_aborted:
                self._made = frame
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._made is not frame or self._is_aborted)
                if self._is_aborted:
                    raise Aborted
                return
        frame.release()
        raise Aborted

    def abort(self) -> list[Frame]:
        """Wake the chain's threads with `Aborted`; return the frames on their way, for the caller to release."""
        with self._changed:
            self._is_aborted = True
            frames = [frame for frame in (self._given, self._made) if frame is not None]
            self._given = self._made = None
            self._changed.notify_all()
        return frames

    def close(self) -> None:
        """Say that the chain has ended."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether the chain has ended."""
        return self._is_closed

    @property
    def _has_room(self) -> bool:
        return self._given is None and not (self._no_more or self._is_aborted)
