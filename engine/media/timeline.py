"""Decode times and durations of coded frames that come from many encoders, one after the other.

Encoders that reorder frames give each a decode time (dts) that counts from their own first frame; put end to end these
would overlap. Here they are made anew for the whole film: a packet's dts is the pts of the frame shown `delay` frames
earlier, the rule that x264 itself follows. Since no encoder codes more than `delay` packets between a frame and the
ones shown before it, dts never exceeds pts, and it strictly increases because the pts do.
"""

import bisect
import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from engine.errors import InternalError
from engine.media.packets import AnyPacket

_LOOK_AHEAD = 64
"""Packets read ahead to find the frame shown next; encoders put at most 16 frames in between."""


def timed(packets: Iterable[AnyPacket], *, delay: int, tail: Sequence[int], end: int) -> Iterator[AnyPacket]:
    """Set `dts` and `duration` of a whole film's packets.

    The first `delay` decode times lie before the film. They are chosen so that the sum of all steps of dts and the last
    packet's duration, which MP4 keeps, is the length of the film, even where the rate varies.

    Parameters
    ----------
    packets : in coded order, `pts` set, all in one time base
    delay : frames by which coding runs ahead of showing
    tail : pts of the film's last frames, more than `delay` if there are so many
    end : pts at which the last frame ends

    Raises
    ------
    InternalError
        An encoder reorders more than `delay` says.
    """
    lead = max(delay, tail[-1] - tail[-1 - delay]) if len(tail) > delay else delay * (end - tail[-1])
    coded: list[int] = []  # pts of the packets that have come, a heap; the smallest `delay` frames ago is the next dts
    held: AnyPacket | None = None
    for number, packet in enumerate(_with_durations(packets, end)):
        assert packet.pts is not None
        heapq.heappush(coded, packet.pts)
        packet.dts = heapq.heappop(coded) if number >= delay else coded[0] - lead + number * lead // delay
        if packet.dts > packet.pts or (held is not None and held.dts is not None and packet.dts <= held.dts):
            raise InternalError(f"packet {number} at {packet.pts}: its encoder reorders more than {delay} frames")
        if held is not None:
            yield held
        held = packet
    if held is not None:
        held.duration = end - tail[-1]
        yield held


def _with_durations(packets: Iterable[AnyPacket], end: int) -> Iterator[AnyPacket]:
    waiting: deque[AnyPacket] = deque()
    shown: list[int] = []  # pts around those that wait, in the order of showing
    for packet in packets:
        assert packet.pts is not None
        waiting.append(packet)
        bisect.insort(shown, packet.pts)
        if len(waiting) > _LOOK_AHEAD:
            yield _lasting(waiting.popleft(), shown, end)
            del shown[: max(0, len(shown) - 3 * _LOOK_AHEAD)]
    while waiting:
        yield _lasting(waiting.popleft(), shown, end)


def _lasting(packet: AnyPacket, shown: list[int], end: int) -> AnyPacket:
    assert packet.pts is not None
    following = bisect.bisect_right(shown, packet.pts)
    packet.duration = (shown[following] if following < len(shown) else end) - packet.pts
    return packet
