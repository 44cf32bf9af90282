"""Page-locked memory used in turn, for copies to a device that the host does not wait for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, Event
from engine.work_clock import waiting

SLOTS = 4
"""Pictures whose copies may be under way. A slot is needed from when the host writes it until it is copied, no longer:
more would only let the host run further ahead of the device."""


@dataclass(slots=True, kw_only=True)
class Slot:
    """Page-locked memory of one picture.

    arrays : the memory
    copied : to be recorded when the copies from it have been given to a stream
    """

    arrays: tuple[npt.NDArray[Any], ...]
    copied: Event


class PageLockedRing:
    """A few slots of equal arrays.

    Parameters
    ----------
    device : to copy to
    shapes : of a slot's arrays
    dtype : of all of them

    Attributes
    ----------
    waits : how often the host had to wait for a slot, because the copy that it was last used for had not come
    """

    def __init__(self, device: Device, shapes: Sequence[Sequence[int]], dtype: npt.DTypeLike) -> None:
        self.waits = 0
        self._slots = [
            Slot(arrays=tuple(device.pinned(shape, np.dtype(dtype)) for shape in shapes), copied=device.event())
            for _ in range(SLOTS)
        ]
        self._turn = 0

    def next_slot(self) -> Slot:
        """Return the slot whose turn it is, to be written at once; a host that is a whole ring ahead waits for it."""
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % len(self._slots)
        if not slot.copied.has_come:
            self.waits += 1
            with waiting():
                slot.copied.synchronize()
        return slot
