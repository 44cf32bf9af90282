"""Read a film as frames of the chain: upright, progressive, in order, at exact times."""

import logging
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from types import TracebackType
from typing import Self

import av

from engine.device.pool import work_on
from engine.errors import ConfigError, DecodeError, InternalError
from engine.frame import Frame
from engine.media.color import film_color, output_color
from engine.media.deinterlace import Deinterlacer
from engine.media.delivery import Delivery, HostDelivery
from engine.media.describe import with_picture
from engine.media.device.border import Border
from engine.media.device.delivery import DeviceDelivery
from engine.media.device.jetson import HandedOver
from engine.media.device.opening import choose_decoder, software_instead, why_not_there
from engine.media.exact import seconds
from engine.media.ffmpeg_errors import reading
from engine.media.film_info import FilmInfo
from engine.media.film_source import DAMAGED, FilmSource, PictureSource
from engine.media.grey import are_grey, is_grey_film
from engine.media.layout import LAYOUTS, bit_depth_of, coded_format
from engine.media.losses import Losses
from engine.media.opening import NumberedPicture, Source, find_pictures, is_seekable, name_of
from engine.media.sequence_source import SequenceSource
from engine.media.times import FilmClock, exact_time_base
from engine.media.upright import orientation_of
from engine.settings import InputSettings
from engine.types import ColorSpace, FrameFlags, FrameSpec, PixelFormat

log = logging.getLogger(__name__)

_PEEKED_PICTURES = 7


