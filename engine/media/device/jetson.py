"""A Jetson's own decoder, by the system's GStreamer: PyAV's wheels for Arm have none of NVIDIA's.

PyAV demuxes, and FFmpeg's decoder makes the film's first picture. That says whether the Jetson's takes the film and how
its pictures are to be tagged, and is what the Jetson's first picture must look like; only then does it go on alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import av
import numpy as np

from engine.media.color import film_color
from engine.media.convert import ToChain
from engine.media.device.gstreamer import CodedStream, Elements, GstDecoder, PipelineError, why_no_elements
from engine.media.ffmpeg_errors import READING_ERRORS
from engine.media.film_source import FilmPacket
from engine.media.layout import coded_format
from engine.media.losses import Losses
from engine.media.upright import orientation_of
from engine.settings import InputSettings
from engine.types import PixelFormat, Planes

DECODER, DOWNLOAD = "nvv4l2decoder", "nvvidconv"
"""Elements; properties may follow."""

MOST_KEPT = 64
"""Packets within which both decoders must have made a picture; a decoder holds 16 pictures back at most."""
MOST_UNLIKE = 2.0
"""Codes of 8 bits, R'G'B', on average: decoders differ in nothing but how they conceal damage, MPEG-2's by rounding."""

_EIGHT_BITS = {"yuv420p": "nv12", "yuvj420p": "nv12"}
_TEN_BITS = {"yuv420p10le": "p010le"}
_BYTE_STREAM = "stream-format=(string)byte-stream,alignment=(string)au"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A codec that the Jetson decodes.

    parser : element
    media : of its packets, in GStreamer's words
    in_band : form of packets that carry their own headers
    configured : form of packets whose headers are in a configuration record beside them; None: there is no such form
    pix_fmts : FFmpeg's formats of its films → those of the Jetson's pictures
    """

    parser: str
    media: str
    in_band: str
    configured: str | None = None
    pix_fmts: Mapping[str, str]


TAKEN: Mapping[str, Taken] = {
    "h264": Taken(
        parser="h264parse",
        media="video/x-h264",
        pix_fmts=_EIGHT_BITS,
        in_band=_BYTE_STREAM,
        configured="stream-format=(string)avc,alignment=(string)au",
    ),
    "hevc": Taken(
        parser="h265parse",
        media="video/x-h265",
        pix_fmts={**_EIGHT_BITS, **_TEN_BITS},
        in_band=_BYTE_STREAM,
        configured="stream-format=(string)hvc1,alignment=(string)au",
    ),
    "vp9": Taken(parser="vp9parse", media="video/x-vp9", pix_fmts=_EIGHT_BITS, in_band="alignment=(string)super-frame"),
    "mpeg2video": Taken(
        parser="mpegvideoparse",
        media="video/mpeg",
        pix_fmts=_EIGHT_BITS,
        in_band="mpegversion=(int)2,systemstream=(boolean)false",
    ),
}
"""FFmpeg's name of a codec → how the Jetson takes it."""


def why_no_jetson() -> str | None:
    """Return why nothing at all can be decoded by a Jetson's decoder, None where it can."""
    return why_no_elements([each.split()[0] for each in (DECODER, DOWNLOAD)])


