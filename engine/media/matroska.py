"""Tell a Matroska file how wide its pixels are.

FFmpeg's muxer takes the pixels' aspect from a field of the stream that PyAV does not reach. H.264 and H.265 carry it in
their own headers; for AV1, ProRes and FFV1 it would be lost. So the film is muxed with a placeholder for the track's
name, whose room is then given to DisplayWidth and DisplayHeight: no byte of the file moves.

References
----------
RFC 8794 (EBML), sections 4 to 5 and 11.3.1; RFC 9559 (Matroska), section 5.1.4.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.errors import InternalError

PLACEHOLDER = "farshore: room for the shape of a pixel"
"""Track name to be muxed, and overwritten by `set_sample_aspect`."""

_SEGMENT, _TRACKS, _TRACK_ENTRY = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
_NAME, _VIDEO, _VOID, _CRC = b"\x53\x6e", b"\xe0", b"\xec", b"\xbf"
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = b"\x54\xb0", b"\x54\xba", b"\x54\xb2"
_PIXEL_WIDTH, _PIXEL_HEIGHT = b"\xb0", b"\xba"
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Element:
    """One EBML element: its identifier, its content's place in the buffer, [start, end), and where it begins."""

    identifier: bytes
    begin: int
    start: int
    end: int


def set_sample_aspect(path: Path, aspect: Fraction) -> None:
    """Write the display size into a file whose picture track is named `PLACEHOLDER`.

    Parameters
    ----------
    path : a Matroska or WebM file, finished
    aspect : width of a pixel ÷ its height; the display's width is rounded to whole pixels, as Matroska wants it
    """
    with path.open("r+b") as file:
        head = bytearray(file.read(_HEAD_BYTES))
        tracks, entry = _find_entry(head)
        content = _with_display_size(head, entry, aspect)
        assert len(content) == entry.end - entry.start
        head[entry.start : entry.end] = content
        _renew_checksum(head, tracks)
        file.seek(tracks.start)
        file.write(head[tracks.start : tracks.end])


def _find_entry(head: bytearray) -> tuple[_Element, _Element]:
    segment = next(e for e in _elements(head, 0, len(head)) if e.identifier == _SEGMENT)
    for tracks in _elements(head, segment.start, len(head)):
        if tracks.identifier != _TRACKS or tracks.end > len(head):
            continue
        for entry in _elements(head, tracks.start, tracks.end):
            children = _elements(head, entry.start, entry.end) if entry.identifier == _TRACK_ENTRY else ()
            if any(c.identifier == _NAME and bytes(head[c.start : c.end]) == PLACEHOLDER.encode() for c in children):
                return tracks, entry
    raise InternalError("Matroska file: the picture track's placeholder is not where it was written")


def _with_display_size(head: bytearray, entry: _Element, aspect: Fraction) -> bytes:
    """Return the track's content with the display's size in the place of its name, and as long as before."""
    made = b""
    for child in _elements(head, entry.start, entry.end):
        if child.identifier == _VIDEO:
            made += _element(_VIDEO, _video_content(head, child, aspect))
        elif child.identifier != _NAME:
            made += head[child.begin : child.end]
    room = entry.end - entry.start - len(made)
    return made + _VOID + bytes([0x80 | room - 2]) + bytes(room - 2)


def _video_content(head: bytearray, video: _Element, aspect: Fraction) -> bytes:
    """Return the picture's properties with the display's size in pixels; FFmpeg had said that its unit is unknown."""
    kept = [c for c in _elements(head, video.start, video.end) if c.identifier != _DISPLAY_UNIT]
    sizes = {c.identifier: int.from_bytes(head[c.start : c.end], "big") for c in kept}
    width, height = round(sizes[_PIXEL_WIDTH] * aspect), sizes[_PIXEL_HEIGHT]
    display = _element(_DISPLAY_WIDTH, width.to_bytes(4, "big")) + _element(_DISPLAY_HEIGHT, height.to_bytes(4, "big"))
    return b"".join(head[c.begin : c.end] for c in kept) + display


def _renew_checksum(head: bytearray, tracks: _Element) -> None:
    first = next(_elements(head, tracks.start, tracks.end))
    if first.identifier == _CRC:
        head[first.start : first.end] = zlib.crc32(head[first.end : tracks.end]).to_bytes(4, "little")


def _element(identifier: bytes, content: bytes) -> bytes:
    return identifier + (1 << 14 | len(content)).to_bytes(2, "big") + content


def _elements(head: bytearray, place: int, end: int) -> Iterator[_Element]:
    while place < end and head[place]:
        begin = place
        identifier_bytes = 9 - head[place].bit_length()
        identifier = bytes(head[place : place + identifier_bytes])
        place += identifier_bytes
        size_bytes = 9 - head[place].bit_length()
        size = int.from_bytes(head[place : place + size_bytes], "big") & ((1 << 7 * size_bytes) - 1)
        start = place + size_bytes
        place = start + size
        yield _Element(identifier, begin, start, place)
