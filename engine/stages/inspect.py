"""Looks at the film before it is restored: where shots begin, which frames repeat others, how fast it truly moves."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from engine.frame import Frame
from engine.stages.base import Stage
from engine.stages.cadence import CadenceTracker, FilmCadence
from engine.stages.cuts import FLASH, MEMORY, CutDetector
from engine.stages.device.looks import LATE, DeviceLooks
from engine.stages.looks import HostLooks, Looks
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.repeats import Difference, RepeatJudge
from engine.stages.true_times import FINE_UNITS, TrueTimes
from engine.types import FrameFlags, FrameSpec

LOOK_AHEAD = 3
"""Frames behind the one being judged: of the difference to them a repeat is the dip, and a flash is over by then."""

STILL_REPEATS = 4
"""Repeats in a row that make a still picture rather than a cadence; 16 pictures in 60 frames leave up to three."""

LONGEST_WAIT = Fraction(1)
"""Seconds for which a repeated picture is held back before it goes out with the repeats found so far."""


@dataclass(slots=True)
class Look:
    """A frame that waits to be judged.

    number : by which `Looks` knows it
    has_change : whether it has a frame before it to differ from
    """

    frame: Frame
    number: int
    has_change: bool


class Inspect(Stage):
    """Numbers shots, takes repeats out, moves frames to the times of the true, even motion.

    Parameters
    ----------
    first_shot : frames of shots before this one are inspected and released, not passed on
    retime : move frames to the true motion; to be off where the film's own times are kept. Films whose rate varies
        are never retimed
    keep_original : let every frame carry the film's own picture, for comparison
    place : where it measures. On a device it judges `LATE` frames later, when the numbers have come by themselves

    Attributes
    ----------
    shots : found so far
    repeats_found : so far
    waits : how often the host had to wait for numbers of the device: at the film's end, and where frames come faster
        than they are measured
    """

    name = "inspect"

    def __init__(
        self, first_shot: int = 0, *, retime: bool = True, keep_original: bool = False, place: Place = HOST
    ) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        self._held_back = LOOK_AHEAD if self.device is None else LOOK_AHEAD + LATE
        self.look_ahead = self._held_back + 1
        self.first_shot, self._retime, self._keep_original = first_shot, retime, keep_original
        self._ahead: deque[Look] = deque()
        self._past: deque[int] = deque(maxlen=MEMORY)
        self._has_newest = False
        self._held: Frame | None = None
        self._begin_film(None)

    def _begin_film(self, rate: Fraction | None) -> None:
        self._rate = rate
        self._frames = self.shots = self.repeats_found = self.waits = 0
        self._repeats_in_row = 0
        self._tracker = CadenceTracker()
        self._cuts = CutDetector(self._likeness)
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
        """Make what is compared; refine the time base where frames will be moved."""
        self._place.open()
        self.stream = self._place.stream
        self._begin_film(incoming.rate)
        self._units = FINE_UNITS if self._retime and incoming.rate is not None else 1
        self._time_base = incoming.time_base / self._units
        interval = None if self._units == 1 or incoming.rate is None else 1 / (incoming.rate * self._time_base)
        self._times = TrueTimes(interval)
        self._looks = self._open_looks(incoming)
        return replace(incoming, time_base=self._time_base)

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the pictures about which everything is known."""
        self._look(frame)
        if len(self._ahead) > self._held_back and (settled := self._settle()) is not None:
            yield settled

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        """Yield the rest of the film."""
        if self._ahead:
            self.waits += self._looks.wait_for(self._ahead[-1].number)
        while self._ahead:
            if (settled := self._settle()) is not None:
                yield settled
        if (last := self._let_go()) is not None:
            yield last

    def reset(self) -> None:
        """Forget the frames held; what was learnt of the film stays."""
        while self._ahead:
            self._ahead.popleft().frame.release()
        self._past.clear()
        self._has_newest = False
        if self._held is not None:
            self._held.release()
            self._held = None

    def close(self) -> None:
        """Give frames and buffers back; `cadence` stays readable."""
        self.reset()

    def _open_looks(self, incoming: FrameSpec) -> Looks:
        if isinstance(self._place, DevicePlace):
            return DeviceLooks(self._place.operators, incoming.height, incoming.width, LOOK_AHEAD)
        return HostLooks(incoming.height, incoming.width, LOOK_AHEAD)

    def _look(self, frame: Frame) -> None:
        """Take down what will be compared of a frame."""
        self._ahead.append(Look(frame=frame, number=self._looks.see(frame.pixels), has_change=self._has_newest))
        self._has_newest = True
        self._frames += 1

    def _settle(self) -> Frame | None:
        """Judge the oldest frame that waits: a new shot, a new picture, or a repeat of the one held.

        Returns the picture that is let go for it, if any. Nothing is held by this function alone when it is handed
        out, so that a run may be broken off there. On a device the frame's pixels are there by then, and have been
        looked at: the host has seen numbers that were measured after both.
        """
        look, *coming = islice(self._ahead, 1 + LOOK_AHEAD)
        self.waits += self._looks.wait_for(coming[-1].number if coming else look.number)
        self._ahead.popleft()  # not before: a device that fails while it is waited for must not lose the frame
        if self._held is None or self._is_cut(look, coming):
            settled = self._let_go()
            self._begin_shot(look)
        elif self._is_repeat(look, coming):
            settled = self._take_out(look.frame)
        else:
            settled = self._let_go()
            self._begin_picture(look)
        self._past.append(look.number)
        return settled

    def _is_cut(self, look: Look, coming: Sequence[Look]) -> bool:
        return self._cuts.is_cut(list(self._past), look.number, [ahead.number for ahead in coming[:FLASH]])

    def _is_repeat(self, look: Look, coming: Sequence[Look]) -> bool:
        pattern = self._tracker.pattern
        difference = self._change(look) if self._repeats_in_row == 0 else None
        if difference is None:
            difference = self._looks.since_kept(look.number)
        return self._judge.is_repeat(
            difference,
            [change for ahead in coming if (change := self._change(ahead)) is not None],
            is_expected=pattern is not None and pattern.expects_repeat(look.frame.index),
        )

    def _likeness(self, first: int, second: int) -> float:
        return self._looks.likeness(first, second)

    def _change(self, look: Look) -> Difference | None:
        """Return the difference to the frame before it; None for the first one seen."""
        return self._looks.change(look.number) if look.has_change else None

    def _begin_shot(self, look: Look) -> None:
        """Hold the first frame of a shot."""
        self._past.clear()
        self._judge.reset()
        self._tracker.interrupt()
        look.has_change = False
        self._begin_picture(look)
        assert self._held is not None
        self._held.flags |= FrameFlags.SCENE_CUT
        self.shots += 1

    def _begin_picture(self, look: Look) -> None:
        """Hold a frame that shows something new."""
        if (change := self._change(look)) is not None:
            self._judge.note_new(change)
        self._tracker.add(look.frame.index, is_new=True)
        self._repeats_in_row = 0
        self._looks.keep(look.number)
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
