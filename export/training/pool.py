"""Training material made on the fly, a little ahead of its use, the same for every run with the same seed.

Making a damaged clip costs more than one training step on it. So clips are made in small blocks, every step draws from
the last few blocks, and a background thread makes the next one. What a step sees depends on the seed and the step's
number alone, so an interrupted run continues as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class Pool(Generic[Item]):
    """A sliding window over blocks of material.

    Parameters
    ----------
    make_block : makes a block's items from a generator of its own
    seed : of the run
    blocks : how many blocks a step may draw from
    steps_per_block : how many steps pass until the oldest block is replaced
    """

    def __init__(
        self,
        make_block: Callable[[np.random.Generator], Sequence[Item]],
        *,
        seed: int,
        blocks: int = 8,
        steps_per_block: int = 2,
    ) -> None:
        self._make_block = make_block
        self._seed = seed
        self._blocks = blocks
        self._steps_per_block = steps_per_block
        self._held: dict[int, Future[Sequence[Item]]] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="material")

    def at(self, step: int) -> list[Item]:
        """Return the items that this step may draw from, oldest first."""
        newest = step // self._steps_per_block + self._blocks - 1
        wanted = range(newest - self._blocks + 1, newest + 2)
        for number in wanted:
            if number not in self._held:
                self._held[number] = self._worker.submit(self._make, number)
        for number in [number for number in self._held if number not in wanted]:
            del self._held[number]
        return [item for number in wanted[:-1] for item in self._held[number].result()]

    def close(self) -> None:
        """Stop the background thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _make(self, number: int) -> Sequence[Item]:
        return self._make_block(np.random.default_rng((self._seed, 1, number)))


def step_generator(seed: int, step: int) -> np.random.Generator:
    """Return the source of chance of one step."""
    return np.random.default_rng((seed, 2, step))
