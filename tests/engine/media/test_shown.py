"""How many pictures packets show, against what FFmpeg decodes of them."""

from pathlib import Path

import av
import pytest

from engine.media.shown import SHOWN
from tests.support.films import write_film
from tests.support.reading import scene

HIDDEN = 0b1111_1101
"""All but the bit of a VP9 frame of profile 0 that says that it is shown."""


def packets_of(path: Path) -> tuple[str, list[bytes], int]:
    """Return a film's codec, its packets, and how many pictures FFmpeg decodes of them."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        packets = [packet for packet in film.demux(stream) if packet.size]
        pictures = sum(len(stream.decode(packet)) for packet in (*packets, None))
        return stream.codec_context.codec.canonical_name, [bytes(packet) for packet in packets], pictures


def decoded(packets: list[bytes]) -> int:
    """Return how many pictures FFmpeg decodes of VP9 packets."""
    decoder = av.CodecContext.create("vp9", "r")
    return sum(len(decoder.decode(packet)) for packet in (*map(av.Packet, packets), None))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "2"}),
        ("a.mkv", "libx265", {}),
        ("a.mp4", "libsvtav1", {"preset": "10"}),
        ("a.webm", "libsvtav1", {"preset": "10"}),
        ("a.ts", "mpeg2video", {"bf": "2"}),
        ("a.mpg", "mpeg2video", {"bf": "2"}),
        ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ],
)
def test_packets_show_as_many_pictures_as_are_decoded(tmp_path, name, codec, options):
    path = write_film(tmp_path / name, scene(20, 64, 64), codec=codec, options=options)
    codec_name, packets, pictures = packets_of(path)
    assert pictures == 20
    assert sum(map(SHOWN[codec_name], packets)) == 20


def with_hidden(packets: list[bytes]) -> list[bytes]:
    """Return VP9 packets whose key frames are not shown, as alternative references are not.

    A key frame's header is the same but for that bit.
    """
    made = [bytes([packet[0] & HIDDEN]) + packet[1:] if is_key(packet) else packet for packet in packets]
    assert made != packets
    return made


def is_key(packet: bytes) -> bool:
    return not packet[0] & 0b0000_0100


def superframe(*frames: bytes) -> bytes:
    """Return VP9 frames as one packet (annex B), sizes in two bytes."""
    mark = bytes([0b110_01_000 | (len(frames) - 1)])
    return b"".join(frames) + mark + b"".join(len(frame).to_bytes(2, "little") for frame in frames) + mark


def test_vp9_frames_that_are_not_shown_do_not_count_alone_or_with_others(tmp_path):
    options = {"deadline": "realtime", "cpu-used": "8", "g": "5"}
    _, packets, _ = packets_of(write_film(tmp_path / "a.webm", scene(20, 64, 64), codec="libvpx-vp9", options=options))
    alone = with_hidden(packets)
    hidden = sum(map(is_key, packets))
    assert hidden >= 4
    assert [SHOWN["vp9"](packet) for packet in alone] == [int(not is_key(packet)) for packet in packets]
    assert decoded(alone) == sum(map(SHOWN["vp9"], alone)) == 20 - hidden
    together: list[bytes] = []
    for packet, frame in zip(packets, alone, strict=True):
        if together and SHOWN["vp9"](together[-1]) == 0 and not is_key(packet):
            together[-1] = superframe(together[-1], frame)
        else:
            together.append(frame)
    assert len(together) == 20 - hidden
    assert decoded(together) == sum(map(SHOWN["vp9"], together)) == 20 - hidden


def test_a_superframe_may_show_an_earlier_frame_again_and_profile_3_has_one_bit_more():
    assert SHOWN["vp9"](bytes([0b1000_1000])) == 1  # show_existing_frame
    assert SHOWN["vp9"](bytes([0b1011_0100, 0])) == 1  # the same in profile 3
    assert SHOWN["vp9"](bytes([0b1011_0001, 0])) == 1  # show_frame in profile 3
    assert SHOWN["vp9"](bytes([0b1011_0000, 0])) == 0
    assert SHOWN["vp9"](bytes([0b110_00_000])) == 0  # a mark without an index is no superframe: frame marker 3


def test_an_mpeg2_packet_without_a_picture_shows_none():
    assert SHOWN["mpeg2video"](bytes.fromhex("000001b7")) == 0  # the end of a sequence
