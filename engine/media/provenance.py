"""What was done to a film, written into its container so that `farshore info` and any other reader can tell.

`comment` holds a sentence for people, and one key the whole as JSON: `farshore` in MOV, Matroska, WebM and NUT,
`keywords` in MP4, which keeps no keys of our own beside a cover picture. Targets that hold no such text (MPEG-TS,
pictures) get a second file beside them, `<file>.farshore.json` or `<folder>/farshore.json`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.error import FFmpegError

from engine.errors import DecodeError
from engine.media.durable import partial, publish, writing

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMark:
    """A model that worked on the film.

    role : enhance, interpolate, colorize, ...
    name, version : as in the model file's own metadata
    sha256 : of the model file, hexadecimal
    """

    role: str
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What was done to a film.

    version : of farshore
    source : name of the film restored, without its folder; "-" for a pipe
    settings : every setting, as plain JSON values (`plain(settings)`)
    models : in the order of the chain
    before : provenance of the source, where it was itself restored by farshore
    """

    version: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    models: tuple[ModelMark, ...] = ()
    before: "Provenance | None" = None

    def sentence(self) -> str:
        """Return one line for people: that the film is restored, by what."""
        models = ", ".join(f"{m.role}: {m.name} {m.version} ({m.sha256[:12]})" for m in self.models)
        return f"Restored with farshore {self.version} from {self.source}. Models: {models or 'none'}."

    def to_json(self) -> str:
        """Return the whole as one line of JSON."""
        return canonical_json({"format": _FORMAT, "restored": True, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "Provenance | None":
        """Return what `to_json` wrote; None where the text is something else."""
        if not text.startswith("{"):
            return None
        try:
            value: Any = json.loads(text)
        except ValueError:
            return None
        return _from_values(value)

    def metadata(self, source: Mapping[str, str], key: str | None) -> dict[str, str]:
        """Return the source's container metadata with ours added.

        `key` takes the JSON text; the source's own words under it, and its comment, stay in front of our sentence.
        """
        kept = {name: value for name, value in source.items() if not _is_of_the_file(name, value)}
        displaced = kept.pop(key, None) if key is not None else None
        comment = " ".join(filter(None, (kept.get("comment"), displaced, self.sentence())))
        return {**kept, "comment": comment, **({key: self.to_json()} if key is not None else {})}


_OF_THE_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time", "duration"})
"""Metadata that describes the source's file rather than its film."""


def read(path: Path) -> Provenance | None:
    """Return what was done to the film in a file, or to a sequence of pictures; None where farshore did nothing.

    Raises
    ------
    DecodeError
        The file cannot be opened.
    """
    beside = sidecar_path(path)
    if beside.is_file():
        return Provenance.from_json(beside.read_text(encoding="utf-8", errors="replace"))
    if path.is_dir():
        return None
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return from_metadata(container.metadata)
    except (OSError, FFmpegError) as error:
        raise DecodeError(f"{path}: cannot be opened: {getattr(error, 'strerror', error)}") from error


def from_metadata(metadata: Mapping[str, str]) -> Provenance | None:
    """Return the provenance in a container's metadata, whatever key holds it."""
    return next((found for value in metadata.values() if (found := Provenance.from_json(value)) is not None), None)


def sidecar_path(target: Path) -> Path:
    """Return the name of the file that holds the provenance of a target that cannot hold it itself.

    `out/%06d.png` and the folder `out` both mean `out/farshore.json`.
    """
    if "%" in target.name:
        return target.parent / "farshore.json"
    return target / "farshore.json" if target.is_dir() else target.with_name(target.name + ".farshore.json")


def write_sidecar(target: Path, provenance: Provenance) -> Path:
    """Write the provenance beside a target that cannot hold it, and return that file's path."""
    path = sidecar_path(target)
    with writing(path):
        partial(path).write_text(provenance.to_json() + "\n", encoding="utf-8")
        publish(partial(path), path)
    return path


def plain(value: Any) -> Any:
    """Return settings (dataclasses, fractions, paths, enums, tuples) as plain JSON values, exact ones as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, Enum):
        return plain(value.value)
    return str(value) if isinstance(value, (Fraction, Path)) else value


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for equal values: keys sorted, no spaces, numbers as Python writes them."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _is_of_the_file(name: str, value: str) -> bool:
    return name.lower() in _OF_THE_FILE or Provenance.from_json(value) is not None


def _from_values(value: Any) -> Provenance | None:
    values = _mapping(value)
    if values.get("restored") is not True or values.get("format") != _FORMAT:
        return None
    models = values.get("models")
    marks = [_mapping(model) for model in cast("list[Any]", models)] if isinstance(models, list) else []
    return Provenance(
        version=str(values.get("version", "")),
        source=str(values.get("source", "")),
        settings=_mapping(values.get("settings")),
        models=tuple(ModelMark(**{f.name: str(mark.get(f.name, "")) for f in fields(ModelMark)}) for mark in marks),
        before=_from_values({**_mapping(values.get("before")), "format": _FORMAT, "restored": True})
        if values.get("before")
        else None,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
