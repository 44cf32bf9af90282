"""Where a stage's pictures lie, and all that a stage's flow of control needs to know of it.

A stage decides which frames go where; the helpers beside it (`luma_tensors.py`, `device/tensors.py`, ...) do arithmetic
on pictures. Between the two stands the place: it makes buffers and says when they are written.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from engine.backends.base import Array
from engine.device.base import Device, Event, Stream
from engine.device.operators import Operators
from engine.device.pool import DeviceLease, DevicePool, as_planes, on_device
from engine.errors import InternalError
from engine.pool import BufferPool, Lease


class Place(ABC):
    """Where one stage works.

    Attributes
    ----------
    device, stream : None on the host; `stream` is there once `open` was called
    """

    device: Device | None = None
    stream: Stream | None = None

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
    """

    def __init__(self, device: Device, stream: Stream | None = None, *, frames: int = PREPARED_FRAMES) -> None:
        self.device = self._device = device
        self._shared, self._frames = stream, frames
        self._operators: Operators | None = None

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
