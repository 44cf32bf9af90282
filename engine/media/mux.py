"""Join finished segments, and everything else that the source film holds, into the restored film.

Nothing is coded anew but sound and subtitles that the container cannot hold. Whatever cannot be kept is said in
`MuxReport.notices`. Packets are read and written side by side in the order of their times, so memory does not grow with
the film's length.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import AttachmentStream, Discard, Disposition, Stream
from av.subtitles.stream import SubtitleStream

from engine.errors import EncodeError, InternalError
from engine.media.codecs import Encoding
from engine.media.containers import Container
from engine.media.durable import WatchedFile, has_cure
from engine.media.matroska import PLACEHOLDER, set_sample_aspect
from engine.media.packets import AnyPacket, common_unit, decode_time, unit_of
from engine.media.segments import TAIL_FRAMES, SegmentReader, SegmentRecord, close_quietly
from engine.media.timecode import convert_timecode, find_timecode
from engine.media.timeline import timed
from engine.media.tracks import ConvertedSound, ConvertedSubtitles, CopiedTrack, CoverPicture, Track

_MOST_READ_ERRORS = 100
_TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})


@dataclass(slots=True, kw_only=True)
class MuxReport:
    """What happened to the source's tracks.

    notices : one line for everything that was converted or could not be kept
    damaged_packets : packets of sound and subtitles that could not be used, or were marked as damaged
    """

    notices: list[str] = field(default_factory=list[str])
    damaged_packets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The coded pictures to be joined.

    folder : where the segments lie
    segments : all of them, in order
    encoding : of their pictures
    start : time of the first picture on the source's clock, seconds
    metadata : for the output's container
    source_rate : pictures per second of the source, for its timecode; None where it varies or is unknown
    """

    folder: Path
    segments: Sequence[SegmentRecord]
    encoding: Encoding
    start: Fraction
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    source_rate: Fraction | None = None


def join(path: Path, container: Container, film: Film, source: Path | None) -> MuxReport:
    """Write the film to `path`, with the tracks of `source`; None where there are none (a pipe, pictures).

    The file's clock begins at the first thing shown or heard: every time is moved by the same amount.

    Raises
    ------
    EncodeError
        No frame was written at all.
    OSError, FFmpegError
        The file cannot be written; the caller turns these into an `EncodeError` with a cure.
    """
    if not film.segments:
        raise EncodeError(f"{path.name}: not a single frame came; nothing is written")
    if source is None:
        return _Joining(path, container, film, None).run()
    try:
        with av.open(str(source), metadata_errors="replace") as tracks:
            return _Joining(path, container, film, tracks).run()
    except (OSError, FFmpegError) as error:
        if has_cure(error) and error.filename != str(source):
            raise
        lost = f"sound, subtitles and chapters are not kept, since {source.name} did not yield them: {error}"
    report = _Joining(path, container, film, None).run()
    report.notices.insert(0, lost)
    return report


