"""The last few of something on a device, in memory that is written again when its turn comes."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Rotation(Generic[Item]):
    """The last `held` of something.

    With two lanes what one of them still looks at outlasts the other's next turn. There are then so many that each lane
    meets few of their orders: TensorRT records a run for each set of addresses.

    Parameters
    ----------
    make : makes memory for one
    held : how many are looked at at once
    lanes : of the stage, at most
    """

    def __init__(self, make: Callable[[], Item], held: int, lanes: int) -> None:
        self._held = held
        self._items = deque(make() for _ in range(-(-(held + lanes - 1) // lanes) * lanes))

    def settle(self, lanes: int) -> None:
        """Give back what only more lanes would need; nothing has come yet, and no work is under way."""
        if lanes == 1:
            while len(self._items) > self._held:
                self._items.popleft()

    def __getitem__(self, back: int) -> Item:
        """Return the newest (0), the one before it (1), ..."""
        return self._items[-1 - back]

    def advance(self) -> Item:
        """Let all move up by one, and return the memory of the newest, to be written."""
        self._items.rotate(-1)
        return self._items[-1]
