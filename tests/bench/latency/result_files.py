"""Results of runs that never took place, measured by a clock of the test's own."""

from typing import Any

import numpy as np

from bench.latency.case import Case
from bench.latency.drive import Limited, in_turn
from bench.latency.figures import figures, timeline
from bench.latency.head import head
from bench.latency.schema import SCHEMA_NAME
from engine.trace import Trace
from tests.support.frames import Collector
from tests.support.timed_stage import ClockedReader, TimedStage, VirtualClock

RUN_SCATTER, FRAME_SCATTER = 0.01, 0.05
"""How much runs, and frames within a run, differ from each other: as on a quiet machine."""


def made_result(seed: int, *, runs: int = 10, slower: float = 1.0, frames: int = 60) -> dict[str, Any]:
    """Return a result of a stage of about 10 ms a frame.

    seed : of what is left to chance
    slower : factor on the stage's length
    """
    case = Case(kind="stages", seconds=3600.0, warm_up=0.0)
    rng = np.random.default_rng(seed)
    drives = [_drive(rng, slower, frames) for _ in range(runs)]
    told = [figures(drive, cores=2) | {"peak_memory_bytes": 10**8, "device_memory_bytes": None} for drive in drives]
    roofs = [{"threads": 1, "gflops": 80.0, "gbytes_per_second": 9.0}]
    shown = {"models": [], "costs": [], "timeline": timeline(drives[0])}
    return {
        "schema": SCHEMA_NAME,
        "kind": "stages",
        "head": head(roofs),
        "cases": [{"case": case.to_json(), "runs": told, **shown}],
    }


def _drive(rng: np.random.Generator, slower: float, frames: int) -> Any:
    clock = VirtualClock()
    length = 10e6 * slower * np.exp(rng.normal(0, RUN_SCATTER))
    lengths = [round(value) for value in length * np.exp(rng.normal(0, FRAME_SCATTER, frames))]
    reader = Limited(ClockedReader(frames, clock), 3600, clock)
    return in_turn(reader, [TimedStage(lengths, clock.spend)], Collector(), Trace(), clock=clock)
