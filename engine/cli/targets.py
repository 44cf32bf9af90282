"""Which films the paths on a command line mean, and where each restoration goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError
from engine.job import PIPE

FILM_EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        *("3gp", "asf", "avi", "dv", "f4v", "flv", "m2t", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg"),
        *("mts", "mxf", "nut", "ogv", "qt", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
"""Files of a folder that are taken as films."""

PICTURE_EXTENSIONS = frozenset({".png", ".tif", ".tiff", ".dpx", ".jpg", ".jpeg", ".bmp", ".exr"})
"""A folder of these and no films is one film, an image sequence."""

_KEPT_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
_SUFFIX_BY_CODEC = {"prores": ".mov", "ffv1": ".mkv"}


@dataclass(frozen=True, slots=True)
class Work:
    """One film to restore.

    source : path, image sequence or "-"
    target : path or "-"
    """

    source: str
    target: str


def plan_works(paths: Sequence[str], output_folder: Path | None, codec: str | None) -> list[Work]:
    """Return the films to restore.

    One path is a film (or a folder of films), restored beside itself as NAME.restored.EXTENSION. Two are a film and
    its restoration, which may be an existing folder. With `output_folder` every path is a film or a folder of films.

    Raises
    ------
    ConfigError
        The paths cannot be understood this way, a folder holds no film, or two films would get one name.
    """
    if output_folder is None and len(paths) == 2:
        return [_pair(paths[0], paths[1], codec)]
    if output_folder is None and len(paths) > 2:
        raise ConfigError(
            f"restore: got {len(paths)} paths; wanted a film and its output, or several films with --output-folder DIR"
        )
    works = [
        Work(source, str((output_folder or Path(source).parent) / _restored_name(source, codec)))
        for path in paths
        for source in _films_in(path)
    ]
    _refuse_same_target(works)
    return works


def _pair(source: str, target: str, codec: str | None) -> Work:
    if target != PIPE and Path(target).is_dir() and not _is_sequence(Path(target)):
        if _is_batch(Path(source)):
            raise ConfigError(f"{source}: is a folder of films; say --output-folder {target}")
        return Work(source, str(Path(target) / _restored_name(source, codec)))
    if _is_batch(Path(source)):
        raise ConfigError(f"{source}: is a folder of films; give --output-folder DIR instead of one output file")
    return Work(source, target)


def _films_in(path: str) -> Iterator[str]:
    """Yield the films that one path means: itself, or those of a folder that are not restorations already."""
    if path == PIPE:
        raise ConfigError("restore: stdin has no name to derive the output's from; name the output, or - for stdout")
    folder = Path(path)
    if not folder.is_dir() or _is_sequence(folder):
        yield path
        return
    films = _films_of(folder)
    if not films:
        raise ConfigError(f"{path}: holds no films; wanted files such as .mp4, .mov, .mkv, .avi, .mpg, or pictures")
    yield from map(str, films)


def _films_of(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in FILM_EXTENSIONS and not file.stem.endswith(".restored") and file.is_file()
    ]


def _is_batch(path: Path) -> bool:
    return path.is_dir() and not _is_sequence(path)


def _is_sequence(folder: Path) -> bool:
    """Whether a folder is an image sequence: pictures and no films."""
    files = [file.suffix.lower() for file in folder.iterdir()]
    return any(suffix in PICTURE_EXTENSIONS for suffix in files) and not FILM_EXTENSIONS.intersection(files)


def _restored_name(source: str, codec: str | None) -> str:
    path = Path(source)
    suffix = path.suffix.lower() if path.is_file() or path.suffix.lower() in FILM_EXTENSIONS else ""
    suffix = _SUFFIX_BY_CODEC.get(codec or "", suffix if suffix in _KEPT_SUFFIXES else ".mkv")
    stem = path.stem if path.suffix.lower() in FILM_EXTENSIONS | PICTURE_EXTENSIONS else path.name
    return f"{stem.replace('%', '')}.restored{suffix}"


def _refuse_same_target(works: Sequence[Work]) -> None:
    seen: dict[str, str] = {}
    for work in works:
        if work.target in seen:
            raise ConfigError(
                f"{work.target}: both {seen[work.target]} and {work.source} would be restored to it; do one at a time"
            )
        seen[work.target] = work.source
