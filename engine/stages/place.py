"""Where a stage's pictures lie, and all that a stage's flow of control needs to know of it.

A stage decides which frames go where; the helpers beside it (`luma_tensors.py`, `device/tensors.py`, ...) do arithmetic
on pictures. Between the two stands the place: it makes buffers and says when they are written.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np

from engine.backends.base import Array
from engine.device.base import Device, Event, Stream
from engine.device.lanes import LONGEST_RUN, Lane, LaneChoice, Lanes, judge, time_one
from engine.device.operators import Operators
from engine.device.pool import DeviceLease, DevicePool, as_planes, on_device
from engine.errors import DeviceMemoryError, InternalError
from engine.pool import BufferPool, Lease

log = logging.getLogger(__name__)

LaneT = TypeVar("LaneT", bound=Lane)


class Place(ABC):
    """Where one stage works.

    Attributes
    ----------
    device, stream : None on the host; `stream` is there once `open` was called, and another after a `turn`
    streams : between which frames take turns; fewer than two: they do not
    lane : number of the stream whose turn it is
    """

    device: Device | None = None
    stream: Stream | None = None
    streams: Sequence[Stream] = ()
    lane: int = 0

    @abstractmethod
    def open(self) -> None:
        """Prepare for the other methods; called in the stage's `open`."""

    @abstractmethod
    def pool(self, shape: Sequence[int], *, prepare: int = 0) -> BufferPool:
        """Make a pool of pictures' buffers, float32.

        Parameters
        ----------
        shape : of each
        prepare : how many to make at once on the host; on a device all that can be out at once are, unless it is 0
        """

    @abstractmethod
    def zeros(self, shape: Sequence[int]) -> Array:
        """Make a tensor of zeros, float32."""

    @abstractmethod
    def constant(self, values: Array) -> Array:
        """Make a tensor with these values."""

    @abstractmethod
    def clear(self, tensor: Array) -> None:
        """Fill a tensor with zeros."""

    @abstractmethod
    def written(self, lease: Lease) -> Event | None:
        """Return the event after which what the stage has written into a buffer so far is there; None: it is there."""

    def turn(self) -> None:
        """Let the next frame's work go to the next lane."""

    def part(self) -> None:
        """Say that what this frame does to things that lanes share has been done; what follows is its lane's own."""

    def join(self) -> None:
        """Let the lane that works wait for all that the other was given; what it does until the next turn is shared."""


class HostPlace(Place):
    """On the processor: what was called has happened."""

    def open(self) -> None:
        """Nothing is to be prepared."""

    def pool(self, shape: Sequence[int], *, prepare: int = 0) -> BufferPool:
        """Make a pool of NumPy arrays."""
        return BufferPool(shape, prepare=prepare)

    def zeros(self, shape: Sequence[int]) -> Array:
        """Make an array."""
        return np.zeros(shape, np.float32)

    def constant(self, values: Array) -> Array:
        """Return the values."""
        return values

    def clear(self, tensor: Array) -> None:
        """Fill with zeros."""
        tensor.fill(0.0)

    def written(self, lease: Lease) -> Event | None:
        """Return None: it is there."""
        return None


HOST = HostPlace()


PREPARED_FRAMES = 24
"""Buffers of a device's pool where nobody says how many can be out: enough for four stages and queues of four."""


