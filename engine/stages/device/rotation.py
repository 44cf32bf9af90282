"""The last few of something on a device, in memory that is written again when its turn comes."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Rotation(Generic[Item]):
    """The last `held` of something.

    Parameters
    ----------
    make : makes memory for one
    held : how many are looked at at once
    lanes : of the stage: with two, what one of them still looks at outlasts the other's next turn
    """

    def __init__(self, make: Callable[[], Item], held: int, lanes: int) -> None:
        self._items = deque(make() for _ in range(held + lanes - 1))

    def __getitem__(self, back: int) -> Item:
        """Return the newest (0), the one before it (1), ..."""
        return self._items[-1 - back]

    def advance(self) -> Item:
        """Let all move up by one, and return the memory of the newest, to be written."""
        self._items.rotate(-1)
        return self._items[-1]
