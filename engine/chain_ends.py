"""What a pipeline asks of its two ends: where frames come from, and where they go."""

from collections.abc import Iterator
from typing import Protocol

from engine.device.base import Device, Stream
from engine.frame import Frame
from engine.types import FrameSpec


class Reader(Protocol):
    """Where frames come from; `engine/media/reader.py` is one."""

    @property
    def spec(self) -> FrameSpec:
        """What the frames are like."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; each belongs to the caller."""
        ...

    def close(self) -> None:
        """Give files and buffers back."""
        ...


class Writer(Protocol):
    """Where frames go; `engine/media/writer.py` has some."""

    @property
    def device(self) -> Device | None:
        """Where a device does the writer's work, it, which then keeps the time; None: the host does. After `open`."""
        ...

    @property
    def stream(self) -> Stream | None:
        """In which frames that lie on a device are taken. The pipeline makes it wait for a frame; without, the host."""
        ...

    def open(self, spec: FrameSpec) -> None:
        """Prepare for frames like `spec`."""
        ...

    def write(self, frame: Frame) -> None:
        """Take a frame over, write it, and release it whatever happens.

        The pipeline has waited for `Frame.ready`, or made the stream wait.
        """
        ...

    def finish(self) -> None:
        """Complete the output under its final name; all frames have come."""
        ...

    def abort(self) -> None:
        """Leave nothing under the final name after a failure or a stop; keep what can be resumed."""
        ...


class Abortable(Protocol):
    """What a reader or a writer may wait in for something that is not the pipeline's."""

    def abort(self) -> list[Frame]:
        """Let whoever waits, now or later, leave with `engine.queue.Aborted`; return the frames that lay there."""
        ...
