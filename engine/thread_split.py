"""How many threads each stage's model gets: chosen from measured times, not guessed."""

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from itertools import product

from engine.errors import ConfigError
from engine.stages.base import Stage
from engine.types import FrameSpec

log = logging.getLogger(__name__)

NEGLIGIBLE = 0.03
"""Gain below which more threads are not worth having; about what repeated measurements differ by."""

FILM_SECONDS, WRITTEN_SECONDS = 8e-8, 4e-8
"""What decoding, encoding and the stages themselves take of one core beside the models, for a pixel of a film picture
and of a written one: of a Xeon of 2.6 GHz, from `engine.planning.named.REFERENCE_HOST`."""

NICER = 10
"""Of a thread that gives way: Linux's scheduler counts its wishes a tenth."""

Cost = Mapping[int, float]
"""Threads → seconds per source frame, measured alone."""


def choose_split(costs: Mapping[str, Cost], cores: int, beside: float = 0.0) -> dict[str, int]:
    """Choose the threads of each stage.

    A chain of stages on their own threads runs as fast as its slowest stage, and no faster than all its work divided
    by the cores. A stage on n threads keeps n cores busy for its time, waiting included. Among all splits the one with
    the shortest predicted time per frame is taken, and among those no worse by more than `NEGLIGIBLE` the one with the
    fewest threads, because threads that work alone lose nothing to waiting for each other.

    Parameters
    ----------
    costs : stage → measured times; stages whose work does not divide are left out
    cores : processor cores to use, 1 or more
    beside : seconds per source frame of one core that are not the models'

    Returns
    -------
    stage → threads

    Examples
    --------
    One heavy stage is divided, light ones are not:

    >>> choose_split({"enhance": {1: 0.080, 2: 0.042}, "colorize": {1: 0.010, 2: 0.008}}, 2)
    {'enhance': 2, 'colorize': 1}
    """
    if cores < 1:
        raise ConfigError(f"cores: got {cores}; wanted 1 or more")
    names = list(costs)
    choices: Sequence[Sequence[int]] = [[threads for threads in costs[name] if threads <= cores] for name in names]
    predicted: dict[tuple[int, ...], float] = {}
    for split in product(*choices):
        times = [costs[name][threads] for name, threads in zip(names, split, strict=True)]
        work = sum(time * threads for time, threads in zip(times, split, strict=True))
        predicted[split] = max([*times, (work + beside) / cores], default=0.0)
    good = min(predicted.values()) * (1 + NEGLIGIBLE)
    chosen = min((split for split in predicted if predicted[split] <= good), key=lambda split: (sum(split), split))
    return dict(zip(names, chosen, strict=True))


def available_cores() -> int:
    """Return the processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def measure_costs(stages: Sequence[Stage], cores: int) -> dict[str, dict[int, float]]:
    """Time the models of opened stages on 1, 2, 4, ... threads."""
    counts = [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]
    costs: dict[str, dict[int, float]] = {}
    for stage in stages:
        for threads in counts:
            seconds = stage.measure(threads)
            if seconds is not None:
                costs.setdefault(stage.name, {})[threads] = seconds
    if costs:
        log.debug("stage costs, seconds by threads: %s", costs)
    return costs


def work_beside(film: FrameSpec, written: FrameSpec) -> float:
    """Estimate the seconds per film picture of one core that are not the models'."""
    ratio = written.rate / film.rate if film.rate and written.rate else 1
    shown = float(ratio) * written.width * written.height
    return FILM_SECONDS * film.width * film.height + WRITTEN_SECONDS * shown


def heaviest(costs: Mapping[str, Cost]) -> str | None:
    """Return the stage whose models take longest on one thread; None where none was timed."""
    return max(costs, key=lambda name: costs[name][1], default=None)


def wait_behind() -> None:
    """Let the calling thread have the processor when no other of this process's, that did not do the same, wants it.

    A chain is as fast as its slowest stage. Where there are more threads than cores that stage would wait for its turn
    like any other, while the others run ahead until their queues are full (see README.md). Linux alone has a niceness
    for each thread; elsewhere nothing happens. Where the system refuses (a service whose calls are filtered), that is
    told, and the thread takes its turn like any other.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICER)
    except PermissionError as error:
        log.warning(
            "thread %s: cannot wait behind others (%s); the chain is slower", threading.current_thread().name, error
        )
