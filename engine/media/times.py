"""When each picture is shown: exact, strictly increasing times out of whatever timestamps a film has.

Pure arithmetic, no film: the tests feed it numbers.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from engine.media.losses import Losses

_EVEN_SHARE = 0.95
_JUMP_SECONDS = 10
_FALLBACK_RATE = Fraction(25)


def even_rate(times: Sequence[int], time_base: Fraction, candidates: Iterable[Fraction | None]) -> Fraction | None:
    """Return the rate whose grid the timestamps stand on, None where the rate varies.

    A rate fits where all timestamps but one in twenty are within one unit of `first + n / rate` and at least as many
    steps are of one frame: a container that counts milliseconds still holds 24000/1001.

    Parameters
    ----------
    times : presentation or decode times in units of `time_base`; any order
    candidates : in order of preference
    """
    ordered = np.unique(np.asarray(times, np.int64))
    for rate in dict.fromkeys(candidates):
        if rate is not None and 0 < rate <= 1000 and _fits(ordered, float(time_base * rate)):
            return rate
    return None


def _fits(times: npt.NDArray[np.int64], slots_per_unit: float) -> bool:
    if len(times) < 2:
        return True
    slots = (times - times[0]) * slots_per_unit  # only compared, never kept as times, so floats do
    near = np.abs(slots - np.rint(slots)) <= slots_per_unit + 1e-6
    single = np.diff(np.rint(slots)) == 1
    return bool(near.mean() >= _EVEN_SHARE and single.mean() >= _EVEN_SHARE)


def exact_time_base(start: Fraction, rate: Fraction | None, time_base: Fraction) -> Fraction:
    """Return a unit 1/n in which every time of a film is a whole number."""
    step = time_base if rate is None else 1 / rate
    return Fraction(1, lcm(start.denominator, step.denominator))


class FilmClock:
    """Gives each picture its time, in order.

    Films of an even rate stand on the grid `start + n / rate` exactly; a picture nearer than half a step to its slot is
    put there. Where the rate varies timestamps are kept. Either way times strictly increase and missing timestamps
    follow from the step. One timestamp that is more than ten seconds off is not believed; when the next agrees with it,
    the film really pauses (forward) or counts anew (back: joined recordings), and what follows is moved behind.

    Parameters
    ----------
    start : time of the first picture, seconds
    rate : pictures per second; None where it varies
    unit : seconds; the least step where the rate varies
    losses : counts what is repaired
    """

    def __init__(self, start: Fraction, rate: Fraction | None, unit: Fraction, losses: Losses) -> None:
        self._start, self._rate, self._unit, self._losses = start, rate, unit, losses
        self._offset = Fraction(0)
        self._last: Fraction | None = None
        self._wild: Fraction | None = None
        self._step = 1 / (rate or _FALLBACK_RATE)

    def time(self, told: Fraction | None, duration: Fraction | None) -> Fraction:
        """Return the time of the next picture, from the time and duration that the film tells; all in seconds."""
        if self._rate is None and duration:
            self._step = duration
        if self._last is None:
            self._last = self._start
            self._losses.derived_times += told is None
        else:
            self._last = self._next(self._last, told)
        return self._last

    def _next(self, last: Fraction, told: Fraction | None) -> Fraction:
        expected = last + self._step
        if told is None:
            self._losses.derived_times += 1
            return expected
        time = told + self._offset
        if abs(time - last) <= _JUMP_SECONDS:
            self._wild = None
        elif not self._is_confirmed(time):
            self._losses.repaired_times += 1
            return expected
        elif time < last:
            self._offset += expected - time
            return expected
        return self._on_grid(last, time) if self._rate is not None else self._after(last, time)

    def _is_confirmed(self, time: Fraction) -> bool:
        wild, self._wild = self._wild, time
        return wild is not None and abs(time - wild) <= _JUMP_SECONDS

    def _on_grid(self, last: Fraction, time: Fraction) -> Fraction:
        assert self._rate is not None
        slot, last_slot = round((time - self._start) * self._rate), round((last - self._start) * self._rate)
        if slot <= last_slot:
            slot = last_slot + 1
            self._losses.repaired_times += 1
        self._losses.missing_frames += slot - last_slot - 1
        return self._start + slot / self._rate

    def _after(self, last: Fraction, time: Fraction) -> Fraction:
        if time > last:
            return time
        self._losses.repaired_times += 1
        return last + max(self._step / 2 // self._unit, 1) * self._unit
