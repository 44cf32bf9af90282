"""How a codec, one dial of quality, a bit depth and a film choose an encoder's settings."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.codec
from av.container import OutputContainer

from engine.errors import ConfigError, EncodeError
from engine.media.codec_table import DEVICE_CODECS, VIDEO_CODECS, VideoCodec
from engine.media.color import FFMPEG_OF_MATRIX, FFMPEG_OF_RANGE, output_color
from engine.media.containers import Container, container_for
from engine.media.layout import LAYOUTS
from engine.media.pictures import CodedPicture
from engine.settings import OutputSettings
from engine.types import ColorSpace, FrameSpec, PixelFormat, Range

_KEY_FRAME_SECONDS = 5
_NOMINAL_RATE = Fraction(25)
_CHROMA_LOCATIONS = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Everything that decides the bits of a film, but its pictures.

    codec : name, as in `VIDEO_CODECS`
    picture : what the encoder is given; its time base has the numerator 1
    options : for the encoder
    rate : pictures per second; None where it varies
    sample_aspect : width of a pixel ÷ its height
    threads : of the encoder
    is_on_device : the encoder is the device's, and its pictures lie there
    """

    codec: str
    picture: CodedPicture
    options: Mapping[str, str]
    rate: Fraction | None
    sample_aspect: Fraction
    threads: int
    is_on_device: bool = False

    @property
    def video_codec(self) -> VideoCodec:
        """The codec's row of the table."""
        return (DEVICE_CODECS if self.is_on_device else VIDEO_CODECS)[self.codec]

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the coded times, which count from the film's start."""
        return self.picture.time_base

    @property
    def step(self) -> Fraction:
        """Seconds from one picture to the next; a fair guess where the rate varies."""
        return 1 / (self.rate or _NOMINAL_RATE)

    def open_stream(self, container: OutputContainer) -> av.VideoStream:
        """Add a stream with a fresh encoder of this encoding to a container, its colours and aspect told."""
        options = self._encoder_options()
        stream = container.add_stream(self.video_codec.encoder, rate=self._nominal_rate, options=options)
        assert isinstance(stream, av.VideoStream)
        self._tell(stream.codec_context)
        stream.time_base = self.time_base
        return stream

    def try_encoder(self, picture: av.VideoFrame) -> None:
        """Code one picture with an encoder that is thrown away; FFmpeg's error where it refuses."""
        encoder = av.CodecContext.create(self.video_codec.encoder, "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.options = self._encoder_options()
        encoder.framerate = self._nominal_rate
        self._tell(encoder)
        encoder.encode(picture)
        encoder.encode(None)

    def tag(self, stream: av.VideoStream) -> None:
        """Tell a stream's parameters what its numbers mean and how wide its pixels are."""
        self._tag(stream.codec_context)

    @property
    def _nominal_rate(self) -> Fraction:
        return self.rate or _NOMINAL_RATE

    def _encoder_options(self) -> dict[str, str]:
        options = dict(self.options)
        if self.video_codec.encoder == "libx264" and _has_avx512():
            options["x264-params"] += ":asm=avx2"  # see engine/media/README.md, film out, decision 4
        return options

    def _tell(self, context: av.VideoCodecContext) -> None:
        context.width, context.height = self.picture.width, self.picture.height
        context.pix_fmt = self.video_codec.told_format or self.picture.pix_fmt
        context.time_base = self.time_base
        context.thread_count, context.thread_type = self.threads, "AUTO"
        self._tag(context)

    def _tag(self, context: av.VideoCodecContext) -> None:
        color = self.picture.color
        context.colorspace, context.color_range = FFMPEG_OF_MATRIX[color.matrix], FFMPEG_OF_RANGE[color.range]
        context.color_primaries, context.color_trc = color.primaries, color.transfer
        context.sample_aspect_ratio = self.sample_aspect


def choose_codec(target: Path, settings: OutputSettings) -> tuple[VideoCodec, Container]:
    """Return the codec and container for a file: by name, else by extension.

    Raises
    ------
    ConfigError
        The extension is unknown, or its container cannot hold the codec.
    EncodeError
        The FFmpeg libraries that PyAV brings lack the encoder.
    """
    container = container_for(target)
    name = codec_name(target, settings)
    container.check_video(name, target)
    codec = VIDEO_CODECS[name]
    _check_encoder(codec)
    return codec, container


def codec_name(target: Path, settings: OutputSettings) -> str:
    """Return the name of the codec for a file; ConfigError where the extension is unknown."""
    return settings.codec or container_for(target).video[0]


def encoding_for(codec: VideoCodec, settings: OutputSettings, spec: FrameSpec) -> Encoding:
    """Return how frames like `spec` are coded.

    Parameters
    ----------
    codec : from `choose_codec`
    settings : quality, bit depth, threads
    spec : of the frames

    Raises
    ------
    ConfigError
        The picture is too small for the codec.
    """
    if min(spec.width, spec.height) < codec.least_size:
        raise ConfigError(
            f"codec {codec.name}: got a picture of {spec.width}x{spec.height}; wanted at least {codec.least_size}x"
            f"{codec.least_size}; choose another --codec"
        )
    depth = settings.bit_depth or (10 if spec.bit_depth > 8 else 8)
    pix_fmt = codec.pix_fmts[spec.format is PixelFormat.GRAY, depth]
    return Encoding(
        codec=codec.name,
        picture=CodedPicture(
            pix_fmt=pix_fmt,
            width=_even(spec.width) if codec.even_size else spec.width,
            height=_even(spec.height) if codec.even_size else spec.height,
            color=_output_color(codec, pix_fmt, spec),
            time_base=coded_time_base(spec),
        ),
        options=_options(codec, settings, spec),
        rate=spec.rate,
        sample_aspect=spec.sample_aspect,
        threads=settings.encoder_threads,
        is_on_device=codec.told_format is not None,
    )


def coded_time_base(spec: FrameSpec) -> Fraction:
    """Return the unit in which every frame's time from the film's start is whole: of the rate, else the film's own."""
    return Fraction(1, (spec.rate.numerator if spec.rate is not None else spec.time_base.denominator))


@functools.cache
def _has_avx512() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and " avx512bw " in cpu.read_text(encoding="utf-8", errors="replace")


def _check_encoder(codec: VideoCodec) -> None:
    os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 writes to stderr by itself; its errors come back as codes
    if codec.encoder not in av.codec.codecs_available:
        raise EncodeError(
            f"codec {codec.name}: this PyAV ({av.__version__}) has no encoder {codec.encoder}; "
            "install the wheel (pip install --force-reinstall --only-binary :all: av), or choose another --codec"
        )


def _options(codec: VideoCodec, settings: OutputSettings, spec: FrameSpec) -> dict[str, str]:
    options = dict(codec.options)
    if codec.dial_option is not None:
        options[codec.dial_option] = codec.dial_value(settings.quality)
    if not codec.is_intra:
        options["g"] = str(max(1, round((spec.rate or _NOMINAL_RATE) * _KEY_FRAME_SECONDS)))
    location = spec.color.chroma_location - 1
    if f"{codec.encoder[3:]}-params" in options and location in _CHROMA_LOCATIONS:
        options[f"{codec.encoder[3:]}-params"] += f":chromaloc={location}"
    return options


def _output_color(codec: VideoCodec, pix_fmt: str, spec: FrameSpec) -> ColorSpace:
    layout = LAYOUTS[pix_fmt]
    color = output_color(spec.color, family=layout.family, is_full_range=layout.is_full_range, height=spec.height)
    return replace(color, range=Range.LIMITED) if codec.is_limited_range else color


def _even(size: int) -> int:
    return size + size % 2
