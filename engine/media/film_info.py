"""What is in a film file, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """The pictures of a film.

    codec, profile, pix_fmt : FFmpeg's names
    width, height : as coded, before rotation
    sample_aspect : width of a pixel ÷ its height, as coded
    rotation : degrees counter-clockwise that a player turns the pictures
    is_mirrored : mirrored left to right after turning
    bit_depth : of a sample
    matrix, range, transfer, primaries : FFmpeg's numbers as coded (2, for the range 0, is "unspecified")
    is_interlaced : the first picture is flagged interlaced
    field_order : FFmpeg's number as the container has it, not always true: 0 unknown, 1 progressive, 2 and 4 top field
        first, 3 and 5 bottom field first; deinterlacing goes by each picture's own flag
    rate : pictures per second where even; None where it varies
    average_rate : as the container says
    time_base : seconds per unit of the timestamps
    start : of the track, seconds; None where not told
    frames : None where not told
    duration : seconds; None where not told
    language, metadata : as told
    """

    codec: str
    profile: str | None
    pix_fmt: str
    width: int
    height: int
    sample_aspect: Fraction
    rotation: int
    is_mirrored: bool
    bit_depth: int
    matrix: int
    range: int
    transfer: int
    primaries: int
    is_interlaced: bool
    field_order: int
    rate: Fraction | None
    average_rate: Fraction | None
    time_base: Fraction
    start: Fraction | None
    frames: int | None
    duration: Fraction | None
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_variable_rate(self) -> bool:
        """Whether the pictures do not stand on an even grid of times."""
        return self.rate is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """A sound track; `channels` and `layout` such as 6 and "5.1"."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    layout: str
    language: str | None
    bit_rate: int | None
    duration: Fraction | None
    is_default: bool
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTrack:
    """A track of subtitles ("subtitle") or data ("data", such as a timecode track); `codec` None where unknown."""

    index: int
    kind: str
    codec: str | None
    language: str | None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A chapter from `start` to `end`, seconds."""

    start: Fraction
    end: Fraction
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside the film; `size` in bytes, None for cover pictures, whose size is not told."""

    index: int
    name: str | None
    mime_type: str | None
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmInfo:
    """Everything a container says of itself.

    name : of the file, "stdin" or the pattern of a sequence
    container : FFmpeg's name of the format; "image sequence" for pictures
    duration, start : seconds; None where not told
    bit_rate : bits per second; None where not told
    size_bytes : of the file; None where not told
    timecode : of the first picture, such as "01:00:00:00"
    """

    name: str
    container: str
    duration: Fraction | None
    start: Fraction | None
    bit_rate: int | None
    size_bytes: int | None
    timecode: str | None
    video: VideoTrack
    audio: tuple[AudioTrack, ...] = ()
    subtitles: tuple[OtherTrack, ...] = ()
    data: tuple[OtherTrack, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON values; fractions as text such as "24000/1001"."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
