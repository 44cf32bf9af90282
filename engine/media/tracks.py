"""Sound and subtitle tracks on their way from the source into the restored film.

Each track takes the source's packets and gives packets for the output: copied where the container holds the codec,
converted where it does not. Times are moved by one exact amount, the same for every track and the picture.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from engine.media.packets import AnyPacket, common_unit, unit_of

log = logging.getLogger(__name__)

BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 96_000, "libmp3lame": 128_000}
"""Bit rate of converted sound; codecs not named here lose nothing."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Where the speakers stand, by their number: what encoders know, also for sound that does not say."""

_LONGEST_SILENT_GAP = Fraction(1, 20)
"""Seconds of missing sound that are left to the encoder; longer gaps are filled with silence."""
_LONGEST_FILLED_GAP = 600


class Track(ABC):
    """One track of the output.

    Attributes
    ----------
    source : the track of the source film
    damaged : packets that could not be used
    """

    def __init__(self, source: Stream, target: Stream, origin: Fraction) -> None:
        self.source = source
        self.damaged = 0
        self._target = target
        self._origin = origin
        self._last: Fraction | None = None
        target.metadata.update(_track_metadata(source.metadata))
        target.disposition = source.disposition

    @abstractmethod
    def feed(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Take a packet of the source; return those that can be written now."""

    def flush(self) -> Iterable[AnyPacket]:
        """Return what is still held at the end of the source."""
        return ()

    def _placed(self, packet: AnyPacket) -> AnyPacket | None:
        """Move a packet to the output's clock; None, and counted, where its time does not follow the last one's."""
        time_base = unit_of(packet)
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else packet.pts
        if pts is None or dts is None:
            self.damaged += 1
            return None
        if self._last is not None and dts * time_base <= self._last:
            self.damaged += 1
            return None
        self._last = dts * time_base
        unit = common_unit(time_base, self._origin)
        scale, shift = int(time_base / unit), round(self._origin / unit)
        packet.pts, packet.dts = pts * scale - shift, dts * scale - shift
        packet.duration = (packet.duration or 0) * scale
        packet.time_base = unit
        packet.stream = self._target
        return packet


class CopiedTrack(Track):
    """A track whose packets go over untouched."""

    def __init__(self, source: Stream, output: OutputContainer, origin: Fraction) -> None:
        super().__init__(source, output.add_stream_from_template(source, opaque=True), origin)

    def feed(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Take a packet of the source; return it, moved."""
        self.damaged += packet.is_corrupt
        placed = self._placed(packet)
        return () if placed is None else (placed,)


class CoverPicture(CopiedTrack):
    """A still picture that stands for the film; it has no time."""

    def feed(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Take the picture; return it, at the beginning."""
        packet.pts = packet.dts = 0
        return super().feed(packet)


class ConvertedSound(Track):
    """A sound track that is decoded and coded anew, because the container cannot hold its codec.

    Attributes
    ----------
    keeps_channels : False where the codec cannot hold so many, and the sound is mixed down to stereo
    """

    def __init__(self, source: av.AudioStream, output: OutputContainer, origin: Fraction, codec: str) -> None:
        self._decoder = source.codec_context
        channels = self._decoder.layout.nb_channels
        rate = _nearest_rate(codec, self._decoder.sample_rate)
        self.keeps_channels = channels in _LAYOUTS and _can_code(codec, rate, _LAYOUTS[channels])
        self._layout = _LAYOUTS[channels if self.keeps_channels else 2]
        target = output.add_stream(codec, rate=rate)
        assert isinstance(target, av.AudioStream)
        target.layout = self._layout
        if codec in BITS_PER_CHANNEL:
            target.bit_rate = BITS_PER_CHANNEL[codec] * target.layout.nb_channels
        target.codec_context.time_base = Fraction(1, target.codec_context.sample_rate)
        super().__init__(source, target, origin)
        self._encoder = target
        self._resampler = self._new_resampler()
        self._expected: Fraction | None = None

    def feed(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Take a packet of the source; return what the encoder gives for it."""
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError as error:
            log.debug("sound track %d: %s", self.source.index, error)
            self.damaged += 1
            return
        for frame in frames:
            yield from self._encode(frame)

    def flush(self) -> Iterable[AnyPacket]:
        """Return what decoder and encoder still hold."""
        try:
            frames = self._decoder.decode(None)
        except FFmpegError:
            frames = []
        for frame in frames:
            yield from self._encode(frame)
        if self._expected is not None:
            for resampled in self._resampler.resample(None):
                yield from self._all_placed(self._encoder.encode(resampled))
            yield from self._all_placed(self._encoder.encode(None))

    def _encode(self, frame: av.AudioFrame) -> Iterable[AnyPacket]:
        start = None if frame.pts is None else frame.pts * unit_of(frame)
        if start is None:
            start = self._expected or Fraction(0)
        elif self._expected is not None and start - self._expected > _LONGEST_SILENT_GAP:
            yield from self._fill(frame, start)
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(start * frame.sample_rate)
        self._expected = start + Fraction(frame.samples, frame.sample_rate)
        for resampled in self._resampled(frame):
            yield from self._all_placed(self._encoder.encode(resampled))

    def _new_resampler(self) -> av.AudioResampler:
        encoder = self._encoder.codec_context
        return av.AudioResampler(format=encoder.format, layout=self._layout, rate=encoder.sample_rate)

    def _resampled(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        try:
            return self._resampler.resample(frame)
        except ValueError:  # the sound's format changed in the middle, or damage made it look so
            held = self._resampler.resample(None)
            self._resampler = self._new_resampler()
            return [*held, *self._resampler.resample(frame)]

    def _fill(self, like: av.AudioFrame, until: Fraction) -> Iterable[AnyPacket]:
        assert self._expected is not None
        missing = round(min(until - self._expected, _LONGEST_FILLED_GAP) * like.sample_rate)
        while missing > 0:
            samples = min(missing, like.sample_rate)
            silence = av.AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
            for plane in silence.planes:
                memoryview(plane).cast("B")[:] = (
                    bytes([0x80 if like.format.name.startswith("u8") else 0]) * plane.buffer_size
                )
            silence.sample_rate, silence.time_base = like.sample_rate, Fraction(1, like.sample_rate)
            silence.pts = round(self._expected * like.sample_rate)
            self._expected += Fraction(samples, like.sample_rate)
            missing -= samples
            for resampled in self._resampled(silence):
                yield from self._all_placed(self._encoder.encode(resampled))

    def _all_placed(self, packets: Iterable[AnyPacket]) -> Iterable[AnyPacket]:
        for packet in packets:
            placed = self._placed(packet)
            if placed is not None:
                yield placed


class ConvertedSubtitles(Track):
    """Text subtitles written in the container's own way."""

    def __init__(self, source: SubtitleStream, output: OutputContainer, origin: Fraction, codec: str) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        target = output.add_stream(codec)
        assert isinstance(target, SubtitleStream)
        target.codec_context.subtitle_header = self._decoder.subtitle_header
        target.time_base = Fraction(1, 1000)
        super().__init__(source, target, origin)
        self._encoder = target.codec_context

    def feed(self, packet: AnyPacket) -> Iterable[AnyPacket]:
        """Take a packet of the source; return its text, coded anew, at the same time for as long."""
        try:
            decoded = self._decoder.decode2(packet)
            if decoded is None or not len(decoded):
                return ()
            converted = self._encoder.encode_subtitle(decoded)
        except FFmpegError as error:
            log.debug("subtitle track %d: %s", self.source.index, error)
            self.damaged += 1
            return ()
        converted.pts = converted.dts = packet.pts
        converted.duration, converted.time_base = packet.duration, packet.time_base
        placed = self._placed(converted)
        return () if placed is None else (placed,)


def _nearest_rate(codec: str, rate: int) -> int:
    """Return the sample rate that the codec takes and that is nearest to the sound's own."""
    rates = av.Codec(codec, "w").audio_rates
    return min(rates, key=lambda known: abs(known - rate)) if rates else rate


def _can_code(codec: str, rate: int, layout: str) -> bool:
    """Whether an encoder opens; found out here, since a stream cannot be taken back from a container."""
    trial = av.CodecContext.create(codec, "w")
    assert isinstance(trial, AudioCodecContext)
    formats = av.Codec(codec, "w").audio_formats
    trial.sample_rate, trial.layout, trial.time_base = rate, layout, Fraction(1, rate)
    if formats:
        trial.format = formats[0]
    try:
        trial.open()
    except FFmpegError:
        return False
    return True


def _track_metadata(metadata: dict[str, str]) -> dict[str, str]:
    of_the_file = ("duration", "encoder", "vendor_id", "bps", "number_of_", "_statistics", "timecode")
    return {k: v for k, v in metadata.items() if not k.lower().startswith(of_the_file)}
