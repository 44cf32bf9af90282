"""The plan cache: engines as files that say what they are of, and are believed only when they prove it.

A plan file is a line that names the format and carries the SHA-256 of the header; the header, a line of JSON, padded so
that the engine behind it starts at a multiple of `ALIGNMENT`; and the engine. The header holds the key, the engine's
length and its SHA-256.
"""

import hashlib
import json
import mmap
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.backends.tensorrt.library import Flavour
from engine.backends.tensorrt.profiles import ShapeRange
from engine.backends.tensorrt.targets import Targets
from engine.errors import PlanMismatchError
from engine.media.durable import publish

BUILDER_REVISION = 2
"""Raised whenever what the builder asks of the library changes, so that older plans are built again."""

MAGIC = b"farshore plan 1 "
ALIGNMENT = 4096
SUFFIX = ".plan"
UNFINISHED_SUFFIX = ".unfinished"
ABANDONED_SECONDS = 24 * 3600.0
"""After this long an unfinished file belongs to a build that was killed."""

_LONGEST_HEADER = 1 << 20
_MAGIC_LINE = len(MAGIC) + 64 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanKey:
    """Everything that decides what a plan is. Two plans with the same key serve the same sessions.

    model : name, for people
    model_sha256 : of the ONNX file's bytes
    precision : as the model's card says
    profile : a range for each input whose shape is open
    library, version : flavour of the library and its version
    targets : the GPUs
    workspace_bytes : most scratch memory of one operation on the GPU; None: what the GPU has
    revision : of our builder
    """

    model: str
    model_sha256: str
    precision: str
    profile: Mapping[str, ShapeRange]
    library: Flavour
    version: str
    targets: Targets
    workspace_bytes: int | None = None
    revision: int = BUILDER_REVISION

    def as_json(self) -> dict[str, Any]:
        """Return plain values; `from_json` makes the same key of them."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PlanKey":
        """Make a key of plain values.

        Raises
        ------
        KeyError, TypeError
            They are none of a key.
        """
        fields = dict(values)
        fields["profile"] = {
            name: ShapeRange(**{end: tuple(shape) for end, shape in ends.items()})
            for name, ends in fields["profile"].items()
        }
        fields["targets"] = Targets(
            compute_capabilities=tuple(fields["targets"]["compute_capabilities"]), gpu=fields["targets"]["gpu"]
        )
        return cls(**fields)

    @property
    def file_name(self) -> str:
        """Name of its file: for people the model, for machines a digest of the whole key."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return f"{self.model}-{self.precision}-{hashlib.sha256(text.encode()).hexdigest()[:16]}{SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan that was checked.

    path : its file
    key : what it is of
    payload : the engine; stays readable when the file is replaced
    seconds : that building took
    """

    path: Path
    key: PlanKey
    payload: memoryview
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """A line of the list of plans.

    key : None where the file is damaged
    file_bytes : of the file
    age_seconds : since it was built
    """

    path: Path
    key: PlanKey | None
    file_bytes: int
    age_seconds: float


def write_plan(path: Path, key: PlanKey, payload: Any, seconds: float) -> None:
    """Write a plan file under the name given, which must not be its final one.

    Parameters
    ----------
    payload : the engine; anything with the buffer protocol
    seconds : that building took
    """
    header = {
        "key": key.as_json(),
        "payload_bytes": memoryview(payload).nbytes,
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "seconds": round(seconds, 3),
    }
    line = json.dumps(header, sort_keys=True).encode() + b"\n"
    line = line[:-1] + b" " * (-(_MAGIC_LINE + len(line)) % ALIGNMENT) + b"\n"
    with path.open("wb") as file:
        file.write(MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n" + line)
        file.write(payload)


def read_plan(path: Path, key: PlanKey | None = None) -> Plan:
    """Open a plan file and check every byte of it.

    Parameters
    ----------
    key : what it must be of; None: whatever it says

    Raises
    ------
    FileNotFoundError
        There is none.
    PlanMismatchError
        It is damaged, cut off, or of something else.
    """
    with path.open("rb") as file:
        header, found, start = _read_header(path, file.read(_MAGIC_LINE), file)
        if key is not None and found != key:
            differing = [name for name, value in key.as_json().items() if found.as_json()[name] != value]
            raise PlanMismatchError(f"plan {path}: of another {', '.join(differing)}")
        length = os.fstat(file.fileno()).st_size - start
        if length != header["payload_bytes"]:
            raise PlanMismatchError(f"plan {path}: {length} bytes of {header['payload_bytes']}; it was cut off")
        payload = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[start:]
    if hashlib.sha256(payload).hexdigest() != header["payload_sha256"]:
        raise PlanMismatchError(f"plan {path}: its bytes are not those that were written; it is damaged")
    return Plan(path=path, key=found, payload=payload, seconds=header["seconds"])


def unfinished_path(folder: Path, key: PlanKey) -> Path:
    """Return where this process writes a plan until it is whole; another process has another name for it."""
    return folder / f"{key.file_name}.{os.getpid()}{UNFINISHED_SUFFIX}"


def publish_plan(unfinished: Path, key: PlanKey) -> Plan:
    """Check what was written, give it its name, and return it from there.

    Two processes that built the same plan both publish theirs: whichever comes last stays, and each is whole.

    Raises
    ------
    PlanMismatchError
        What was written is not the plan.
    """
    plan = read_plan(unfinished, key)
    final = unfinished.parent / key.file_name
    publish(unfinished, final)
    return Plan(path=final, key=key, payload=plan.payload, seconds=plan.seconds)


def list_plans(folder: Path, now: float) -> Iterator[PlanEntry]:
    """Yield the plans of a folder, newest first; headers are checked, engines are not read.

    now : the present, seconds since the epoch
    """
    files = [(path, path.stat()) for path in folder.glob(f"*{SUFFIX}")]
    for path, status in sorted(files, key=lambda item: -item[1].st_mtime):
        try:
            with path.open("rb") as file:
                header, key, start = _read_header(path, file.read(_MAGIC_LINE), file)
            is_whole = status.st_size - start == header["payload_bytes"]
        except PlanMismatchError:
            key, is_whole = None, False
        yield PlanEntry(
            path=path,
            key=key if is_whole else None,
            file_bytes=status.st_size,
            age_seconds=max(0.0, now - status.st_mtime),
        )


def sweep_unfinished(folder: Path) -> None:
    """Delete what builds left behind that were killed long ago."""
    for path in folder.glob(f"*{UNFINISHED_SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except FileNotFoundError:  # another process swept it
            continue


def _read_header(path: Path, magic: bytes, file: Any) -> tuple[dict[str, Any], PlanKey, int]:
    """Return the header, its key, and where the engine starts."""
    line = file.readline(_LONGEST_HEADER)
    if not magic.startswith(MAGIC):
        raise PlanMismatchError(f"plan {path}: not a plan of this version of farshore")
    if magic != MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n":
        raise PlanMismatchError(f"plan {path}: its header is damaged")
    try:
        header = json.loads(line)
        return header, PlanKey.from_json(header["key"]), len(magic) + len(line)
    except (ValueError, KeyError, TypeError) as error:
        raise PlanMismatchError(f"plan {path}: its header is of another version of farshore") from error
