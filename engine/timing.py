"""Where the time goes: what the progress line, the latency table, its JSON and the metrics show."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

EDGE_FRAMES = 5
"""Frames left out of statistics at each end of a run: the first fill caches and pools, the last drain the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLatency:
    """How long one stage works, milliseconds a frame that it put out.

    frames : put out by the stage, all of them
    total_seconds : in which the stage worked; where it works on two frames at once, less than the sum of their times
    """

    stage: str
    frames: int
    median_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    total_seconds: float
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyReport:
    """The latency table of a run.

    left_out : frames at each end that the percentiles leave out
    delay_ms : from when a frame's first source frame began to be read to when the writer had taken it, median; "glass
        to glass" but for what the encoder keeps back
    """

    stages: tuple[StageLatency, ...]
    frames: int
    wall_seconds: float
    frames_per_second: float
    delay_ms: float
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Return the table as plain values."""
        return asdict(self)


class StageClock:
    """The durations of one stage, in a ring that never grows.

    Parameters
    ----------
    name : of the stage
    capacity : how many of the latest durations are kept for percentiles
    """

    def __init__(self, name: str, capacity: int = 1 << 16) -> None:
        self.name = name
        self.frames = 0
        self.total_ns = 0
        self.threads = 1
        self._ring: npt.NDArray[np.int64] = np.zeros(capacity, np.int64)

    def add(self, duration_ns: int, worked_ns: int | None = None) -> None:
        """Count one frame put out after `duration_ns` of work.

        `worked_ns` is by how much that made the stage's own time longer, less where another frame was worked on
        meanwhile; None: as much.
        """
        self._ring[self.frames % len(self._ring)] = duration_ns
        self.frames += 1
        self.total_ns += duration_ns if worked_ns is None else worked_ns

    def add_idle(self, duration_ns: int) -> None:
        """Count work after which no frame came out."""
        self.total_ns += duration_ns

    def latency(self) -> StageLatency:
        """Return the figures so far."""
        kept = self._ring[: min(self.frames, len(self._ring))]
        if self.frames <= len(self._ring) and self.frames > 2 * EDGE_FRAMES:
            kept = kept[EDGE_FRAMES:-EDGE_FRAMES]
        ms = kept / 1e6 if len(kept) else np.zeros(1)
        median, p95, p99 = (float(value) for value in np.percentile(ms, (50, 95, 99)))
        return StageLatency(
            stage=self.name,
            frames=self.frames,
            median_ms=median,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=float(ms.max()),
            total_seconds=self.total_ns / 1e9,
            threads=self.threads,
        )


class Clock:
    """All stages' durations, and the delays of the frames that left the chain.

    Parameters
    ----------
    stages : names in the chain's order
    """

    def __init__(self, stages: Iterable[str]) -> None:
        self.stages = {name: StageClock(name) for name in stages}
        self.delays = StageClock("delay")

    def report(self, frames: int, wall_seconds: float) -> LatencyReport:
        """Return the latency table."""
        return LatencyReport(
            stages=tuple(clock.latency() for clock in self.stages.values()),
            frames=frames,
            wall_seconds=wall_seconds,
            frames_per_second=frames / wall_seconds if wall_seconds else 0.0,
            delay_ms=self.delays.latency().median_ms,
            left_out=EDGE_FRAMES,
        )
