"""What a stage is: a transducer of frames that owns no threads."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from engine.device.base import Device, Stream
from engine.device.lanes import LaneChoice
from engine.errors import DeviceError, FarshoreError, Interrupted
from engine.frame import Frame
from engine.types import FrameSpec

log = logging.getLogger(__name__)


class Failures:
    """Frames that a stage could not work on, by cause. Counted always, logged once per cause."""

    def __init__(self, stage: str) -> None:
        self.by_cause: Counter[str] = Counter()
        self._stage = stage

    def count(self, error: FarshoreError) -> None:
        """Count one frame; a failure of the device, or a stop, is no frame's failure and is raised again."""
        if isinstance(error, (DeviceError, Interrupted)):
            raise error
        cause = f"{type(error).__name__}: {error}"
        if cause not in self.by_cause:
            log.warning("stage %s: passing frames through unchanged: %s", self._stage, cause)
        self.by_cause[cause] += 1

    @property
    def total(self) -> int:
        """Frames passed through so far."""
        return sum(self.by_cause.values())


class Stage(ABC):
    """One step of the chain.

    Life: `open` once, then any number of shots (`push` for each frame, `flush` at the shot's end, `reset`), then
    `close`. The pipeline calls all of them from one thread, and calls `flush` and `reset` by itself at every frame
    flagged `SCENE_CUT`, so a stage never sees two shots mixed.

    Ownership: `push` takes the frame over; the stage releases it, or yields it on. Frames that a stage yields belong
    to whoever receives them. To keep a frame and yield it too, yield `frame.share()`.

    Attributes
    ----------
    name : as in the latency table
    look_ahead : frames that must come in behind a frame before it can go out
    failures : frames passed through because the stage could not work on them
    device, stream : of a stage that works on a device: it, and its own stream, made in `open`; None on the host. The
        pipeline makes the stream wait for a frame before it pushes the frame; the stage records `Frame.ready`
    streams : of a stage on a device that may have two frames in flight: those in which its frames take turns. Where
        there are two the pipeline calls `turn` before each `push`, and `stream` is then the one whose turn it is
    lane_choice : how many these are, and why; None: no choice was to be made
    """

    name: str = "stage"
    look_ahead: int = 0
    device: Device | None = None
    stream: Stream | None = None
    streams: Sequence[Stream] = ()
    lane_choice: LaneChoice | None = None

    def __init__(self) -> None:
        self.failures = Failures(self.name)

    @abstractmethod
    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Allocate for frames like `incoming` and return what the frames that go out will be like."""

    @property
    def may_have_two_lanes(self) -> bool:
        """Whether on a device two frames may be in flight through its model at once, each with a session of its own."""
        return False

    def turn(self) -> None:
        """Let the work of the frame that comes next go to the next of `streams`; a stage with one needs none."""

    @abstractmethod
    def push(self, frame: Frame) -> Iterable[Frame]:
        """Take a frame in; yield the frames, none or more, that can go out now, in order."""

    def flush(self, end: Fraction | None) -> Iterable[Frame]:
        """Yield what is still held, since no more frames of this shot come; `end` is when its last picture ends."""
        return ()

    def reset(self) -> None:
        """Forget the past: a new shot begins, or the film was wound to another place. Keeps buffers and sessions."""

    def close(self) -> None:
        """Release buffers and sessions; the stage can be opened again."""

    def measure(self, threads: int) -> float | None:
        """Time the stage's model on its real size with `threads` threads, seconds per source frame.

        None, the default, is for stages whose work does not divide among threads. Called after `open`, before the
        first frame; leaves no trace in the stage's state.
        """
        return None

    def use_threads(self, threads: int) -> None:
        """Run the stage's model on that many threads from now on. Stages without a model ignore it."""
