"""The pictures of an image sequence: one file per frame, of any still format that FFmpeg decodes."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import cast

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

from engine.errors import DecodeError
from engine.media.ffmpeg_errors import READING_ERRORS, reading_error
from engine.media.film_info import FilmInfo, VideoTrack
from engine.media.layout import bit_depth_of
from engine.media.losses import Losses
from engine.media.opening import MOST_PIXELS, NumberedPicture

MAGIC: Sequence[tuple[bytes, str]] = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8", "mjpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"SDPX", "dpx"),
    (b"XPDS", "dpx"),
    (b"BM", "bmp"),
    (b"v/1\x01", "exr"),
    (b"RIFF", "webp"),
    (b"\0\0\0\x0cjP", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"P5", "pgm"),
    (b"P2", "pgm"),
    (b"P6", "ppm"),
    (b"P3", "ppm"),
    (b"P7", "pam"),
)
"""First bytes of a file → FFmpeg's decoder. What a file is counts, not what it is called."""

DECODER_OPTIONS: Mapping[str, Mapping[str, str]] = {"exr": {"apply_trc": "iec61966_2_1"}}
"""OpenEXR is linear light; it is encoded like sRGB on the way in."""


class SequenceSource:
    """Decodes picture after picture.

    Parameters
    ----------
    files : in order; their numbers are their times
    name : of the sequence
    rate : pictures per second
    losses : counts files that cannot be read

    Raises
    ------
    DecodeError
        No file can be decoded; the first one's fault is told.
    """

    def __init__(self, files: Sequence[NumberedPicture], *, name: str, rate: Fraction, losses: Losses) -> None:
        self._files, self._rate, self._losses = files, rate, losses
        self._decoders: dict[str, VideoCodecContext] = {}
        self._first_error: Exception | None = None
        self._pictures = self._decode_all()
        self._first = next(self._pictures, None)
        if self._first is None:
            raise reading_error(self._first_error or DecodeError("no pictures"), str(files[0].path))
        self.info = self._describe(name, self._first)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield every picture that can be decoded; what cannot is counted."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._pictures

    def close(self) -> None:
        """Forget the decoders; files are closed as soon as they are read."""
        self._decoders.clear()

    def _decode_all(self) -> Iterator[av.VideoFrame]:
        for file in self._files:
            try:
                picture = self._decode(file)
            except READING_ERRORS as error:
                self._first_error = self._first_error or error
                self._losses.undecodable_packets += 1
                continue
            picture.pts = file.number - self._files[0].number
            picture.time_base = 1 / self._rate
            yield picture

    def _decode(self, file: NumberedPicture) -> av.VideoFrame:
        data = file.path.read_bytes()
        decoder = self._decoder(_decoder_name(data, file))
        decoder.flush_buffers()
        packet = av.Packet(data)
        packet.is_keyframe = True  # else FFmpeg's PNG decoder adds the picture to the one before
        decoded = [*decoder.decode(packet), *decoder.decode(None)]
        if not decoded:
            raise ValueError("no picture in it")
        return decoded[0]

    def _decoder(self, name: str) -> VideoCodecContext:
        if name not in self._decoders:
            decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
            decoder.thread_count = 1
            decoder.options = {"max_pixels": str(MOST_PIXELS), **DECODER_OPTIONS.get(name, {})}
            self._decoders[name] = decoder
        return self._decoders[name]

    def _describe(self, name: str, first: av.VideoFrame) -> FilmInfo:
        duration = (self._files[-1].number - self._files[0].number + 1) / self._rate
        sizes = [file.path.stat().st_size for file in self._files]
        video = VideoTrack(
            codec=next(iter(self._decoders)),
            profile=None,
            pix_fmt=first.format.name,
            width=first.width,
            height=first.height,
            sample_aspect=Fraction(1),
            rotation=0,
            is_mirrored=False,
            bit_depth=bit_depth_of(first.format.name),
            matrix=int(first.colorspace),
            range=int(first.color_range),
            transfer=int(first.color_trc),
            primaries=int(first.color_primaries),
            is_interlaced=False,
            field_order=1,
            rate=self._rate,
            average_rate=self._rate,
            time_base=1 / self._rate,
            start=Fraction(0),
            frames=len(self._files),
            duration=duration,
        )
        return FilmInfo(
            name=name,
            container="image sequence",
            duration=duration,
            start=Fraction(0),
            bit_rate=None,
            size_bytes=sum(sizes),
            timecode=None,
            video=video,
        )


def _decoder_name(data: bytes, file: NumberedPicture) -> str:
    found = next((decoder for magic, decoder in MAGIC if data.startswith(magic)), None)
    if found is None and file.path.suffix.lower() == ".tga":
        return "targa"
    if found is None:
        raise ValueError("no picture format that is known; wanted PNG, TIFF, DPX, JPEG, BMP, EXR, ...")
    return found
