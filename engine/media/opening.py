"""Find what a source names (film file, stream, pictures) and open films; every refusal is one line with its cure."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition, Stream

from engine.errors import DecodeError
from engine.media.ffmpeg_errors import reading

Source = str | Path | BinaryIO
"""A path, a URL, "-" for stdin, a printf or glob pattern, a folder of pictures, or an open binary file."""

PICTURE_EXTENSIONS = frozenset(
    {"png", "tif", "tiff", "dpx", "jpg", "jpeg", "bmp", "exr", "jp2", "j2k", "tga", "webp", "pgm", "ppm", "pnm", "pam"}
)
MOST_PIXELS = 1 << 27
"""Larger pictures (more than 16384 × 8192) are refused: damaged headers claim them."""

_NETWORK_TIMEOUT_SECONDS = 30.0
_PRINTF = re.compile(r"%0?(\d*)d")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedPicture:
    """One file of a sequence and its place in it."""

    number: int
    path: Path


def name_of(source: Source) -> str:
    """Return how messages call a source."""
    if isinstance(source, str | Path):
        return "stdin" if str(source) == "-" else str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "stream"


def is_seekable(source: Source) -> bool:
    """Return whether a source can be opened a second time and read from its middle: files and pictures, not streams."""
    return isinstance(source, str | Path) and str(source) != "-" and "://" not in str(source) and not _is_pipe(source)


def find_pictures(source: Source) -> Sequence[NumberedPicture] | None:
    """Return the files of an image sequence in order, None where the source is a film.

    A printf pattern (`frames/%05d.png`) keeps the numbers, so that a gap stays a gap; a glob pattern or a folder is
    sorted as people count (2 before 10). A single picture is a sequence of one.

    Raises
    ------
    DecodeError
        A pattern or folder that has no pictures.
    """
    if not isinstance(source, str | Path) or str(source) == "-" or "://" in str(source):
        return None
    path = Path(source)
    if path.is_dir():
        return _in_row(path, [each for each in path.iterdir() if _is_picture(each)])
    if path.exists():
        return _in_row(path, [path]) if _is_picture(path) else None
    if _PRINTF.search(path.name):
        return _numbered(path)
    if any(mark in path.name for mark in "*?["):
        return _in_row(path, list(path.parent.glob(path.name)) if path.parent.is_dir() else [])
    return None


def open_container(source: Source, accelerator: HWAccel | None = None) -> InputContainer:
    """Open a film.

    Parameters
    ----------
    source : what names it
    accelerator : a device for the decoders to work on where they can; None: they work on the processor

    Raises
    ------
    DecodeError
        There is no such file, it is empty, or FFmpeg cannot read it.
    """
    file: Any = source
    timeout = None
    if isinstance(source, str | Path):
        if str(source) == "-":
            file = _stdin()
        elif "://" in str(source):
            file, timeout = str(source), _NETWORK_TIMEOUT_SECONDS
        else:
            file = f"file:{_checked(Path(source))}"
    with reading(name_of(source)):
        options = {"max_pixels": str(MOST_PIXELS)}
        opened = av.open(file, "r", metadata_errors="replace", timeout=timeout, options=options, hwaccel=accelerator)
        return cast(InputContainer, opened)


def film_stream(container: InputContainer, name: str) -> av.VideoStream:
    """Return the stream that holds the film's pictures.

    Raises
    ------
    DecodeError
        There is none, or FFmpeg has no decoder for it.
    """
    streams = [each for each in container.streams.video if Disposition.attached_pic not in each.disposition]
    if not streams:
        held = ", ".join(sorted({each.type for each in container.streams})) or "nothing"
        raise DecodeError(f"{name}: got {held}; wanted a film; there are no moving pictures in it to restore")
    decodable = [each for each in streams if has_decoder(each)]
    if not decodable:
        raise DecodeError(f"{name}: no decoder for its pictures; convert it, for example to FFV1 in Matroska")
    best = container.streams.best("video")
    return best if isinstance(best, av.VideoStream) and best in decodable else decodable[0]


def has_decoder(stream: Stream) -> bool:
    """Return whether FFmpeg can decode a stream; PyAV's type stubs say always."""
    return cast(object, stream.codec_context) is not None


def _checked(path: Path) -> Path:
    if not path.exists():
        raise DecodeError(f"{path}: no such file; check the path, or quote a pattern such as 'frames/%05d.png'")
    if path.is_file() and path.stat().st_size == 0:
        raise DecodeError(f"{path}: the file is empty; fetch it again")
    return path


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise DecodeError(
            "stdin: got a terminal; wanted a film piped in, such as: cat film.mkv | farshore restore - out.mp4"
        )
    return sys.stdin.buffer


def _is_pipe(source: str | Path) -> bool:
    path = Path(source)
    return path.exists() and not path.is_file() and not path.is_dir()


def _is_picture(path: Path) -> bool:
    return path.suffix[1:].lower() in PICTURE_EXTENSIONS and path.is_file()


def _in_row(source: Path, paths: list[Path]) -> list[NumberedPicture]:
    if not paths:
        kinds = ", ".join(sorted(PICTURE_EXTENSIONS))
        raise DecodeError(f"{source}: no pictures there; wanted a film file, or pictures ({kinds})")
    ordered = sorted(paths, key=lambda path: _as_counted(path.name))
    return [NumberedPicture(number=number, path=path) for number, path in enumerate(ordered)]


def _numbered(pattern: Path) -> list[NumberedPicture]:
    before, after = _PRINTF.split(pattern.name)[0], _PRINTF.split(pattern.name)[-1]
    form = re.compile(re.escape(before.replace("%%", "%")) + r"(\d+)" + re.escape(after.replace("%%", "%")))
    files = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
    found = [
        NumberedPicture(number=int(match[1]), path=path)
        for path in files
        if (match := form.fullmatch(path.name)) and pattern.name % int(match[1]) == path.name
    ]
    if not found:
        raise DecodeError(f"{pattern}: no file fits the pattern; check folder, digits and extension")
    return sorted(found, key=lambda picture: picture.number)


def _as_counted(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
