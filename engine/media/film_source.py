"""The decoded pictures of a film file or stream, in order, whatever is wrong with it."""

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Protocol, TypeAlias

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from engine.media.describe import container_rate, describe, expected_packets, index_times
from engine.media.exact import seconds
from engine.media.ffmpeg_errors import READING_ERRORS, reading
from engine.media.film_info import FilmInfo
from engine.media.losses import Losses
from engine.media.opening import Source, film_stream, is_seekable, name_of, open_container
from engine.media.shown import SHOWN

_THREADS = "SLICE"
"""Never frame threads: FFmpeg's HEVC decoder can wait for itself for ever on damaged film (seen with PyAV 18.1)."""
_AHEAD_PACKETS, _AHEAD_BYTES = 300, 32 << 20
_MOST_FAILURES = 3000
"""Coded pictures refused in a row after which the rest is given up: some two minutes of film."""
_MOST_READ_FAILURES = 50
_HONEST_DURATIONS = frozenset({"matroska,webm", "asf"})
"""Containers without a count of pictures, whose header states the duration; elsewhere FFmpeg guesses it."""
_UNCODED = "yuv4mpegpipe"
"""Y4M: pictures end where the file does."""
_DURATION_SLACK = Fraction(1, 8)


FilmPacket: TypeAlias = "av.Packet[av.VideoStream]"


class PictureSource(Protocol):
    """Where a reader's pictures come from."""

    info: FilmInfo
    """What the source says of itself; completed by the first picture."""

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield every picture that can be decoded."""
        ...

    def close(self) -> None:
        """Give files back."""
        ...


DAMAGED = "damaged"
"""What `opaque` of a picture is, where a decoder in FFmpeg's place reports damage: PyAV cannot set `is_corrupt`."""


class PictureDecoder(Protocol):
    """Makes pictures of packets in FFmpeg's place."""

    def decode(self, packet: "FilmPacket | None") -> list[av.VideoFrame]:
        """Take a packet, None at the end; return the pictures that are ready, in the order in which they are shown."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class FilmSource:
    """Demuxes and decodes one film.

    Parameters
    ----------
    source : path, URL, "-" or open binary file
    threads : of the decoder
    losses : counts what cannot be read
    accelerator : a device for the decoder to work on; what it does not take, FFmpeg decodes on the processor
    decoder : returns what decodes the stream's packets, given where to count what that one refuses; None: FFmpeg

    Raises
    ------
    DecodeError
        It cannot be opened as a film.
    """

    def __init__(
        self,
        source: Source,
        *,
        threads: int,
        losses: Losses,
        accelerator: HWAccel | None = None,
        decoder: "Callable[[av.VideoStream, Losses], PictureDecoder] | None" = None,
    ) -> None:
        self._name, self._losses = name_of(source), losses
        self._packets_read = 0
        self._end: Fraction | None = None
        self._last_byte = 0
        self._ahead: deque[FilmPacket] = deque()
        self._count: _PictureCount | None = None
        self._decoder: PictureDecoder | None = None
        self._container = container = open_container(source, accelerator)
        try:
            with reading(self._name):
                self._stream = stream = film_stream(container, self._name)
                shown = SHOWN.get(stream.codec_context.codec.canonical_name)
                if (accelerator is not None or decoder is not None) and shown is not None:
                    self._count = _PictureCount(shown)
                stream.codec_context.thread_count = threads
                stream.codec_context.thread_type = _THREADS
                self._expected = expected_packets(container, stream)
                self._packets = _packets(container, stream, losses)
                rate = self._find_rate(stream, is_file=is_seekable(source))
                self.info = describe(container, stream, name=self._name, rate=rate)
            if decoder is not None:
                self._decoder = decoder(stream, losses)
        except BaseException:
            container.close()
            raise

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield every picture that can be decoded; what cannot is counted."""
        failures = 0
        for packet in chain(self._drain_ahead(), self._packets):
            self._note(packet)
            try:
                decoded = self._decode(packet)
            except READING_ERRORS:
                self._losses.undecodable_packets += 1
                failures += 1
                if failures >= _MOST_FAILURES:
                    self._losses.is_truncated = True
                    break
                continue
            failures = 0 if decoded else failures
            if self._count is not None:
                self._count.add(packet, decoded)
            yield from decoded
        yield from self._last_pictures()
        self._check_dropped()
        self._check_whole()

    def close(self) -> None:
        """Stop the decoder and close the file."""
        if self._decoder is not None:
            self._decoder.close()
        self._container.close()

    def _find_rate(self, stream: av.VideoStream, *, is_file: bool) -> Fraction | None:
        times = index_times(self._container, stream)
        if not times and is_file:
            times = self._look_ahead()
        rate = container_rate(stream, times)
        duration = self._ahead[0].duration if self._ahead and not times else None
        step = seconds(duration, stream.time_base)
        return 1 / step if rate is None and step else rate

    def _look_ahead(self) -> list[int]:
        """Read some packets before any is decoded and return their timestamps."""
        held = 0
        for packet in self._packets:
            self._ahead.append(packet)
            held += packet.size
            if len(self._ahead) >= _AHEAD_PACKETS or held >= _AHEAD_BYTES:
                break
        return [packet.pts for packet in self._ahead if packet.pts is not None]

    def _drain_ahead(self) -> Iterator[FilmPacket]:
        while self._ahead:
            yield self._ahead.popleft()

    def _note(self, packet: FilmPacket) -> None:
        self._packets_read += 1
        self._losses.corrupt_packets += packet.is_corrupt
        self._last_byte = (packet.pos or 0) + packet.size
        shown, lasts = seconds(packet.pts, packet.time_base), seconds(packet.duration, packet.time_base)
        if shown is not None:
            end = shown + (lasts or 0)
            self._end = end if self._end is None else max(self._end, end)

    def _last_pictures(self) -> Iterator[av.VideoFrame]:
        try:
            decoded = self._decode(None)
        except READING_ERRORS:
            self._losses.undecodable_packets += 1
            return
        if self._count is not None:
            self._count.add(None, decoded)
        for picture in decoded:
            picture.time_base = self.info.video.time_base
            yield picture

    def _decode(self, packet: "FilmPacket | None") -> list[av.VideoFrame]:
        return (self._decoder or self._stream).decode(packet)

    def _check_dropped(self) -> None:
        """Count pictures that a device's decoder has swallowed without a word; gaps in the times are counted already.

        FFmpeg's own decoders tell what they refuse.
        """
        if self._count is not None:
            self._losses.missing_frames = max(self._losses.missing_frames, self._count.dropped)

    def _check_whole(self) -> None:
        """Compare what came with what the header promised."""
        video = self.info.video
        if self._expected is not None and self._packets_read < self._expected:
            self._losses.is_truncated = True
            self._losses.missing_frames += self._expected - self._packets_read
        elif self.info.container == _UNCODED and self.info.size_bytes is not None:
            is_cut = self._last_byte < self.info.size_bytes  # FFmpeg drops a picture that is not whole without a word
            self._losses.is_truncated |= is_cut
            self._losses.missing_frames += is_cut
        elif video.duration is not None and self._end is not None and self.info.container in _HONEST_DURATIONS:
            self._losses.is_truncated |= self._end < video.duration - _DURATION_SLACK


