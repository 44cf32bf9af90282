"""Shows the film beside its restoration, or one picture of both; writes "restored" and the film's frame numbers."""

from collections.abc import Iterator
from dataclasses import replace

from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import BufferPool, Lease
from engine.settings import OutputSettings
from engine.stages.base import Stage
from engine.stages.comparison import Comparison, Layout
from engine.stages.counter import Counter
from engine.stages.device.comparison import DeviceComparison
from engine.stages.device.counter import DeviceCounter
from engine.stages.device.label import DeviceLabel
from engine.stages.label import Label
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.place import HOST, DevicePlace, Place
from engine.types import FrameFlags, FrameSpec, Planes

PREPARED_FRAMES = 8
"""Buffers made at once, for the frames that wait in the queue behind the stage."""

DIVIDER = 2
"""Columns of the white line between film and restoration in a wipe."""


class Compare(Stage):
    """Puts `Frame.original` left of, or in the left half of, the restored picture.

    Parameters
    ----------
    settings : `compare`, `label` and `counter` are used; a comparison needs frames that carry their originals
    place : where it works; originals must lie there too
    """

    name = "compare"

    def __init__(self, settings: OutputSettings, *, place: Place = HOST) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        self._mode, self._has_label, self._has_counter = settings.compare, settings.label, settings.counter

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make scratch, label, digits and buffers."""
        self._place.open()
        self.stream = self._place.stream
        spec = replace(incoming, width=incoming.width * 2) if self._mode == "side" else incoming
        self.pool = self._place.pool(spec.pixels_shape, prepare=PREPARED_FRAMES)
        self.chroma_pool: BufferPool | None = None
        if spec.chroma_shape is not None:
            self.chroma_pool = self._place.pool(spec.chroma_shape, prepare=PREPARED_FRAMES)
        self._pictures = self._open_pictures(incoming)
        self._label = self._open_label(spec) if self._has_label else None
        self._counter = self._open_counter(spec) if self._has_counter else None
        return spec

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame with both pictures."""
        try:
            with self.pool.lease().filling() as lease:
                made = self._compared(frame, lease)
        finally:
            frame.release()
        yield made

    def _compared(self, frame: Frame, lease: Lease) -> Frame:
        """Return the frame with both pictures; `lease` is taken over, `frame` is not."""
        if self.chroma_pool is None or frame.chroma is None:
            return self._made(frame, lease)
        with self.chroma_pool.lease().filling() as half:
            return self._made(frame, lease, half)

    def _made(self, frame: Frame, lease: Lease, *half: Lease) -> Frame:
        chroma = half[0].array if half else None
        self._compose(frame, lease.array, chroma)
        if self._label is not None:
            self._label.draw(lease.array, chroma)
        if self._counter is not None:
            is_after = FrameFlags.SYNTHESIZED in frame.flags
            self._counter.draw(lease.array, chroma, frame.index, is_after=is_after)
        ready = self._place.written(lease)  # of what went before in the stage's stream too: the chroma
        return frame.successor(
            pixels=lease.array, format=frame.format, leases=(lease, *half), chroma=chroma, ready=ready
        )

    def _compose(self, frame: Frame, out: Planes, chroma: Planes | None) -> None:
        """Fill the planes of the picture that goes out."""
        if self._mode is None:
            self._pictures.copy(frame.pixels, out)
            if chroma is not None and frame.chroma is not None:
                self._pictures.copy(frame.chroma, chroma)
            return
        if frame.original is None:
            raise InternalError("a frame without its original came to be compared")
        self._pictures.write(frame.original, frame.pixels, out)
        if chroma is not None and frame.chroma is not None:
            self._pictures.write_chroma(frame.original, frame.chroma, chroma)

    def _open_pictures(self, incoming: FrameSpec) -> Comparison | DeviceComparison:
        is_side, width = self._mode == "side", incoming.width
        half = (width + 1) // 2  # of its chroma
        columns, line = (width, 0) if is_side else (width // 4 * 2, DIVIDER)
        layout = Layout(film_columns=columns, line_columns=line, line=1.0, picture_from=width if is_side else 0)
        chroma_layout = Layout(
            film_columns=columns // 2,
            line_columns=line // 2,
            line=NEUTRAL_AB,
            picture_from=width - half if is_side else 0,
        )
        if isinstance(self._place, DevicePlace):
            return DeviceComparison(self._place.operators, incoming, layout, chroma_layout)
        return Comparison(incoming, layout, chroma_layout)

    def _open_label(self, spec: FrameSpec) -> Label | DeviceLabel:
        if isinstance(self._place, DevicePlace):
            return DeviceLabel(self._place.operators, spec.height, spec.width)
        return Label(spec.height, spec.width)

    def _open_counter(self, spec: FrameSpec) -> Counter | DeviceCounter:
        if isinstance(self._place, DevicePlace):
            return DeviceCounter(self._place.operators, spec.height, spec.width)
        return Counter(spec.height, spec.width)
