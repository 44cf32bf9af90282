"""PyAV's rationals as `Fraction`s: up to 18 PyAV gives Fractions itself, from 19 on its own AVRational."""

from fractions import Fraction
from typing import Protocol


class Rational(Protocol):
    """What both have."""

    @property
    def numerator(self) -> int:
        """Above the line."""
        ...

    @property
    def denominator(self) -> int:
        """Below the line."""
        ...


def exact(value: Rational | None) -> Fraction | None:
    """Return `value` as a Fraction; None where it is absent or 0/0, which FFmpeg uses for "unknown"."""
    if value is None or not value.denominator:
        return None
    return Fraction(value.numerator, value.denominator)


def seconds(units: int | None, unit: Rational | None) -> Fraction | None:
    """Return `units` of `unit` seconds; None where either is unknown."""
    base = exact(unit)
    return None if units is None or base is None else units * base
