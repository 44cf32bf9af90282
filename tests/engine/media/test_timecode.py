"""Timecode from one rate to another."""

from fractions import Fraction

import pytest

from engine.media.timecode import convert_timecode, find_timecode

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("text", "before", "after", "wanted"),
    [
        ("01:02:03:12", Fraction(24), Fraction(24), "01:02:03:12"),
        ("01:02:03:12", Fraction(24), Fraction(48), "01:02:03:24"),
        ("01:02:03:23", Fraction(24), Fraction(25), "01:02:03:23"),
        ("01:02:03:29", Fraction(30), Fraction(24), "01:02:03:23"),
        ("01:02:03;02", NTSC, 2 * NTSC, "01:02:03;04"),
        ("01:02:03;02", NTSC, Fraction(24), "01:02:03:01"),
        ("01:02:03:40", None, Fraction(24), "01:02:03:23"),
        ("01:02:03:12", Fraction(24), None, "01:02:03:12"),
        ("at noon", Fraction(24), Fraction(24), None),
    ],
)
def test_conversion(text: str, before: Fraction | None, after: Fraction | None, wanted: str | None) -> None:
    assert convert_timecode(text, before, after) == wanted


def test_finding() -> None:
    assert find_timecode({}, {"a": "b"}) is None
    assert find_timecode({"x": "y"}, {"TIMECODE": "00:00:00:01"}) == "00:00:00:01"
