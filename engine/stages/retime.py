"""The even grid of times on which a film with another rate is shown. Exact: fractions in, integers out."""

from fractions import Fraction
from math import ceil, gcd

TOLERANCE = Fraction(1, 32)
"""A source frame this close to a grid time, in intervals of the faster of the two rates, is shown as it is.

Containers round times (Matroska to 1 ms, a fortieth of a frame at 24 fps); a picture made for 1/32 of an interval would
differ from the source frame by a resampling blur and nothing else.
"""


class Grid:
    """Times `start + number / rate`.

    Parameters
    ----------
    start : time of the film's first frame, seconds
    rate : of the grid, per second
    source_rate : of the film, None where it varies

    Attributes
    ----------
    time_base : seconds per unit; each grid time is a whole number of it
    """

    def __init__(self, start: Fraction, rate: Fraction, source_rate: Fraction | None) -> None:
        self.start, self.rate = start, rate
        self._tolerance = TOLERANCE / max(rate, source_rate or rate)
        self.time_base = common_unit(start, 1 / rate)

    def first_at(self, time: Fraction) -> int:
        """Return the number of the first grid time that a picture from `time` on can fill."""
        return ceil((time - self._tolerance - self.start) * self.rate)

    def time(self, number: int) -> Fraction:
        """Return a grid time in seconds."""
        return self.start + number / self.rate

    def pts(self, number: int) -> int:
        """Return a grid time in units of `time_base`."""
        return int(self.time(number) / self.time_base)

    def is_at(self, number: int, time: Fraction) -> bool:
        """Say whether a picture at `time` is as good as one at the grid time, which it may also follow."""
        return self.time(number) <= time + self._tolerance


def common_unit(first: Fraction, second: Fraction) -> Fraction:
    """Return the largest fraction of which both are whole multiples."""
    numerator = gcd(first.numerator * second.denominator, second.numerator * first.denominator)
    return Fraction(numerator, first.denominator * second.denominator)