class _PictureCount:
    """Coded pictures against decoded ones.

    Those before the first that is shown do not count: a film that begins in the middle of a group of pictures has some.

    Parameters
    ----------
    shown_by : returns how many pictures a packet shows
    """

    def __init__(self, shown_by: Callable[[bytes], int]) -> None:
        self._shown_by = shown_by
        self._early: list[tuple[int | None, int]] = []
        self._first: int | None = None
        self._coded = self._shown = 0
        self._has_fields = False

    @property
    def dropped(self) -> int:
        """Coded pictures for which none came; 0 where fields are coded one by one."""
        return 0 if self._has_fields else max(0, self._coded - self._shown)

    def add(self, packet: "FilmPacket | None", decoded: list[av.VideoFrame]) -> None:
        """Count a packet that the decoder took, None at the end, and the pictures that came."""
        if decoded and not self._shown:
            self._first = decoded[0].pts
            self._coded += sum(shown for pts, shown in self._early if self._counts(pts))
            self._early.clear()
        self._shown += len(decoded)
        self._has_fields |= any(picture.interlaced_frame for picture in decoded)
        if packet is None or packet.is_discard:
            return
        shown = self._shown_by(bytes(packet))
        if not self._shown:
            self._early.append((packet.pts, shown))
        elif self._counts(packet.pts):
            self._coded += shown

    def _counts(self, pts: int | None) -> bool:
        return pts is None or self._first is None or pts >= self._first


def _packets(container: InputContainer, stream: av.VideoStream, losses: Losses) -> Iterator[FilmPacket]:
    """Yield the stream's packets; a place that cannot be read is skipped, a few times over."""
    failures = 0
    while failures < _MOST_READ_FAILURES:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    failures = 0
                    yield packet
        except READING_ERRORS:
            failures += 1
            losses.corrupt_packets += 1
            continue
        return
    losses.is_truncated = True
