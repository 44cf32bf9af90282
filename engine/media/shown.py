"""How many pictures a coded packet shows, for whoever counts what a decoder gives for it."""

from collections.abc import Callable, Iterator, Mapping

_PICTURE_START = b"\x00\x00\x01\x00"
"""Of MPEG-2 (ISO/IEC 13818-2, 6.2.3); a packet without one is a header alone."""

_SUPERFRAME, _SUPERFRAME_BITS = 0b110_00_000, 0b111_00_000
"""First three bits of the last byte of a VP9 packet that holds several frames (VP9 specification, annex B)."""


def _always_one(packet: bytes) -> int:
    return 1


def _of_mpeg2(packet: bytes) -> int:
    return int(_PICTURE_START in packet)


def _of_vp9(packet: bytes) -> int:
    return sum(_is_shown(frame[0]) for frame in _vp9_frames(packet) if frame)


def _vp9_frames(packet: bytes) -> Iterator[bytes]:
    """Yield the frames of a packet: itself, or what its index at the end lists."""
    mark = packet[-1]
    count, width = (mark & 7) + 1, ((mark >> 3) & 3) + 1
    first = len(packet) - 2 - count * width  # the index begins and ends with the mark
    if mark & _SUPERFRAME_BITS != _SUPERFRAME or first < 0 or packet[first] != mark:
        yield packet
        return
    at = 0
    for place in range(first + 1, first + 1 + count * width, width):
        size = int.from_bytes(packet[place : place + width], "little")
        yield packet[at : at + size]
        at += size


def _is_shown(byte: int) -> bool:
    """Return whether a VP9 frame that begins with this byte is shown, or shows an earlier one again (6.2)."""
    has_high_profile = byte & 0b0011_0000 == 0b0011_0000  # profile 3 has a reserved bit behind it
    show_existing = 0b0000_0100 if has_high_profile else 0b0000_1000
    return bool(byte & (show_existing | show_existing >> 2))


SHOWN: Mapping[str, Callable[[bytes], int]] = {
    "h264": _always_one,
    "hevc": _always_one,
    "av1": _always_one,
    "mpeg2video": _of_mpeg2,
    "vp9": _of_vp9,
}
"""FFmpeg's name of a codec → pictures that a packet of it shows. Fields that are coded one by one can be two packets.

AV1's packets are temporal units: whatever else is in one, it shows one picture (AV1 specification, 7.5)."""
