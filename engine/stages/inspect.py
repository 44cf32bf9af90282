"""Looks at the film before it is restored: where shots begin, which frames repeat others, how fast it truly moves."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, sqrt

import cv2
import numpy as np

from engine.frame import Frame
from engine.pool import BufferPool, Lease
from engine.stages.base import Stage
from engine.stages.cadence import CadenceTracker, FilmCadence
from engine.stages.cuts import FLASH, LOOK_SIZE, MEMORY, CutDetector
from engine.stages.repeats import Difference, DifferenceMeter, RepeatJudge
from engine.stages.true_times import FINE_UNITS, TrueTimes
from engine.types import FrameFlags, FrameSpec

LOOK_AHEAD = 3
"""Frames behind the one being judged: of the difference to them a repeat is the dip, and a flash is over by then."""

GRAIN_PIXELS = 320 * 240
"""Size to which pictures are thinned for finding repeats; pixels are dropped, not averaged, so that grain stays."""

STILL_REPEATS = 4
"""Repeats in a row that make a still picture rather than a cadence; 16 pictures in 60 frames leave up to three."""

LONGEST_WAIT = Fraction(1)
"""Seconds for which a repeated picture is held back before it goes out with the repeats found so far."""


@dataclass(slots=True)
class Look:
    """A frame that waits to be judged, and what is compared of it.

    grain : thinned luma
    small : luma of `LOOK_SIZE`
    change : difference to the frame before; None for the film's first
    """

    frame: Frame
    grain: Lease
    small: Lease
    change: Difference | None


class Inspect(Stage):
    """Numbers shots, takes repeats out, moves frames to the times of the true, even motion.

    Parameters
    ----------
    first_shot : frames of shots before this one are inspected and released, not passed on
    retime : move frames to the true motion; to be off where the film's own times are kept. Films whose rate varies
        are never retimed
    keep_original : let every frame carry the film's own picture, for comparison

    Attributes
    ----------
    shots : found so far
    repeats_found : so far
    """

    name = "inspect"
    look_ahead = LOOK_AHEAD + 1

    def __init__(self, first_shot: int = 0, *, retime: bool = True, keep_original: bool = False) -> None:
        super().__init__()
        self.first_shot, self._retime, self._keep_original = first_shot, retime, keep_original
        self._ahead: deque[Look] = deque()
        self._past: deque[Lease] = deque()
        self._newest: Lease | None = None
        self._unique: Lease | None = None
        self._held: Frame | None = None
        self._begin_film(None)

    def _begin_film(self, rate: Fraction | None) -> None:
        self._rate = rate
        self._frames = self.shots = self.repeats_found = 0
        self._repeats_in_row = 0
        self._tracker = CadenceTracker()
        self._cuts = CutDetector()
        self._judge = RepeatJudge()

    @property
    def cadence(self) -> FilmCadence:
        """What was found so far."""
        return FilmCadence(
            frames=self._frames,
            shots=self.shots,
            repeats=self.repeats_found,
            pattern=self._tracker.main_pattern(),
            rate=self._rate,
        )

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make the pictures that are compared; refine the time base where frames will be moved."""
        self._begin_film(incoming.rate)
        self._units = FINE_UNITS if self._retime and incoming.rate is not None else 1
        self._time_base = incoming.time_base / self._units
        interval = None if self._units == 1 or incoming.rate is None else 1 / (incoming.rate * self._time_base)
        self._times = TrueTimes(interval)
        self._step = max(1, round(sqrt(incoming.height * incoming.width / GRAIN_PIXELS)))
        grain = (ceil(incoming.height / self._step), ceil(incoming.width / self._step))
        self._meter = DifferenceMeter(*grain)
        self._grains = BufferPool(grain, prepare=LOOK_AHEAD + 4)
        self._smalls = BufferPool(LOOK_SIZE, prepare=LOOK_AHEAD + MEMORY + 2)
        return replace(incoming, time_base=self._time_base)

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the pictures about which everything is known."""
        self._look(frame)
        if len(self._ahead) > LOOK_AHEAD and (settled := self._settle()) is not None:
            yield settled

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        """Yield the rest of the film."""
        while self._ahead:
            if (settled := self._settle()) is not None:
                yield settled
        if (last := self._let_go()) is not None:
            yield last

    def reset(self) -> None:
        """Forget the frames held; what was learnt of the film stays."""
        while self._ahead:
            look = self._ahead.popleft()
            look.frame.release()
            look.grain.release()
            look.small.release()
        while self._past:
            self._past.popleft().release()
        self._newest = _swap(self._newest, None)
        self._unique = _swap(self._unique, None)
        if self._held is not None:
            self._held.release()
            self._held = None

    def close(self) -> None:
        """Give frames and buffers back; `cadence` stays readable."""
        self.reset()

    def _look(self, frame: Frame) -> None:
        """Take down what will be compared of a frame. Of R'G'B' green alone is looked at: it is most of luma."""
        plane = frame.pixels[len(frame.pixels) // 2]
        grain, small = self._grains.lease(), self._smalls.lease()
        np.copyto(grain.array, plane[:: self._step, :: self._step])
        cv2.resize(grain.array, LOOK_SIZE[::-1], dst=small.array, interpolation=cv2.INTER_AREA)
        change = None if self._newest is None else self._meter.compare(self._newest.array, grain.array)
        self._newest = _swap(self._newest, grain)
        self._ahead.append(Look(frame=frame, grain=grain, small=small, change=change))
        self._frames += 1

    def _settle(self) -> Frame | None:
        """Judge the oldest frame that waits: a new shot, a new picture, or a repeat of the one held.

        Returns the picture that is let go for it, if any. Nothing is held by this function alone when it is handed
        out, so that a run may be broken off there.
        """
        look = self._ahead.popleft()
        if self._held is None or self._is_cut(look):
            settled = self._let_go()
            self._begin_shot(look)
        elif self._is_repeat(look):
            settled = self._take_out(look.frame)
        else:
            settled = self._let_go()
            self._begin_picture(look)
        self._past.append(look.small)
        if len(self._past) > MEMORY:
            self._past.popleft().release()
        look.grain.release()
        return settled

    def _is_cut(self, look: Look) -> bool:
        past = [lease.array for lease in self._past]
        coming = [ahead.small.array for ahead in self._ahead]
        return self._cuts.is_cut(past, look.small.array, coming[:FLASH])

    def _is_repeat(self, look: Look) -> bool:
        assert self._unique is not None
        pattern = self._tracker.pattern
        difference = look.change if self._repeats_in_row == 0 else None
        if difference is None:
            difference = self._meter.compare(self._unique.array, look.grain.array)
        return self._judge.is_repeat(
            difference,
            [ahead.change for ahead in self._ahead if ahead.change is not None],
            is_expected=pattern is not None and pattern.expects_repeat(look.frame.index),
        )

    def _begin_shot(self, look: Look) -> None:
        """Hold the first frame of a shot."""
        while self._past:
            self._past.popleft().release()
        self._judge.reset()
        self._tracker.interrupt()
        look.change = None
        self._begin_picture(look)
        assert self._held is not None
        self._held.flags |= FrameFlags.SCENE_CUT
        self.shots += 1

    def _begin_picture(self, look: Look) -> None:
        """Hold a frame that shows something new."""
        if look.change is not None:
            self._judge.note_new(look.change)
        self._tracker.add(look.frame.index, is_new=True)
        self._repeats_in_row = 0
        self._unique = _swap(self._unique, look.grain)
        self._hold(look.frame)

    def _hold(self, frame: Frame) -> None:
        """Keep a frame until its repeats are known."""
        frame.pts *= self._units
        frame.time_base = self._time_base
        self._held = frame

    def _take_out(self, frame: Frame) -> Frame | None:
        """Note a repeat with the frame held, or, where that has waited long, let that go and hold the repeat."""
        held = self._held
        assert held is not None
        self.repeats_found += 1
        self._repeats_in_row += 1
        self._tracker.add(frame.index, is_new=False)
        if self._stands_still:
            self._tracker.interrupt()
        if frame.time - held.time >= LONGEST_WAIT:
            settled = self._let_go()
            frame.flags |= FrameFlags.REPEATED
            self._hold(frame)
            return settled
        held.repeats = (*held.repeats, frame.pts * self._units)
        if frame.duration is not None:
            held.duration = frame.time + frame.duration - held.time
        frame.release()
        return None

    @property
    def _stands_still(self) -> bool:
        pattern = self._tracker.pattern
        return self._repeats_in_row >= STILL_REPEATS and (
            pattern is None or self._repeats_in_row > pattern.longest_hold
        )

    def _let_go(self) -> Frame | None:
        """Return the frame held, at its true time; release it where its shot is finished already."""
        frame, self._held = self._held, None
        if frame is None:
            return None
        frame.shot = self.shots - 1
        own_time, pattern = frame.time, self._tracker.pattern
        if self._stands_still and frame.repeats:
            frame.hold_until = frame.repeats[-1] * frame.time_base
            pattern = None
        frame.pts = self._times.move(frame.pts, None if pattern is None else pattern.interval)
        if frame.duration is not None:
            frame.duration += own_time - frame.time
        if frame.shot < self.first_shot:
            frame.release()
            return None
        if self._keep_original:
            frame.original, frame.original_leases = frame.pixels, frame.leases
            for lease in frame.leases:
                lease.retain()
        return frame


def inspect_film(frames: Iterable[Frame], spec: FrameSpec) -> FilmCadence:
    """Inspect a film without restoring it.

    Parameters
    ----------
    frames : of the film; released
    spec : what they are like
    """
    stage = Inspect(retime=False)
    stage.open(spec)
    try:
        for frame in frames:
            for seen in stage.push(frame):
                seen.release()
        for seen in stage.flush(None):
            seen.release()
    finally:
        stage.close()
    return stage.cadence


def _swap(old: Lease | None, new: Lease | None) -> Lease | None:
    """Return `new` with one more holder, in place of `old`, which is released."""
    if new is not None:
        new.retain()
    if old is not None:
        old.release()
    return new