class DevicePlace(Place):
    """On a device, in the order of the stage's own stream.

    Parameters
    ----------
    device : to work on
    stream : to give work to; None: one of the stage's own
    frames : most of a pool's buffers that can be out at once; so many are made when the pool is
    lanes : frames that may be in flight at once, 1 or 2; None: what is faster
    """

    def __init__(
        self,
        device: Device,
        stream: Stream | None = None,
        *,
        frames: int = PREPARED_FRAMES,
        lanes: int | None = 1,
    ) -> None:
        self.device = self._device = device
        self._shared, self._frames = stream, frames
        self._wanted = lanes if stream is None else 1
        self._operators: Operators | None = None
        self._lanes: Lanes | None = None

    @property
    def operators(self) -> Operators:
        """Starts kernels on the stage's stream."""
        if self._operators is None:
            raise InternalError("a stage's place was used before it was opened")
        return self._operators

    def open(self) -> None:
        """Make the stage's stream, unless it was given one."""
        self.stream = self._shared or self._device.stream()
        self._operators = Operators(self._device, self.stream)
        self._lanes = Lanes(self._device, self.stream)
        self._follow(self._lanes)

    @property
    def most_lanes(self) -> int:
        """How many lanes the stage may get; known before it is opened."""
        return 1 if self._wanted == 1 else 2

    def widen(self, stage: str, first: LaneT, open_second: Callable[[], LaneT]) -> tuple[list[LaneT], LaneChoice]:
        """Give the stage a second lane if that pays; the last thing that a stage does with its model in `open`.

        Parameters
        ----------
        stage : its name, for the log
        first : the lane that there is, whose model can run
        open_second : opens another; called where one is wanted or tried

        Returns
        -------
        The lanes that there are now, and why. What was tried and did not pay is closed.
        """
        lanes, choice = self._widened(first, open_second)
        log.info("stage %s: %s", stage, choice)
        return lanes, choice

    def _widened(self, first: LaneT, open_second: Callable[[], LaneT]) -> tuple[list[LaneT], LaneChoice]:
        lanes = self._opened
        if self._wanted == 1:
            return [first], LaneChoice(lanes=1, why="as asked")
        if self._wanted is None:
            one = time_one(self._device, first, lanes.stream)
            if one >= LONGEST_RUN:
                return [first], LaneChoice(lanes=1, why="a run takes long enough to fill the device", one_ms=1e3 * one)
        try:
            second = open_second()
        except DeviceMemoryError:
            if self._wanted == 2:
                raise
            return [first], LaneChoice(lanes=1, why="there is no memory for a second session")
        lanes.widen()
        try:
            choice = self._judged([first, second], lanes)
        except BaseException:
            with suppress(Exception):  # the error that brought us here is the one to tell
                second.close()
            raise
        if choice.lanes == 1:
            lanes.narrow()
            second.close()
            return [first], choice
        self._follow(lanes)
        return [first, second], choice

    def _judged(self, both: Sequence[Lane], lanes: Lanes) -> LaneChoice:
        if self._wanted == 2:
            return LaneChoice(lanes=2, why="as asked")
        return judge(self._device, both, lanes.streams)

    def turn(self) -> None:
        """Give work to the next lane from now on, behind what the other did to things that both share."""
        self._opened.turn()
        self._follow(self._opened)

    def part(self) -> None:
        """Let the next lane wait for the stream's work so far, and for no more of it."""
        self._opened.part()

    def join(self) -> None:
        """Let the stream wait for all that the other was given; what is done until the next turn is shared."""
        self._opened.join()

    @property
    def _opened(self) -> Lanes:
        if self._lanes is None:
            raise InternalError("a stage's place was used before it was opened")
        return self._lanes

    def _follow(self, lanes: Lanes) -> None:
        """Work in the lane whose turn it is."""
        self.streams, self.stream, self.lane = lanes.streams, lanes.stream, lanes.at
        self.operators.stream = lanes.stream

    def pool(self, shape: Sequence[int], *, prepare: int = 0) -> BufferPool:
        """Make a pool of device buffers."""
        return DevicePool(self._device, shape, np.float32, prepare=self._frames if prepare else 0)

    def zeros(self, shape: Sequence[int]) -> Array:
        """Make device memory."""
        return as_planes(self.operators.zeros(*shape))

    def constant(self, values: Array) -> Array:
        """Copy values to the device; they may be changed or dropped afterwards."""
        return as_planes(self.operators.constant(values))

    def clear(self, tensor: Array) -> None:
        """Fill with zeros in the stream's order."""
        self._device.clear(on_device(tensor), self.operators.stream)

    def written(self, lease: Lease) -> Event | None:
        """Record the buffer's event."""
        if not isinstance(lease, DeviceLease):
            raise InternalError("a stage of a device wrote into a buffer of the host")
        self.operators.stream.record(lease.written)
        return lease.written