class HandedOver:
    """FFmpeg's decoder for the first packets, then the Jetson's, which is given the same ones again.

    No picture is given before it is settled whose they are.

    Parameters
    ----------
    name : of the film, for messages
    settings : `deinterlace`
    stream : of the film
    losses : counts what FFmpeg's decoder refused, where that one goes on

    Attributes
    ----------
    why_not : why FFmpeg's decoder goes on; None: it does not, or nothing is settled yet
    """

    def __init__(self, name: str, settings: InputSettings, stream: av.VideoStream, losses: Losses) -> None:
        self.why_not: str | None = None
        self._name, self._settings, self._stream, self._losses = name, settings, stream, losses
        self._there: GstDecoder | None = None
        self._is_settled = False
        self._kept: list[FilmPacket | None] = []
        self._own: list[av.VideoFrame] = []
        self._refused = 0

    def decode(self, packet: "FilmPacket | None") -> list[av.VideoFrame]:
        """Take a packet, None at the end; return the pictures that are ready.

        Raises
        ------
        DecodeError
            The Jetson's decoder fails behind its first picture.
        """
        if self._is_settled:
            return self._stream.decode(packet) if self._there is None else self._there.decode(packet)
        self._kept.append(packet)
        self._decode_here(packet)
        is_over = packet is None or len(self._kept) >= MOST_KEPT
        if not self._own:
            return self._stay(f"no picture came of its first {len(self._kept)} packets") if is_over else []
        try:
            pictures = self._decode_there()
        except PipelineError as error:
            return self._stay(error.what)
        if pictures:
            return self._compare(pictures)
        return self._stay("no picture came of GStreamer") if is_over and not self._is_settled else []

    def close(self) -> None:
        """Stop the Jetson's decoder."""
        if self._there is not None:
            self._there.close()

    def _decode_here(self, packet: "FilmPacket | None") -> None:
        try:
            self._own += self._stream.decode(packet)
        except READING_ERRORS:
            self._refused += 1

    def _decode_there(self) -> list[av.VideoFrame]:
        """Give the Jetson's decoder what it has not had yet."""
        packets = self._kept[-1:]
        if self._there is None:
            why = self._why_not_taken()
            if why is not None:
                raise PipelineError(self._name, why)
            packets = self._kept
            self._there = GstDecoder(self._name, _elements(self._codec), self._coded(), self._own[0])
        return [picture for packet in packets for picture in self._there.decode(packet)]

    def _compare(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        why = _why_unlike(pictures[0], self._own, self._codec)
        if why is not None:
            return self._stay(why)
        self._settle()
        return pictures

    def _stay(self, why: str) -> list[av.VideoFrame]:
        """Leave the film to FFmpeg's decoder; return what that has made so far."""
        self.why_not = why
        self.close()
        self._there = None
        self._losses.undecodable_packets += self._refused
        own = self._own
        self._settle()
        return own

    def _settle(self) -> None:
        self._is_settled = True
        self._kept, self._own = [], []

    @property
    def _codec(self) -> str:
        return self._stream.codec_context.codec.canonical_name

    def _why_not_taken(self) -> str | None:
        first, taken = self._own[0], TAKEN.get(self._codec)
        pix_fmt = coded_format(first)
        if taken is None or pix_fmt not in taken.pix_fmts:
            return f"the Jetson's decoder takes no {self._codec} of {pix_fmt}"
        if first.width % 2 or first.height % 2:
            return f"the Jetson's decoder takes no odd sizes; got {first.width}x{first.height}"
        if first.interlaced_frame or self._settings.deinterlace == "always":
            return "it is interlaced, and bwdif, which makes whole pictures of fields, works on the processor"
        if orientation_of(first):
            return "it is to be turned, and GStreamer's pictures do not say how"
        if any(packet is not None and packet.pts is None for packet in self._kept):
            return "its packets carry no times, by which the Jetson's decoder orders them"
        return None

    def _coded(self) -> CodedStream:
        first, taken, record = self._own[0], TAKEN[self._codec], self._stream.codec_context.extradata or b""
        is_record = taken.configured is not None and record[:1] == b"\x01"
        form = f"{taken.configured},codec_data=(buffer){record.hex()}" if is_record else taken.in_band
        return CodedStream(
            caps=f"{taken.media},width=(int){first.width},height=(int){first.height},{form}",
            head=record if taken.in_band == _BYTE_STREAM and not is_record else b"",
            pix_fmt=taken.pix_fmts[coded_format(first)],
        )


def _elements(codec: str) -> Elements:
    return Elements(parser=TAKEN[codec].parser, decoder=DECODER, download=DOWNLOAD)


def _why_unlike(picture: av.VideoFrame, own: list[av.VideoFrame], codec: str) -> str | None:
    """Return why a picture is not the one that FFmpeg makes at this time, None where it is."""
    same = next((each for each in own if each.pts == picture.pts), None)
    if same is None:
        return "the first picture of the Jetson's decoder has a time that no picture has"
    if (picture.width, picture.height) != (same.width, same.height):
        return f"the Jetson's decoder makes it {picture.width}x{picture.height} where it is {same.width}x{same.height}"
    unlike = 255 * float(np.abs(_planes(picture, codec) - _planes(same, codec)).mean())
    if unlike > MOST_UNLIKE:
        return f"the first picture of the Jetson's decoder is {unlike:.0f} codes off on average"
    return None


def _planes(picture: av.VideoFrame, codec: str) -> Planes:
    planes = np.empty((3, picture.height, picture.width), np.float32)
    color = film_color(picture, codec)
    ToChain(picture.format.name, picture.width, picture.height, color, PixelFormat.RGB)(picture, planes)
    return planes
