"""Read a film as frames of the chain: upright, progressive, in order, at exact times."""

import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

from engine.errors import ConfigError, DecodeError, InternalError
from engine.frame import Frame
from engine.media.color import CodedColor, coded_color, film_color, output_color
from engine.media.convert import ToChain
from engine.media.deinterlace import Deinterlacer
from engine.media.describe import with_picture
from engine.media.exact import seconds
from engine.media.ffmpeg_errors import reading
from engine.media.film_info import FilmInfo
from engine.media.film_source import FilmSource, PictureSource
from engine.media.grey import are_grey, is_grey_film
from engine.media.layout import LAYOUTS, bit_depth_of
from engine.media.losses import Losses
from engine.media.opening import Source, find_pictures, is_seekable, name_of
from engine.media.sequence_source import SequenceSource
from engine.media.times import FilmClock, exact_time_base
from engine.media.upright import orientation_of
from engine.pool import BufferPool
from engine.settings import InputSettings
from engine.types import ColorSpace, FrameFlags, FrameSpec, PixelFormat, Planes

log = logging.getLogger(__name__)

_PREPARED_BUFFERS = 4
_PEEKED_PICTURES = 7


class FilmReader:
    """A film, opened; its first picture is decoded at once, so that `spec` tells what will come.

    Parameters
    ----------
    source : film file, URL, "-" for stdin, open binary file; folder, printf or glob pattern of pictures; one picture
    settings : deinterlacing, rate of image sequences
    format : `GRAY` (the film's Y') or `RGB`; None is `GRAY` for film coded without chroma, else `RGB`. `deliver` may
        change it until the first frame is read
    threads : of the decoder

    Attributes
    ----------
    spec : of the frames
    info : what the container says
    losses : what could not be read so far; final after the last frame

    Raises
    ------
    DecodeError
        There is nothing to read, or not one picture can be decoded; one line with the cure.
    """

    def __init__(
        self,
        source: Source,
        *,
        settings: InputSettings | None = None,
        format: PixelFormat | None = None,
        threads: int = 2,
    ) -> None:
        settings = settings or InputSettings()
        self._name, self._given = name_of(source), source
        self._is_grey: bool | None = None
        self._count = 0
        self.losses = Losses()
        self._source = self._open(source, settings, threads)
        try:
            with reading(self._name):
                self._decoded = self._source.pictures()
                self._first = self._first_picture()
                self._deinterlacer = Deinterlacer(settings, self._first)
                self.info: FilmInfo = with_picture(self._source.info, self._first)
            self.deliver(format or (PixelFormat.GRAY if self.has_no_chroma else PixelFormat.RGB))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def has_no_chroma(self) -> bool:
        """Whether the film is coded as luma alone."""
        layout = LAYOUTS.get(self.info.video.pix_fmt)
        return layout is not None and layout.family == "gray"

    @property
    def is_grey(self) -> bool:
        """Whether the film shows no colour of its own, tints aside; see `engine.media.grey`.

        Pictures from all over a file are looked at; of a stream that cannot be sought, the first few.
        """
        if self._is_grey is None:
            with reading(self._name):
                self._is_grey = self.has_no_chroma or self._looks_grey()
        return self._is_grey

    def deliver(self, format: PixelFormat) -> None:
        """Choose the format of the frames; `spec` follows.

        Raises
        ------
        ConfigError
            The format is not `GRAY` or `RGB`.
        InternalError
            Frames have been read already.
        """
        if format not in (PixelFormat.GRAY, PixelFormat.RGB):
            raise ConfigError(f"reader: got format {format.value!r}; wanted gray or rgb; colouring makes lab")
        if self._count:
            raise InternalError("FilmReader.deliver was called after frames had been read")
        self.spec = self._make_spec(format)
        self._converters: dict[tuple[str, int, int, int, CodedColor], _Converter] = {}
        self._pool = BufferPool(self.spec.pixels_shape, prepare=_PREPARED_BUFFERS)
        self._clock = FilmClock(self.spec.start, self.spec.rate, self.spec.time_base, self.losses)
        self._pictures = _progressive(self._first, self._decoded, self._deinterlacer)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; each belongs to the caller, who releases it."""
        while True:
            start_ns = time.perf_counter_ns()
            with reading(self._name):
                picture = next(self._pictures, None)
                if picture is None:
                    break
                frame = self._frame(picture, start_ns)
            yield frame
        if self.losses:
            log.warning("%s: %s", self._name, self.losses.summary())

    def close(self) -> None:
        """Give the file back; frames that are out stay valid."""
        self._source.close()

    def _open(self, source: Source, settings: InputSettings, threads: int) -> PictureSource:
        files = find_pictures(source)
        if files is not None:
            return SequenceSource(files, name=self._name, rate=settings.rate, losses=self.losses)
        return FilmSource(source, threads=threads, losses=self.losses)

    def _first_picture(self) -> av.VideoFrame:
        first = next(self._decoded, None)
        if first is None:
            lost = self.losses.summary() or "it holds none"
            raise DecodeError(f"{self._name}: not one picture could be decoded ({lost}); fetch it again")
        return first

    def _looks_grey(self) -> bool:
        if is_seekable(self._given):
            return is_grey_film(self._given)
        peeked = list(islice(self._decoded, _PEEKED_PICTURES))
        self._decoded = chain(peeked, self._decoded)
        self.deliver(self.spec.format)
        return are_grey([self._first, *peeked], self.info.video.codec)

    def _make_spec(self, format: PixelFormat) -> FrameSpec:
        first, video = self._first, self.info.video
        fields = 2 if self._deinterlacer.doubles_rate else 1
        orientation = orientation_of(first)
        width, height = orientation.size(first.width, first.height)
        rate = video.rate * fields if video.rate is not None else None
        start = seconds(first.pts if first.pts is not None else first.dts, first.time_base) or Fraction(0)
        aspect = video.sample_aspect
        return FrameSpec(
            format=format,
            width=width,
            height=height,
            rate=rate,
            time_base=exact_time_base(start, rate, video.time_base / fields),
            start=start,
            color=self._color_of(first, format),
            sample_aspect=1 / aspect if orientation.is_transposed else aspect,
            bit_depth=bit_depth_of(first.format.name),
        )

    def _color_of(self, picture: av.VideoFrame, format: PixelFormat) -> ColorSpace:
        """Return what chain frames' numbers mean: of a film in R'G'B', grey frames are luma of its usual matrix."""
        color = film_color(picture, self.info.video.codec)
        if format is PixelFormat.GRAY:
            color = output_color(color, family="yuv", is_full_range=False, height=picture.height)
        return color

    def _frame(self, picture: av.VideoFrame, start_ns: int) -> Frame:
        lease = self._pool.lease()
        self._convert(picture, lease.array)
        is_corrupt = picture.is_corrupt
        self.losses.corrupt_frames += is_corrupt
        duration = seconds(picture.duration or None, picture.time_base)
        shown = self._clock.time(seconds(picture.pts, picture.time_base), duration)
        step = 1 / self.spec.rate if self.spec.rate is not None else duration
        index, self._count = self._count, self._count + 1
        return Frame(
            pixels=lease.array,
            format=self.spec.format,
            pts=int(shown / self.spec.time_base),
            time_base=self.spec.time_base,
            index=index,
            flags=FrameFlags.CORRUPT if is_corrupt else FrameFlags.NONE,
            duration=step,
            first_ns=start_ns,
            leases=(lease,),
        )

    def _convert(self, picture: av.VideoFrame, pixels: Planes) -> None:
        key = picture.format.name, picture.width, picture.height, picture.rotation, coded_color(picture)
        converter = self._converters.get(key)
        if converter is None:
            color = film_color(picture, self.info.video.codec)
            converter = self._converters[key] = _Converter(picture, color, self.spec)
        converter(picture, pixels)
        self.losses.resized_frames += converter.resizes


class _Converter:
    """From decoded pictures of one size, format, colour and rotation to upright chain planes of the film's size.

    Attributes
    ----------
    resizes : whether the pictures are of another size than the film's first
    """

    def __init__(self, picture: av.VideoFrame, color: ColorSpace, spec: FrameSpec) -> None:
        width, height = picture.width, picture.height
        self._to_chain = ToChain(picture.format.name, width, height, color, spec.format)
        self._orientation = orientation_of(picture)
        upright_width, upright_height = self._orientation.size(width, height)
        self.resizes = (upright_width, upright_height) != (spec.width, spec.height)
        channels = spec.pixels_shape[0]
        self._coded = np.empty((channels, height, width), np.float32) if self._orientation else None
        self._upright = np.empty((channels, upright_height, upright_width), np.float32) if self.resizes else None

    def __call__(self, picture: av.VideoFrame, pixels: Planes) -> None:
        """Fill `pixels`."""
        upright = pixels if self._upright is None else self._upright
        self._to_chain(picture, upright if self._coded is None else self._coded)
        if self._coded is not None:
            self._orientation.apply(self._coded, upright)
        if self._upright is not None:
            _resize(upright, pixels)


def _resize(planes: Planes, out: Planes) -> None:
    shrinks = planes.shape[1] * planes.shape[2] > out.shape[1] * out.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    for plane, target in zip(planes, out, strict=True):
        cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target, interpolation=how)
    np.clip(out, 0.0, 1.0, out=out)


def _progressive(
    first: av.VideoFrame, rest: Iterator[av.VideoFrame], deinterlacer: Deinterlacer
) -> Iterator[av.VideoFrame]:
    yield from deinterlacer.push(first)
    for picture in rest:
        yield from deinterlacer.push(picture)
    yield from deinterlacer.flush()
