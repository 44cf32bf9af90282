"""Coded packets as PyAV gives them: their type for readers of this code, their times as exact fractions."""

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.packet import Packet

from engine.media.exact import exact

if TYPE_CHECKING:
    AnyPacket = Packet[Any]
else:
    AnyPacket = Packet  # generic in the stubs alone

__all__ = ["AnyPacket", "common_unit", "decode_time", "unit_of"]

_SMALLEST_UNIT = Fraction(1, 2**31 - 1)


def unit_of(timed: Any) -> Fraction:
    """Return the seconds in which a packet, frame or stream counts."""
    unit = exact(timed.time_base)
    assert unit is not None
    return unit


def common_unit(unit: Fraction, moment: Fraction) -> Fraction:
    """Return the largest 1/n s in which every multiple of `unit` and the `moment` are whole.

    FFmpeg counts in 32 bits: where n would not fit, 1 / the unit's own denominator, and the moment is to be rounded.
    """
    fine = Fraction(1, math.lcm(unit.denominator, moment.denominator))
    return fine if fine >= _SMALLEST_UNIT else Fraction(1, unit.denominator)


def decode_time(packet: AnyPacket) -> Fraction:
    """Return when a packet is to be decoded, seconds."""
    assert packet.dts is not None
    return packet.dts * unit_of(packet)
