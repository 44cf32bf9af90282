"""One picture with its time, meaning and buffers."""

from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from engine.errors import InternalError
from engine.pool import Lease
from engine.types import Event, FrameFlags, PixelFormat, Planes

NOTHING: Planes = np.empty((0, 0, 0), np.float32)
"""The pixels of a frame that was released."""


@dataclass(slots=True, kw_only=True)
class Neighbour:
    """A frame of the film beside a synthesized one.

    pixels : as `Frame.pixels`; valid as long as the synthesized frame is held
    index : number of the source frame
    leases : of `pixels`; released with the synthesized frame
    """

    pixels: Planes
    index: int
    leases: tuple[Lease, ...] = ()


@dataclass(slots=True, kw_only=True)
class Motion:
    """The motion by which a frame was made between two others, so that chroma can be carried along it.

    flow : float32 (4, h, w); pixels of the full-size picture, x and y to the frame before, x and y to the frame after
    mask : float32 (1, h, w) in [0, 1]; weight of the frame before
    timestep : position between the two, in (0, 1)
    cell : pixels of the full-size picture that one value of `flow` and `mask` stands for, in x and in y
    lease : of `flow` and `mask` together; released with the frame
    first, second : the frames before and after, so that a colorizer can colour them even where neither is shown
    """

    flow: Planes
    mask: Planes
    timestep: float
    cell: int = 1
    lease: Lease | None = None
    first: Neighbour | None = None
    second: Neighbour | None = None

    @property
    def leases(self) -> tuple[Lease, ...]:
        """Every lease that goes with the motion."""
        own = () if self.lease is None else (self.lease,)
        first = () if self.first is None else self.first.leases
        second = () if self.second is None else self.second.leases
        return (*own, *first, *second)


@dataclass(slots=True, kw_only=True)
class Span:
    """How long one stage worked on a frame, host clock, nanoseconds (`time.perf_counter_ns`)."""

    stage: str
    start_ns: int
    end_ns: int


@dataclass(slots=True, kw_only=True)
class Frame:
    """One picture inside the chain.

    pixels : float32 (C, H, W) in [0, 1], planar; owned by `leases`; see `PixelFormat` for the planes' meaning
    chroma : float32 (2, h, w) in [0, 1] for `PixelFormat.LAB`, else None
    format : what the planes hold
    pts : presentation time in units of `time_base`
    time_base : seconds per unit, exact
    index : number of the source frame it comes from, from 0
    shot : number of the shot it belongs to, from 0
    flags : what else is known
    repeats : pts at which the film shows this very picture again (repeats that were taken out behind it)
    hold_until : time until which the picture stands still before it moves on to the next one; None: moves at once
    duration : seconds until the next frame as the film says, None where unknown
    motion : how a synthesized frame was made, else None
    original : the film's own picture at this time, GRAY or RGB as `pixels` were when the film was read; None unless
        somebody will compare. Shown unchanged, so it may be smaller than `pixels`
    original_leases : of `original`; passed on by `share` and `successor`
    ready : after this event the pixels are valid; None on the host
    first_ns : host clock at which the oldest source frame it needs began to be decoded (glass-to-glass delay)
    spans : the times that stages spent on it
    leases : buffers it holds; `release` gives them back
    is_released : whether that has happened
    """

    pixels: Planes
    format: PixelFormat
    pts: int
    time_base: Fraction
    index: int
    chroma: Planes | None = None
    shot: int = 0
    flags: FrameFlags = FrameFlags.NONE
    repeats: tuple[int, ...] = ()
    hold_until: Fraction | None = None
    duration: Fraction | None = None
    motion: Motion | None = None
    original: Planes | None = None
    original_leases: tuple[Lease, ...] = ()
    ready: Event | None = None
    first_ns: int = 0
    spans: list[Span] = field(default_factory=list[Span])
    leases: tuple[Lease, ...] = ()
    is_released: bool = False

    @property
    def time(self) -> Fraction:
        """Presentation time in seconds, exact."""
        return self.pts * self.time_base

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return int(self.pixels.shape[2])

    def share(self) -> "Frame":
        """Return a second frame over the same pixels, with its own holder count; times and flags may be changed."""
        leases = self._holdings()
        for lease in leases:
            lease.retain()
        return Frame(
            pixels=self.pixels,
            chroma=self.chroma,
            format=self.format,
            pts=self.pts,
            time_base=self.time_base,
            index=self.index,
            shot=self.shot,
            flags=self.flags,
            repeats=self.repeats,
            hold_until=self.hold_until,
            duration=self.duration,
            motion=self.motion,
            original=self.original,
            original_leases=self.original_leases,
            ready=self.ready,
            first_ns=self.first_ns,
            spans=list(self.spans),
            leases=self.leases,
        )

    def successor(
        self,
        *,
        pixels: Planes,
        format: PixelFormat,
        leases: tuple[Lease, ...],
        chroma: Planes | None = None,
        ready: Event | None = None,
        motion: Motion | None = None,
    ) -> "Frame":
        """Return the frame that a stage made of this one: same time and flags, other pixels.

        Holds `leases` (taken over), the leases of `motion` (taken over) and, once more, those of `original`.
        """
        for lease in self.original_leases:
            lease.retain()
        return Frame(
            pixels=pixels,
            chroma=chroma,
            format=format,
            pts=self.pts,
            time_base=self.time_base,
            index=self.index,
            shot=self.shot,
            flags=self.flags,
            repeats=self.repeats,
            hold_until=self.hold_until,
            duration=self.duration,
            motion=motion,
            original=self.original,
            original_leases=self.original_leases,
            ready=ready,
            first_ns=self.first_ns,
            spans=self.spans,
            leases=leases,
        )

    def showing(self, picture: "Frame") -> "Frame":
        """Return a successor of this one with the pixels of another frame, whose buffers both hold from now on."""
        for lease in picture.leases:
            lease.retain()
        return self.successor(pixels=picture.pixels, format=picture.format, leases=picture.leases, ready=picture.ready)

    def release(self) -> None:
        """Give back every buffer; the frame must not be used afterwards."""
        if self.is_released:
            raise InternalError("a frame was released twice")
        holdings = self._holdings()
        self.is_released = True
        self.leases = self.original_leases = ()
        self.motion = None
        self.original = None
        self.chroma = None
        self.pixels = NOTHING
        with ExitStack() as stack:  # a lease whose device is sick keeps none of the others back
            for lease in reversed(holdings):
                stack.callback(lease.release)

    def _holdings(self) -> tuple[Lease, ...]:
        motion = () if self.motion is None else self.motion.leases
        return (*self.leases, *self.original_leases, *motion)


def release_all(frames: deque[Frame]) -> None:
    """Release frames, oldest first, and empty the queue; one whose device is sick keeps none of the others back."""
    with ExitStack() as stack:
        for frame in reversed(frames):
            stack.callback(frame.release)
        frames.clear()
