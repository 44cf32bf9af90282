"""What a run did, moment by moment: slices of work, models' runs, frames passing through queues.

Kept in rings of plain numbers that never grow, so that a trace can be left on for a film of any length: of a long one
the latest part is kept. Times are of the host's clock, nanoseconds (`time.perf_counter_ns`).
"""

import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

CAPACITY = 1 << 16
"""Rows that a ring keeps: 45 minutes of film at 24 frames a second for a stage that makes one slice a frame."""

NONE = -1
"""Stands in a row where there is no frame."""

Rows = npt.NDArray[np.int64]
"""int64 (rows, fields), oldest first."""

SLICE_FIELDS = ("start", "end", "taken", "given", "index", "first")
"""Start and end of the work; number of the frame taken from the queue before that it worked on, and of the frame put
into the queue behind that came of it, both from 0; that one's source frame, and when the oldest that it needed began to
be read, 0 where unknown. `NONE`: there is none."""

PASSAGE_FIELDS = ("wanted", "done", "depth", "went_on")
"""When a side of a queue wished to put or get; when it had; frames in the queue then; when its thread went on: later
where it woke the other side and lost its core to it."""

RUN_FIELDS = ("start", "end", "model")
"""Start and end of a model's run; its number in `Trace.models`."""


class Ring:
    """The latest rows of integers, in memory that never grows. Written by one thread at a time.

    Parameters
    ----------
    fields : integers in a row
    capacity : rows that are kept

    Attributes
    ----------
    added : rows so far, forgotten ones too
    """

    def __init__(self, fields: int, capacity: int = CAPACITY) -> None:
        self.added = 0
        self._capacity = capacity
        self._row = struct.Struct(f"={fields}q")
        self._rows = np.zeros((capacity, fields), np.int64)  # the system gives its pages as they are written
        self._memory = self._rows.data.cast("B")

    def add(self, *row: int) -> None:
        """Keep a row."""
        self._row.pack_into(self._memory, self.added % self._capacity * self._row.size, *row)
        self.added += 1

    @property
    def first(self) -> int:
        """Number of the oldest row that is kept, from 0."""
        return max(self.added - self._capacity, 0)

    def rows(self) -> Rows:
        """Return a copy of the rows that are kept, oldest first."""
        return np.roll(self._rows[: self.added], -(self.added % self._capacity) if self.first else 0, axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLog:
    """Passages through a queue; row n of each is the frame number n, and the end of the film after the last."""

    capacity: int
    puts: Ring = field(default_factory=lambda: Ring(len(PASSAGE_FIELDS)))
    gets: Ring = field(default_factory=lambda: Ring(len(PASSAGE_FIELDS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedModel:
    """A model as it was opened.

    name : of the model
    sha256 : of its file
    shapes : input → shape
    threads : of one run
    """

    name: str
    sha256: str
    shapes: Mapping[str, tuple[int, ...]]
    threads: int


class Trace:
    """Everything that is kept of one run.

    Attributes
    ----------
    lanes : names of reader, stages and writer in the flow's order
    slices : lane → what it did (`SLICE_FIELDS`)
    runs : lane → its models' runs (`RUN_FIELDS`)
    queues : between neighbouring lanes, in order
    models : that were opened
    """

    def __init__(self) -> None:
        self.lanes: tuple[str, ...] = ()
        self.slices: dict[str, Ring] = {}
        self.runs: dict[str, Ring] = {}
        self.queues: Sequence[QueueLog] = ()
        self.models: list[TracedModel] = []
        self._working = threading.local()

    def lay(self, lanes: Sequence[str], queue_frames: int) -> None:
        """Make room for a run through `lanes`, with queues of `queue_frames` frames between them."""
        self.lanes = tuple(lanes)
        self.slices = {lane: Ring(len(SLICE_FIELDS)) for lane in lanes}
        self.runs = {lane: Ring(len(RUN_FIELDS)) for lane in lanes}
        self.queues = [QueueLog(capacity=queue_frames) for _ in lanes[1:]]

    def work_in(self, lane: str | None) -> None:
        """Say which lane the calling thread works for from now on; what models do before is not kept."""
        self._working.runs = None if lane is None else self.runs[lane]

    def ran(self, model: int, start_ns: int, end_ns: int) -> None:
        """Keep one run of a model; called from the thread that waited for it."""
        runs: Ring | None = getattr(self._working, "runs", None)
        if runs is not None:
            runs.add(start_ns, end_ns, model)