class FilmReader:
    """A film, opened; its first picture is decoded at once, so that `spec` tells what will come.

    Parameters
    ----------
    source : film file, URL, "-" for stdin, open binary file; folder, printf or glob pattern of pictures; one picture
    settings : deinterlacing, rate of image sequences, which decoder
    format : `GRAY` (the film's Y') or `RGB`; None is `GRAY` for film coded without chroma, else `RGB`. `deliver` may
        change it until the first frame is read
    threads : of the decoder
    border : FFmpeg on the device that the chain runs on; None: it runs on the processor
    brings_up : let frames lie on that device even where the processor decodes

    Attributes
    ----------
    spec : of the frames
    info : what the container says
    losses : what could not be read so far; final after the last frame
    notices : what else the user should know, a line each

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
        border: Border | None = None,
        brings_up: bool = True,
    ) -> None:
        settings = settings or InputSettings()
        self._name, self._given = name_of(source), source
        self._settings, self._threads = settings, threads
        self._is_grey: bool | None = None
        self._count = 0
        self._delivery: Delivery | None = None
        self.losses, self.notices = Losses(), list[str]()
        files = find_pictures(source)
        choice = choose_decoder(settings, border, self._name, is_sequence=files is not None)
        self._note(choice.notice)
        self._decoder = choice.border  # FFmpeg on the device, where it decodes there
        self._by_jetson = choice.by_jetson
        self._jetson: HandedOver | None = None
        self._carrier = border if brings_up else None
        self._source = self._open(files)
        try:
            with reading(self._name):
                self._decoded = self._source.pictures()
                self._first = self._first_picture()
                if self._decoder is not None:
                    self._settle_decoder(self._decoder)
                if self._jetson is not None and self._jetson.why_not is not None:
                    self._note(software_instead(settings, self._jetson.why_not, self._name))
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
    def is_on_device(self) -> bool:
        """Whether the frames' pixels lie on the device, whoever decodes; `Frame.ready` says when they are there."""
        return self._border is not None

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
        spec = self._make_spec(format)
        if self._delivery is None or spec != self.spec:
            if self._delivery is not None:
                self._delivery.close()
            self._delivery = _delivery(self._border, spec, self.info.video.codec)
        self.spec, self._pool = spec, self._delivery.pool
        self._clock = FilmClock(self.spec.start, self.spec.rate, self.spec.time_base, self.losses)
        self._pictures = self._progressive()

    def prepare(self, frames: int) -> None:
        """Make buffers for as many frames as can be out at once, so that none is made while frames flow."""
        self._pool.prepare(frames)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order; each belongs to the caller, who releases it.

        On a device, the thread that asks for frames gives the device work, in a stream of the reader's own.
        """
        assert self._delivery is not None
        if self._delivery.stream is not None:
            work_on(self._delivery.stream)
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
        if self._delivery is not None:
            self._delivery.close()
        self._source.close()

    @property
    def _border(self) -> Border | None:
        """FFmpeg on the device that frames lie on; None: they lie on the host."""
        return self._decoder or self._carrier

    def _open(self, files: Sequence[NumberedPicture] | None) -> PictureSource:
        if files is not None:
            return SequenceSource(files, name=self._name, rate=self._settings.rate, losses=self.losses)
        accelerator = None if self._decoder is None else self._decoder.accelerator()
        decoder = self._open_jetson if self._by_jetson else None
        return FilmSource(
            self._given, threads=self._threads, losses=self.losses, accelerator=accelerator, decoder=decoder
        )

    def _open_jetson(self, stream: av.VideoStream, losses: Losses) -> HandedOver:
        self._jetson = HandedOver(self._name, self._settings, stream, losses)
        return self._jetson

    def _settle_decoder(self, border: Border) -> None:
        """Go on with what the first picture allows: the device's pictures, or the processor's, and say which."""
        why = why_not_there(self._first, self._source.info.video.codec, border)
        if why is None and self._settings.decoder == "auto" and self._deinterlaces(self._first):
            why = "it is interlaced, and bwdif, which makes whole pictures of fields, works on the processor"
        if why is None:
            return
        self._note(software_instead(self._settings, why, self._name))
        self._decoder = None
        if not border.holds(self._first):
            return  # FFmpeg has turned to its own decoder by itself
        if is_seekable(self._given):
            self._source.close()
            self.losses = Losses()
            self._source = self._open(None)
            self._decoded = self._source.pictures()
            self._first = self._first_picture()
        else:  # what came through a pipe does not come again
            self._decoded = map(border.to_host, self._decoded)
            self._first = border.to_host(self._first)

    def _deinterlaces(self, picture: av.VideoFrame) -> bool:
        return Deinterlacer(self._settings, picture).applies(picture)

    def _note(self, notice: str | None) -> None:
        if notice is not None and notice not in self.notices:
            log.info("%s: %s", self._name, notice)
            self.notices.append(notice)

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
        pictures = [self._first, *peeked]
        if self._decoder is not None:
            pictures = [self._decoder.to_host(picture) for picture in pictures]
        return are_grey(pictures, self.info.video.codec)

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
            bit_depth=bit_depth_of(coded_format(first)),
        )

    def _color_of(self, picture: av.VideoFrame, format: PixelFormat) -> ColorSpace:
        """Return what chain frames' numbers mean: of a film in R'G'B', grey frames are luma of its usual matrix."""
        color = film_color(picture, self.info.video.codec)
        if format is PixelFormat.GRAY:
            color = output_color(color, family="yuv", is_full_range=False, height=picture.height)
        return color

    def _frame(self, picture: av.VideoFrame, start_ns: int) -> Frame:
        assert self._delivery is not None
        lease, ready, is_resized = self._delivery.put(picture)
        self.losses.resized_frames += is_resized
        is_corrupt = picture.is_corrupt or picture.opaque == DAMAGED
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
            ready=ready,
            first_ns=start_ns,
            leases=(lease,),
        )

    def _progressive(self) -> Iterator[av.VideoFrame]:
        for picture in chain([self._first], self._decoded):
            yield from self._deinterlacer.push(self._within_reach(picture))
        yield from self._deinterlacer.flush()

    def _within_reach(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Bring a picture that is to be deinterlaced down from the device; once one was, its followers too."""
        if self._decoder is None or not self._deinterlacer.takes(picture):
            return picture
        self._note("decoder: interlaced pictures are brought down from the GPU, since bwdif works on the processor")
        return self._decoder.to_host(picture)


def _delivery(border: Border | None, spec: FrameSpec, codec: str) -> Delivery:
    return HostDelivery(spec, codec) if border is None else DeviceDelivery(border, spec, codec)
