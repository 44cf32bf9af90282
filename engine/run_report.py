"""What a run tells: where it stands, and what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from engine.device.lanes import LaneChoice
from engine.timing import LatencyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands.

    frames_in, frames_out : read and written so far
    time : of the last picture written, seconds of film, exact; None before the first
    seconds : since the run began
    """

    frames_in: int
    frames_out: int
    time: Fraction | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run did.

    failures : stage → cause → frames passed through unchanged
    queue_waits : stage → seconds its thread waited for frames to come in
    lanes : stage that could have two frames in flight on a device → how many it had, and why
    """

    frames_in: int
    frames_out: int
    latency: LatencyReport
    failures: Mapping[str, Mapping[str, int]]
    queue_waits: Mapping[str, float]
    thread_split: Mapping[str, int]
    lanes: Mapping[str, LaneChoice] = field(default_factory=dict[str, LaneChoice])

    @property
    def failed_frames(self) -> int:
        """Frames that some stage passed through unchanged."""
        return sum(sum(causes.values()) for causes in self.failures.values())
