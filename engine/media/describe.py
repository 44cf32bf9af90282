"""Read what a container says of its film, without decoding more than one picture."""

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition

from engine.media.exact import exact, seconds
from engine.media.film_info import Attachment, AudioTrack, Chapter, FilmInfo, OtherTrack, VideoTrack
from engine.media.layout import bit_depth_of, coded_format
from engine.media.opening import has_decoder
from engine.media.times import even_rate
from engine.media.upright import orientation_of
from engine.settings import exact_rate

_MICROSECONDS = 1_000_000
_MOV = "mov,mp4"
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def describe(container: InputContainer, stream: av.VideoStream, *, name: str, rate: Fraction | None) -> FilmInfo:
    """Return what an open container says; `rate` as found by `container_rate`.

    What only a decoded picture tells (rotation, interlacing, the true pixel format) is added by `with_picture`.
    """
    streams = list(container.streams)
    return FilmInfo(
        name=name,
        container=container.format.name,
        duration=seconds(container.duration, Fraction(1, _MICROSECONDS)),
        start=seconds(container.start_time, Fraction(1, _MICROSECONDS)),
        bit_rate=container.bit_rate or None,
        size_bytes=container.size if container.size > 0 else None,
        timecode=_timecode(container),
        video=_video_track(container, stream, rate),
        audio=tuple(_audio_track(each) for each in container.streams.audio if has_decoder(each)),
        subtitles=tuple(_other_track(each, "subtitle") for each in container.streams.subtitles),
        data=tuple(_other_track(each, "data") for each in container.streams.data),
        chapters=tuple(_chapter(each) for each in container.chapters()),
        attachments=tuple(_attachment(each) for each in streams if _is_attachment(each)),
        metadata=dict(container.metadata),
    )


def with_picture(info: FilmInfo, picture: av.VideoFrame) -> FilmInfo:
    """Return `info` completed by the first decoded picture."""
    orientation = orientation_of(picture)
    pix_fmt = coded_format(picture)
    video = replace(
        info.video,
        pix_fmt=pix_fmt,
        width=picture.width,
        height=picture.height,
        bit_depth=bit_depth_of(pix_fmt),
        rotation=orientation.degrees,
        is_mirrored=orientation.is_mirrored,
        matrix=int(picture.colorspace),
        range=int(picture.color_range),
        transfer=int(picture.color_trc),
        primaries=int(picture.color_primaries),
        is_interlaced=picture.interlaced_frame,
    )
    return replace(info, video=video)


def container_rate(stream: av.VideoStream, times: list[int]) -> Fraction | None:
    """Return a film's rate, None where it varies.

    Parameters
    ----------
    stream : says what its rate is
    times : timestamps to check that by; empty means that they cannot be known beforehand
    """
    rates = (exact(rate) for rate in (stream.average_rate, stream.base_rate, stream.guessed_rate))
    told = [rate for rate in rates if rate]
    # AVI and others store a rounded rate, such as 2997/125 for 24000/1001
    candidates = [each for rate in told for each in (exact_rate(rate), rate)]
    if times:
        return even_rate(times, exact(stream.time_base) or Fraction(1), candidates)
    is_agreed = len(told) > 1 and exact_rate(told[0]) == exact_rate(told[1])
    return candidates[0] if is_agreed else None


def index_times(container: InputContainer, stream: av.VideoStream) -> list[int]:
    """Return the timestamps of all coded pictures where the container's index holds every one, else nothing."""
    entries = stream.index_entries
    is_whole = _MOV in container.format.name or 0 < stream.frames <= len(entries)
    return [entry.timestamp for entry in entries] if is_whole else []


def expected_packets(container: InputContainer, stream: av.VideoStream) -> int | None:
    """Return how many coded pictures the header promises; None where it does not.

    Of MP4 and QuickTime the index counts: an edit list that trims the film shortens it, but not `stream.frames`.
    """
    if _MOV in container.format.name:
        return len(stream.index_entries) or None
    return stream.frames or None


def _video_track(container: InputContainer, stream: av.VideoStream, rate: Fraction | None) -> VideoTrack:
    context = stream.codec_context
    pix_fmt = context.pix_fmt or "unknown"
    return VideoTrack(
        codec=context.name,
        profile=context.profile,
        pix_fmt=pix_fmt,
        width=context.width,
        height=context.height,
        sample_aspect=exact(stream.sample_aspect_ratio) or Fraction(1),
        rotation=0,
        is_mirrored=False,
        bit_depth=0 if pix_fmt == "unknown" else bit_depth_of(pix_fmt),
        matrix=int(context.colorspace),
        range=int(context.color_range),
        transfer=int(context.color_trc),
        primaries=int(context.color_primaries),
        is_interlaced=False,
        field_order=int(context.field_order),
        rate=rate,
        average_rate=exact(stream.average_rate),
        time_base=exact(stream.time_base) or Fraction(1, _MICROSECONDS),
        start=seconds(stream.start_time, stream.time_base),
        frames=stream.frames or None,
        duration=_track_duration(container, stream),
        language=stream.language,
        metadata=dict(stream.metadata),
    )


def _track_duration(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    told = seconds(stream.duration, stream.time_base)
    if told is not None:
        return told
    tag = _DURATION_TAG.match(_lower(stream.metadata).get("duration", ""))
    if tag is not None:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
    is_alone = not container.streams.audio
    return seconds(container.duration, Fraction(1, _MICROSECONDS)) if is_alone else None


def _audio_track(stream: Any) -> AudioTrack:
    context = stream.codec_context
    return AudioTrack(
        index=stream.index,
        codec=context.name,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=context.layout.name,
        language=stream.language,
        bit_rate=context.bit_rate or None,
        duration=seconds(stream.duration, stream.time_base),
        is_default=Disposition.default in stream.disposition,
        metadata=dict(stream.metadata),
    )


def _other_track(stream: Any, kind: str) -> OtherTrack:
    context = stream.codec_context
    return OtherTrack(
        index=stream.index,
        kind=kind,
        codec=context.name if context is not None else _lower(stream.metadata).get("timecode") and "tmcd",
        language=stream.language,
        metadata=dict(stream.metadata),
    )


def _chapter(entry: Any) -> Chapter:
    base = exact(entry["time_base"]) or Fraction(0)
    return Chapter(start=entry["start"] * base, end=entry["end"] * base, title=entry["metadata"].get("title"))


def _is_attachment(stream: Any) -> bool:
    return isinstance(stream, AttachmentStream) or Disposition.attached_pic in stream.disposition


def _attachment(stream: Any) -> Attachment:
    is_file = isinstance(stream, AttachmentStream)
    return Attachment(
        index=stream.index,
        name=stream.name if is_file else stream.metadata.get("title"),
        mime_type=stream.mimetype if is_file else None,
        size=len(stream.data) if is_file else None,
    )


def _timecode(container: InputContainer) -> str | None:
    tagged = [container.metadata, *(stream.metadata for stream in container.streams)]
    return next((found for tags in tagged if (found := _lower(tags).get("timecode"))), None)


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}
