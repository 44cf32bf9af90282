"""Video codecs that can be written, and how one dial of quality, a bit depth and a film choose their settings."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import av.codec
from av.container import OutputContainer

from engine.errors import ConfigError, EncodeError
from engine.media.color import output_color
from engine.media.containers import Container, container_for
from engine.media.layout import LAYOUTS
from engine.media.pictures import MATRIX_CODES, RANGE_CODES, CodedPicture
from engine.settings import OutputSettings
from engine.types import ColorSpace, FrameSpec, PixelFormat, Range

_KEY_FRAME_SECONDS = 5
_NOMINAL_RATE = Fraction(25)
_QUIET_X265 = "log-level=none:open-gop=0"
_CHROMA_LOCATIONS = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCodec:
    """One codec and its dial.

    name : as in the settings
    encoder : FFmpeg's encoder
    pix_fmts : pixel format by (is grey kept as grey, bit depth)
    dial : (quality, encoder's own number) from 0 to 100; between two points the number is interpolated
    dial_option : the encoder's option that takes the number; None where the codec has no dial (it is lossless)
    dial_step : interpolated numbers are rounded to multiples of it; 0: the last point reached counts
    options : for the encoder, fixed
    even_size : whether width and height must be even
    least_size : width and height below which the encoder refuses pictures, or worse
    reorder_frames : packets at most that are coded before a frame which is shown earlier
    segment_format : container of its segments: exact times, readable when cut off
    is_intra : every frame stands alone, so nothing is gained by asking for key frames
    is_limited_range : it has no full range: black is 16 of 255, or 64 of 1023, whatever the film's own was
    """

    name: str
    encoder: str
    pix_fmts: Mapping[tuple[bool, int], str]
    dial: tuple[tuple[int, float], ...] = ()
    dial_option: str | None = None
    dial_step: float = 0.5
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    even_size: bool = False
    least_size: int = 1
    reorder_frames: int = 0
    segment_format: str = "mp4"
    is_intra: bool = False
    is_limited_range: bool = False

    def dial_value(self, quality: int) -> str:
        """Return the encoder's number for a quality from 0 to 100."""
        reached = [point for point in self.dial if point[0] <= quality][-1]
        following = next((point for point in self.dial if point[0] > quality), None)
        if not self.dial_step or following is None:
            return f"{reached[1]:g}"
        share = (quality - reached[0]) / (following[0] - reached[0])
        value = reached[1] + share * (following[1] - reached[1])
        return f"{round(value / self.dial_step) * self.dial_step:g}"


_YUV420 = {(grey, depth): fmt for grey in (False, True) for depth, fmt in ((8, "yuv420p"), (10, "yuv420p10le"))}

VIDEO_CODECS = {
    codec.name: codec
    for codec in (
        VideoCodec(
            name="h264",
            encoder="libx264",
            pix_fmts=_YUV420,
            dial=((0, 40.0), (50, 25.0), (75, 18.0), (100, 8.0)),
            dial_option="crf",
            options={"preset": "veryfast", "tune": "film", "x264-params": "stitchable=1", "forced-idr": "1"},
            even_size=True,
            reorder_frames=2,
        ),
        VideoCodec(
            name="h265",
            least_size=64,  # x265 writes past its buffers with many sizes below (seen from 34 to 48)
            encoder="libx265",
            pix_fmts=_YUV420,
            dial=((0, 42.0), (50, 27.0), (75, 20.0), (100, 10.0)),
            dial_option="crf",
            options={"preset": "superfast", "x265-params": _QUIET_X265, "forced-idr": "1"},
            even_size=True,
            reorder_frames=2,
        ),
        VideoCodec(
            name="av1",
            encoder="libsvtav1",
            pix_fmts=_YUV420,
            dial=((0, 60.0), (50, 40.0), (75, 25.0), (100, 8.0)),
            dial_option="crf",
            dial_step=1.0,
            options={"preset": "9"},
        ),
        VideoCodec(
            name="prores",
            encoder="prores_ks",
            pix_fmts={(grey, depth): "yuv422p10le" for grey in (False, True) for depth in (8, 10)},
            dial=((0, 0), (25, 1), (50, 2), (75, 3)),
            dial_option="profile",
            dial_step=0,
            options={"vendor": "apl0"},
            segment_format="mov",
            is_intra=True,
            is_limited_range=True,
        ),
        VideoCodec(
            name="ffv1",
            encoder="ffv1",
            pix_fmts={
                (False, 8): "yuv420p",
                (False, 10): "yuv420p10le",
                (True, 8): "gray",
                (True, 10): "gray10le",
            },
            options={"level": "3", "slices": "4", "slicecrc": "1", "g": "1"},
            segment_format="nut",
            is_intra=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Everything that decides the bits of a film, but its pictures.

    codec : name, as in `VIDEO_CODECS`
    picture : what the encoder is given; its time base has the numerator 1
    options : for the encoder
    rate : pictures per second; None where it varies
    sample_aspect : width of a pixel ÷ its height
    threads : of the encoder
    """

    codec: str
    picture: CodedPicture
    options: Mapping[str, str]
    rate: Fraction | None
    sample_aspect: Fraction
    threads: int

    @property
    def video_codec(self) -> VideoCodec:
        """The codec's row of the table."""
        return VIDEO_CODECS[self.codec]

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
        rate = self.rate or _NOMINAL_RATE
        options = dict(self.options)
        if self.codec == "h264" and _has_avx512():
            options["x264-params"] += ":asm=avx2"  # see engine/media/README.md, film out, decision 4
        stream = container.add_stream(self.video_codec.encoder, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = self.picture.width, self.picture.height
        stream.pix_fmt = self.picture.pix_fmt
        context = stream.codec_context
        context.time_base = self.time_base
        context.thread_count, context.thread_type = self.threads, "AUTO"
        stream.time_base = self.time_base
        self.tag(stream)
        return stream

    def tag(self, stream: av.VideoStream) -> None:
        """Tell a stream's parameters what its numbers mean and how wide its pixels are."""
        context = stream.codec_context
        color = self.picture.color
        context.colorspace, context.color_range = MATRIX_CODES[color.matrix], RANGE_CODES[color.range]
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
    name = settings.codec or container.video[0]
    container.check_video(name, target)
    codec = VIDEO_CODECS[name]
    _check_encoder(codec)
    return codec, container


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
