"""Moves the frames of a padded film back to the times at which their motion was even."""

from fractions import Fraction
from math import ceil

FINE_UNITS = 240
"""Units of the outgoing time base in one of the incoming: divisible by 1 to 6, 8, 10, 12, 15, 16, 20, 24, ..."""


class TrueTimes:
    """Gives each new picture the time one interval of the true motion after the one before.

    A padded film shows a picture at the first frame at or after its true time, so the true time lies within one frame
    before it. That bound also brings the first pictures after a cut or a slip of the cadence into step.

    Parameters
    ----------
    frame_units : from one frame of the film to the next, in units of `pts`; None: nothing is moved
    """

    def __init__(self, frame_units: Fraction | None) -> None:
        self._frame_units = frame_units
        self._last: int | None = None

    def move(self, pts: int, interval: Fraction | None) -> int:
        """Return the true pts of a picture.

        Parameters
        ----------
        pts : at which the film shows it first
        interval : frames per picture of the true motion; None where the film follows no cadence
        """
        moved = pts
        if self._frame_units is not None and self._last is not None and interval is not None:
            due = round(self._last + interval * self._frame_units)
            moved = min(max(due, ceil(pts - self._frame_units)), pts)
        self._last = moved
        return moved
