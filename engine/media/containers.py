"""The film containers that can be written, and what each can hold. A table: nothing here decides anything.

Names are FFmpeg's. `audio` and `subtitles` list what is copied untouched; anything else is converted to the fallback.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What one kind of file can hold.

    name : FFmpeg's name of the muxer
    extensions : of file names that mean it
    video : codecs of `engine.settings.CODECS` that fit, the default first
    audio : codecs copied; None copies every codec that the muxer knows
    audio_fallback : codec for the others; None where nothing need be converted
    subtitles : text codecs copied; empty where subtitles cannot be held
    subtitle_fallback : codec for other text subtitles
    picture_subtitles : codecs of drawn subtitles that are copied; they cannot be converted
    chapters, attachments, cover, timecode : whether it can hold them
    provenance_key : metadata key that takes what was done as JSON; None where no such text is kept
    exact_times : False where times are rounded to 1 ms
    needs_aspect : codecs for which the pixels' aspect is written by `engine.media.matroska`
    options : for the muxer
    video_tags : fourcc of a video codec where the muxer's own choice plays on fewer players
    """

    name: str
    extensions: tuple[str, ...]
    video: tuple[str, ...]
    audio: frozenset[str] | None
    audio_fallback: str | None
    subtitles: frozenset[str] = frozenset()
    subtitle_fallback: str | None = None
    picture_subtitles: frozenset[str] = frozenset()
    chapters: bool = False
    attachments: bool = False
    cover: bool = False
    timecode: bool = False
    provenance_key: str | None = "farshore"
    exact_times: bool = True
    needs_aspect: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    video_tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def check_video(self, codec: str, target: Path) -> None:
        """Raise ConfigError unless the container can hold the codec."""
        if codec not in self.video:
            fitting = " ".join(sorted({c.extensions[0] for c in CONTAINERS if codec in c.video}))
            raise ConfigError(
                f"{target.name}: {self.name} files cannot hold {codec}, they can hold {', '.join(self.video)}; "
                f"use one of these, or one of the extensions that hold {codec}: {fitting}"
            )


_PICTURE_SUBTITLES = frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"})
_PCM = frozenset(
    {f"pcm_{kind}{end}" for kind in ("s16", "s24", "s32", "f32", "f64") for end in ("le", "be")}
    | {"pcm_s8", "pcm_u8", "pcm_alaw", "pcm_mulaw"}
)
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac"})

CONTAINERS = (
    Container(
        name="mp4",
        extensions=(".mp4", ".m4v"),
        video=("h264", "h265", "av1"),
        audio=_MP4_AUDIO,
        audio_fallback="aac",
        subtitles=frozenset({"mov_text"}),
        subtitle_fallback="mov_text",
        picture_subtitles=frozenset({"dvd_subtitle"}),
        chapters=True,
        cover=True,
        timecode=True,
        provenance_key="keywords",  # keys of our own would cost the cover, and the title in most players
        options={"movflags": "+faststart"},
        video_tags={"h265": "hvc1"},
    ),
    Container(
        name="mov",
        extensions=(".mov", ".qt"),
        video=("h264", "h265", "prores"),
        audio=frozenset({"aac", "mp3", "ac3", "alac"}) | _PCM,
        audio_fallback="aac",
        subtitles=frozenset({"mov_text"}),
        subtitle_fallback="mov_text",
        chapters=True,
        timecode=True,
        options={"movflags": "+use_metadata_tags+faststart"},
        video_tags={"h265": "hvc1"},
    ),
    Container(
        name="matroska",
        extensions=(".mkv",),
        video=("h264", "h265", "av1", "prores", "ffv1"),
        audio=None,
        audio_fallback="flac",
        subtitles=frozenset({"subrip", "ass", "ssa", "webvtt", "text"}),
        subtitle_fallback="subrip",
        picture_subtitles=_PICTURE_SUBTITLES,
        chapters=True,
        attachments=True,
        timecode=True,
        exact_times=False,
        needs_aspect=frozenset({"av1", "prores", "ffv1"}),
    ),
    Container(
        name="webm",
        extensions=(".webm",),
        video=("av1",),
        audio=frozenset({"opus", "vorbis"}),
        audio_fallback="libopus",
        subtitles=frozenset({"webvtt"}),
        subtitle_fallback="webvtt",
        chapters=True,
        timecode=True,
        exact_times=False,
        needs_aspect=frozenset({"av1", "prores", "ffv1"}),
    ),
    Container(
        name="nut",
        extensions=(".nut",),
        video=("h264", "h265", "av1"),
        audio=None,
        audio_fallback="flac",
        chapters=True,
    ),
    Container(
        name="mpegts",
        extensions=(".ts", ".m2ts", ".mts"),
        video=("h264", "h265"),
        audio=frozenset({"aac", "mp2", "mp3", "ac3", "eac3", "opus"}),
        audio_fallback="aac",
        picture_subtitles=frozenset({"dvb_subtitle"}),
        provenance_key=None,
    ),
)


def container_for(target: Path) -> Container:
    """Return the container that the file's extension means; ConfigError where none does."""
    extension = target.suffix.lower()
    for container in CONTAINERS:
        if extension in container.extensions:
            return container
    known = " ".join(c.extensions[0] for c in CONTAINERS)
    raise ConfigError(f"{target.name}: got the extension {extension or 'none'!r}; wanted one of {known}")