class _Joining:
    """One run of `join`."""

    def __init__(self, path: Path, container: Container, film: Film, source: InputContainer | None) -> None:
        self._container, self._film, self._source, self._report = container, film, source, MuxReport()
        self._path = path
        self._needs_aspect = film.encoding.codec in container.needs_aspect and film.encoding.sample_aspect != 1
        kept = [] if source is None else [s for s in source.streams if isinstance(s, av.AudioStream)]
        self._origin = min([film.start, *(start for s in kept if (start := _start_of(s)) is not None)])
        self._time_base, self._scale, self._offset = _film_clock(film, self._origin)
        self._file = WatchedFile(path)
        self._output = av.open(self._file, "w", format=container.name, container_options=self._muxer_options())
        self._tracks: dict[int, Track] = {}

    def run(self) -> MuxReport:
        try:
            self._open_streams()
            for packet in self._interleaved():
                self._output.mux(packet)
                self._file.check()
            self._output.close()
            self._file.close()
            if self._needs_aspect:
                set_sample_aspect(self._path, self._film.encoding.sample_aspect)
        except BaseException:
            close_quietly(self._output, self._file)
            raise
        damaged = {t.source.index: t.damaged for t in self._tracks.values() if t.damaged}
        self._report.damaged_packets += sum(damaged.values())
        self._report.notices += [f"track {i}: {count} damaged packets" for i, count in damaged.items()]
        return self._report

    # what the output holds

    def _open_streams(self) -> None:
        first = SegmentReader(self._film.folder, self._film.segments[0], self._film.encoding)
        try:
            self._add_picture(first.stream)
        finally:
            first.close()
        self._output.metadata.update(self._film.metadata)
        if self._source is not None:
            for stream in self._source.streams:
                self._add_track(stream)
            self._add_chapters(self._source)
            self._add_timecode(self._source)

    def _add_picture(self, template: av.VideoStream) -> None:
        encoding = self._film.encoding
        stream = self._output.add_stream_from_template(template, opaque=True)
        assert isinstance(stream, av.VideoStream)
        stream.time_base = self._time_base
        encoding.tag(stream)
        stream.codec_context.framerate = encoding.rate or Fraction(0)
        tag = self._container.video_tags.get(encoding.codec)
        if encoding.codec == "prores":
            tag = template.codec_context.codec_tag  # it tells the profile
        if tag is not None:
            stream.codec_context.codec_tag = tag
        stream.disposition = Disposition.default
        if self._needs_aspect:
            stream.metadata["title"] = PLACEHOLDER
        self._picture = stream
        self._extradata = template.codec_context.extradata

    def _add_track(self, stream: Stream) -> None:
        if isinstance(stream, av.AudioStream):
            self._add_sound(stream)
        elif isinstance(stream, SubtitleStream):
            self._add_subtitles(stream)
        elif isinstance(stream, av.VideoStream):
            self._add_other_picture(stream)
        elif isinstance(stream, AttachmentStream):
            self._add_attachment(stream)
        elif not _is_served_elsewhere(stream, self._source):
            self._drop(stream, "farshore does not know what it is")
        if stream.index not in self._tracks:
            stream.discard = Discard.all

    def _add_sound(self, stream: av.AudioStream) -> None:
        codec, fallback = _codec_name(stream), self._container.audio_fallback
        if codec is None:
            self._drop(stream, "this FFmpeg cannot read its codec")
            return
        if self._container.audio is None or codec in self._container.audio:
            try:
                self._tracks[stream.index] = CopiedTrack(stream, self._output, self._origin)
                return
            except ValueError:  # the muxer itself knows better
                pass
        assert fallback is not None
        self._tracks[stream.index] = converted = ConvertedSound(stream, self._output, self._origin, fallback)
        mixed = "" if converted.keeps_channels else " and mixed down to stereo"
        self._say(stream, f"converted to {fallback}{mixed}, since {self._container.name} files cannot hold it")

    def _add_subtitles(self, stream: SubtitleStream) -> None:
        codec, fallback = _codec_name(stream), self._container.subtitle_fallback
        if codec in self._container.subtitles or codec in self._container.picture_subtitles:
            self._tracks[stream.index] = CopiedTrack(stream, self._output, self._origin)
        elif codec in _TEXT_SUBTITLES and fallback is not None:
            self._tracks[stream.index] = ConvertedSubtitles(stream, self._output, self._origin, fallback)
            self._say(stream, f"converted to {fallback}; its styling may be lost")
        else:
            self._drop(stream, f"{self._container.name} files cannot hold {codec} subtitles")

    def _add_other_picture(self, stream: av.VideoStream) -> None:
        assert self._source is not None
        if stream == self._source.streams.video[0]:
            return
        is_cover = Disposition.attached_pic in stream.disposition
        if is_cover and self._container.cover:
            self._tracks[stream.index] = CoverPicture(stream, self._output, Fraction(0))
        else:
            self._drop(stream, "only the first picture track is restored" if not is_cover else "no room for a cover")

    def _add_attachment(self, stream: AttachmentStream) -> None:
        if self._container.attachments:
            name, kind = stream.name or f"attachment-{stream.index}", stream.mimetype or "application/octet-stream"
            self._output.add_attachment(name, kind, stream.data)
        else:
            self._drop(stream, f"{self._container.name} files cannot hold attachments")

    def _add_chapters(self, source: InputContainer) -> None:
        chapters = source.chapters()
        if chapters and not self._container.chapters:
            self._report.notices.append(f"{len(chapters)} chapters: {self._container.name} files cannot hold them")
        elif chapters:
            self._output.set_chapters([c for chapter in chapters if (c := _moved(chapter, self._origin)) is not None])

    def _add_timecode(self, source: InputContainer) -> None:
        text = find_timecode(*(stream.metadata for stream in source.streams), source.metadata)
        if text is None:
            return
        self._output.metadata.pop("timecode", None)
        rate = self._film.encoding.rate
        converted = convert_timecode(text, self._film.source_rate, rate)
        if converted is None or rate is None or not self._container.timecode:
            why = "has no constant rate" if self._container.timecode else f"is a {self._container.name} file"
            self._report.notices.append(f"timecode {text}: not kept, since the output {why}")
            return
        self._picture.metadata["timecode"] = converted

    def _drop(self, stream: Stream, why: str) -> None:
        self._say(stream, f"not kept: {why}")

    def _say(self, stream: Stream, what: str) -> None:
        codec = _codec_name(stream) or getattr(stream, "name", None) or "unknown"
        self._report.notices.append(f"track {stream.index} ({stream.type}, {codec}): {what}")

    # what is written

    def _interleaved(self) -> Iterator[AnyPacket]:
        """Yield the packets of picture and tracks, roughly in the order of their times."""
        pictures = self._pictures()
        coming = next(pictures, None)
        for packet in self._track_packets():
            time = decode_time(packet)
            while coming is not None and decode_time(coming) <= time:
                yield coming
                coming = next(pictures, None)
            yield packet
        while coming is not None:
            yield coming
            coming = next(pictures, None)

    def _pictures(self) -> Iterator[AnyPacket]:
        encoding = self._film.encoding
        packets = timed(
            self._coded(),
            delay=encoding.video_codec.reorder_frames,
            tail=[pts for record in self._film.segments[-TAIL_FRAMES:] for pts in record.tail_pts],
            end=self._film.segments[-1].end_pts,
        )
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts = packet.pts * self._scale + self._offset
            packet.dts = packet.dts * self._scale + self._offset
            packet.duration = (packet.duration or 0) * self._scale
            packet.time_base = self._time_base
            packet.stream = self._picture
            yield packet

    def _coded(self) -> Iterator[AnyPacket]:
        for record in self._film.segments:
            reader = SegmentReader(self._film.folder, record, self._film.encoding)
            try:
                if reader.stream.codec_context.extradata != self._extradata:
                    raise InternalError(f"segment {record.file} was coded differently from the first one")
                yield from reader.packets()
            finally:
                reader.close()

    def _track_packets(self) -> Iterator[AnyPacket]:
        if self._source is None or not self._tracks:
            return
        for packet in _surviving_packets(self._source, self._tracks, self._report):
            yield from self._tracks[packet.stream_index].feed(packet)
        for track in self._tracks.values():
            yield from track.flush()

    def _muxer_options(self) -> dict[str, str]:
        options = dict(self._container.options)
        if self._container.name in ("mp4", "mov"):
            scale = self._time_base.denominator
            options["movie_timescale"] = str(scale * max(1, -(-1000 // scale)))
        return options


def _film_clock(film: Film, origin: Fraction) -> tuple[Fraction, int, int]:
    """Return the output's time base, coded units per one of its units, and the first picture's time in it."""
    delay = film.start - origin
    unit = common_unit(film.encoding.time_base, delay)
    return unit, int(film.encoding.time_base / unit), round(delay / unit)


def _start_of(stream: av.AudioStream) -> Fraction | None:
    """Return when the first sample is heard; samples that only start the decoder up do not count."""
    return None if stream.start_time is None else stream.start_time * unit_of(stream)


def _codec_name(stream: Stream) -> str | None:
    context = cast("CodecContext | None", stream.codec_context)  # None where FFmpeg has no decoder; the stubs say never
    return None if context is None else context.codec.canonical_name


def _is_served_elsewhere(stream: Stream, source: InputContainer | None) -> bool:
    """Whether a data track is the timecode, or the titles of the chapters, which are carried over as such."""
    is_timecode = find_timecode(stream.metadata) is not None
    is_chapters = source is not None and bool(source.chapters()) and getattr(stream, "name", None) == "bin_data"
    return stream.type == "data" and (is_timecode or is_chapters)


def _moved(chapter: Any, origin: Fraction) -> Any:
    time_base = Fraction(chapter["time_base"])
    shift = round(origin / time_base)
    start, end = max(0, chapter["start"] - shift), chapter["end"] - shift
    return {**chapter, "start": start, "end": end} if end > start or start == end == 0 else None


def _surviving_packets(source: InputContainer, wanted: Iterable[int], report: MuxReport) -> Iterator[AnyPacket]:
    """Yield the wanted tracks' packets; what cannot be read is counted and stepped over."""
    streams = [source.streams[index] for index in wanted]
    for _ in range(_MOST_READ_ERRORS):
        try:
            for packet in source.demux(streams):
                if packet.size:
                    yield packet
            return
        except FFmpegError:
            report.damaged_packets += 1
    report.notices.append("the source's sound ends early: too much of the file is damaged")
