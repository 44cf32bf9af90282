"""Timecode of a film's first picture, carried from one frame rate to another."""

import re
from collections.abc import Mapping
from fractions import Fraction

_PATTERN = re.compile(r"^(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)$")


def convert_timecode(text: str, before: Fraction | None, after: Fraction | None) -> str | None:
    """Return the timecode of the same moment at another rate; None where `text` is no timecode.

    Parameters
    ----------
    text : HH:MM:SS:FF, with ; before FF for drop-frame counting
    before, after : pictures per second; where one is None (it varies) the number of the frame is kept if it fits

    Drop-frame counting (numbers left out so that 29.97 pictures a second keep up with the clock) exists for 30000/1001
    and its multiples alone; at other rates the mark becomes a colon.
    """
    match = _PATTERN.match(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, mark, frame = match.groups()
    number = int(frame)
    if before is not None and after is not None and before != after:
        number = int(number * after / before)
    if after is not None:
        number = min(number, _ceiling(after) - 1)
        counts_drops = after.denominator == 1001 and (after.numerator // 1000) % 30 == 0
        mark = ";" if mark != ":" and counts_drops else ":"
    return f"{hours}:{minutes}:{seconds}{mark}{number:02d}"


def find_timecode(*metadata: Mapping[str, str]) -> str | None:
    """Return the first timecode named in any of a file's metadata; Matroska spells the key in capitals."""
    for entries in metadata:
        for key, value in entries.items():
            if key.lower() == "timecode":
                return value
    return None


def _ceiling(rate: Fraction) -> int:
    return -(-rate.numerator // rate.denominator)
