"""Which frames of a padded film are new, as a pattern that repeats itself, and the even motion behind it.

Film of 24 pictures a second is padded to 30 frames by showing every fourth picture twice; other rates give other
patterns. A pattern is found by folding the last frames at every period up to `LONGEST_PERIOD` and asking at which one
frames of the same phase agree.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

LONGEST_PERIOD = 25
"""Frames; 16 new ones in 25 is film of 16 pictures a second shown at 25."""

HISTORY = 60
"""Frames that a pattern is looked for in: 48 new ones of 60 where four of five are new."""

ENOUGH = 20
"""Frames that must be known before a pattern is looked for or dropped; also at least two of its periods."""

SEARCH_EVERY = 12
"""Frames after which a better pattern is looked for even where the known one still fits."""

FRAMES_PER_MISFIT = 16
"""Frames by which a longer period must be paid for with one misfit less."""

MISFITS = 0.08
"""Part of the frames that may disagree with a pattern: codecs redraw repeats at key frames, and then they look new."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A period of frames and which of its phases are new.

    is_new : for each phase, the frame's index modulo the period
    """

    is_new: tuple[bool, ...]

    @property
    def period(self) -> int:
        """Frames after which the pattern begins again."""
        return len(self.is_new)

    @property
    def new(self) -> int:
        """New frames in a period."""
        return sum(self.is_new)

    @property
    def interval(self) -> Fraction:
        """Frames from one picture of the true motion to the next."""
        return Fraction(self.period, self.new)

    @property
    def longest_hold(self) -> int:
        """Repeats in a row, at most."""
        phases = "".join("n" if new else "r" for new in self.is_new * 2)
        return max(len(run) for run in phases.split("n"))

    @property
    def is_even(self) -> bool:
        """Whether it is what evenly spaced pictures leave: intervals that differ by one frame at most."""
        places = [place for place, new in enumerate(self.is_new * 2) if new]
        intervals = [after - before for before, after in pairwise(places)]
        return bool(intervals) and max(intervals) - min(intervals) <= 1

    def turned(self) -> "Pattern":
        """Return the same pattern at the phase that all its turns have in common."""
        return Pattern(max(self.is_new[phase:] + self.is_new[:phase] for phase in range(self.period)))

    def expects_repeat(self, index: int) -> bool:
        """Say whether the frame with this index should be a repeat."""
        return not self.is_new[index % self.period]

    def __str__(self) -> str:
        if self.new == self.period:
            return "every frame unique"
        return f"{self.new} of {self.period} frames unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCadence:
    """What was found in a film.

    frames : that came in
    shots, repeats : found among them
    pattern : that most frames followed; None where they follow none
    rate : frames per second as the film says, None where it varies
    """

    frames: int
    shots: int
    repeats: int
    pattern: Pattern | None
    rate: Fraction | None

    @property
    def is_regular(self) -> bool:
        """Whether most of the film follows one pattern."""
        return self.pattern is not None

    @property
    def true_rate(self) -> Fraction | None:
        """Pictures per second of the motion itself: exact by the pattern, else the mean; None where the rate varies."""
        if self.rate is None or self.frames == 0:
            return None
        if self.pattern is not None:
            return self.rate / self.pattern.interval
        return self.rate * (self.frames - self.repeats) / self.frames

    def __str__(self) -> str:
        rate = "varying rate" if self.true_rate is None else f"true rate {float(self.true_rate):.4g} fps"
        if self.pattern is not None:
            return f"{self.pattern}, {rate}"
        return f"no regular cadence, {self.frames - self.repeats} of {self.frames} frames unique, {rate} on average"


class CadenceTracker:
    """Learns the pattern of a film frame by frame.

    Attributes
    ----------
    pattern : found in the last frames; None while they follow none
    """

    def __init__(self) -> None:
        self.pattern: Pattern | None = None
        self._flags: deque[bool] = deque(maxlen=HISTORY)
        self._end = 0
        self._frames: Counter[Pattern | None] = Counter()

    def add(self, index: int, *, is_new: bool) -> None:
        """Take note of a frame."""
        if index != self._end:
            self._flags.clear()
        self._flags.append(is_new)
        self._end = index + 1
        if len(self._flags) >= ENOUGH and (index % SEARCH_EVERY == 0 or not self._still_fits()):
            self.pattern = find_pattern(list(self._flags), self._end - len(self._flags))
        if len(self._flags) >= ENOUGH:
            self._frames[None if self.pattern is None else self.pattern.turned()] += 1

    def interrupt(self) -> None:
        """Note that the pattern may begin anew: a cut, or a picture that really stands still."""
        self._flags.clear()

    def main_pattern(self) -> Pattern | None:
        """Return the pattern that most frames followed, turned to a phase of its own."""
        if self._frames:
            return self._frames.most_common(1)[0][0]
        return Pattern((True,)) if all(self._flags) else None

    def _still_fits(self) -> bool:
        first = self._end - len(self._flags)
        return self.pattern is not None and misfits(self._flags, first, self.pattern) <= MISFITS * len(self._flags)


def find_pattern(flags: Sequence[bool], first_index: int) -> Pattern | None:
    """Return the even pattern that the flags follow best, a longer one only where it pays, or None.

    Parameters
    ----------
    flags : of frames in a row, True for new ones
    first_index : index of the first
    """
    best, best_cost = None, float("inf")
    for period in range(1, min(LONGEST_PERIOD, len(flags) // 2) + 1):
        phases = [flags[(phase - first_index) % period :: period] for phase in range(period)]
        pattern = Pattern(tuple(2 * sum(phase) > len(phase) for phase in phases))
        if not pattern.is_even:
            continue
        missed = misfits(flags, first_index, pattern)
        cost = missed + period / FRAMES_PER_MISFIT
        if missed <= MISFITS * len(flags) and cost < best_cost:
            best, best_cost = pattern, cost
    return best


def misfits(flags: Iterable[bool], first_index: int, pattern: Pattern) -> int:
    """Count the frames that are new where the pattern has a repeat, or the other way round."""
    return sum(flag == pattern.expects_repeat(index) for index, flag in enumerate(flags, first_index))
