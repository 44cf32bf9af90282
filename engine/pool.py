"""Buffers on loan: after warm-up a chain allocates nothing.

A `BufferPool` hands out leases of equal arrays. A lease is counted: whoever passes it to a second holder retains it,
and every holder releases it once. A pool whose buffers are all out makes one more (counted in `allocated`, so that a
test can see growth after warm-up) until `limit`, which only a leak can reach.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Self

import numpy as np
import numpy.typing as npt

from engine.errors import InternalError

LATEST, OLDEST = -1, 0
"""Which free buffer is lent next: on the host the one given back last, which is still in the caches."""


class Lease:
    """One buffer on loan from a pool.

    Attributes
    ----------
    array : the buffer; owned by the pool, valid until the last `release`
    """

    __slots__ = ("_holders", "_pool", "array")

    def __init__(self, pool: "BufferPool", array: npt.NDArray[np.float32]) -> None:
        self.array = array
        self._pool = pool
        self._holders = 0

    def retain(self) -> None:
        """Count one more holder."""
        self._pool._retain(self)

    def release(self) -> None:
        """Give back; the last holder's release returns the buffer to the pool."""
        self._pool._release(self)

    @contextmanager
    def filling(self) -> Generator[Self]:
        """Hold the buffer through a block that fills it and hands it on; only if the block fails, it is released."""
        try:
            yield self
        except BaseException:
            self.release()
            raise


class BufferPool:
    """A pool of float32 buffers of one shape. Every method may be called from any thread.

    Parameters
    ----------
    shape : of each buffer
    prepare : how many to make at once
    limit : how many there may ever be

    Attributes
    ----------
    allocated : buffers made so far
    """

    def __init__(self, shape: Sequence[int], *, prepare: int = 0, limit: int = 512) -> None:
        self.shape = tuple(shape)
        self.limit = max(limit, prepare)
        self.allocated = 0
        self._next = LATEST
        self._lock = threading.Lock()
        self._free: list[Lease] = [self._make() for _ in range(prepare)]

    def prepare(self, count: int) -> None:
        """Make buffers until there are so many, those that are out counted in."""
        with self._lock:
            self.limit = max(self.limit, count)
            while self.allocated < count:
                self._free.append(self._make())

    @property
    def on_loan(self) -> int:
        """Leases that are out now."""
        with self._lock:
            return self.allocated - len(self._free)

    def lease(self) -> Lease:
        """Lend a buffer; its content is whatever its last holder left."""
        with self._lock:
            lease = self._free.pop(self._next) if self._free else self._make()
            lease._holders = 1
            return lease

    def _make(self) -> Lease:
        if self.allocated >= self.limit:
            raise InternalError(
                f"pool of {self.shape}: all {self.limit} buffers are on loan; some holder never releases"
            )
        self.allocated += 1
        return self._new()

    def _new(self) -> Lease:
        return Lease(self, np.empty(self.shape, np.float32))

    def _retain(self, lease: Lease) -> None:
        with self._lock:
            if lease._holders < 1:
                raise InternalError("a lease was retained after its last release")
            lease._holders += 1

    def _release(self, lease: Lease) -> None:
        with self._lock:
            if lease._holders < 1:
                raise InternalError("a lease was released twice")
            lease._holders -= 1
            if lease._holders == 0:
                self._free.append(lease)
