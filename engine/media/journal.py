"""The journal of unfinished work: what the run was, and which segments are finished.

A work folder `<target>.part/` holds the journal (one JSON value a line: first the head, then one line a segment), the
segments, and a lock. A segment's line is written, and flushed to the disk, only after the segment itself is; so
whatever has a line is there, and whatever has none is thrown away. A last line that was torn by a crash has no segment
to lose and is dropped.
"""

import errno
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, cast

import av

from engine.errors import DecodeError, EncodeError, ResumeError
from engine.file_hash import file_sha256
from engine.media.durable import flush_folder, partial, publish, writing
from engine.media.opening import find_pictures
from engine.media.output import WriteJob
from engine.media.provenance import canonical_json, digest, plain
from engine.media.segments import SegmentRecord

log = logging.getLogger(__name__)

_VERSION = 1
_JOURNAL = "journal.jsonl"
_LOCK = "lock"
_FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """What a run is: two runs with equal heads make the same segments.

    source : fingerprint of the film (`fingerprint`)
    settings : as plain values
    models : role to "name version sha256"
    threads : how the cores were divided among the stages; it can change the last bits of a model's numbers
    output : encoding and frame specification, as plain values
    software : versions of farshore and of the libraries that code
    """

    source: Mapping[str, Any] = field(default_factory=dict[str, Any])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    models: Mapping[str, Any] = field(default_factory=dict[str, Any])
    threads: Mapping[str, int] = field(default_factory=dict[str, int])
    output: Mapping[str, Any] = field(default_factory=dict[str, Any])
    software: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def differences(self, other: "JournalHead") -> list[str]:
        """Return "settings.output.quality: 75, now 60" for each value of `other` that is not as here."""
        return [
            line for f in fields(self) for line in _differences(f.name, getattr(self, f.name), getattr(other, f.name))
        ]


class Journal:
    """The journal of one work folder, locked for as long as it is open.

    Use `create` or `open`. `segments` are the finished ones, in order, without gaps from shot 0.
    """

    def __init__(self, folder: Path, head: JournalHead, lock: IO[str], segments: list[SegmentRecord]) -> None:
        self.folder = folder
        self.head = head
        self.segments = segments
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, head: JournalHead) -> "Journal":
        """Make the work folder anew, whatever it held, and begin a journal."""
        with writing(folder):
            folder.mkdir(exist_ok=True)
        lock = _lock_folder(folder)
        try:
            with writing(folder):
                for leftover in folder.iterdir():
                    if leftover.name != _LOCK:
                        leftover.unlink()
                _write(folder, head, [])
        except BaseException:
            lock.close()
            raise
        return cls(folder, head, lock, [])

    @classmethod
    def open(cls, folder: Path, head: JournalHead) -> "Journal":
        """Go on with a journal: keep the finished segments that are whole, remove everything else.

        A folder of a run that broke off before it had written a journal holds nothing to go on with: one is begun.

        Raises
        ------
        ResumeError
            The work was begun with another film, other settings, models or software; or the journal is unreadable.
        """
        lock = _lock_folder(folder)
        try:
            if {entry.name for entry in folder.iterdir()} <= {_LOCK, partial(folder / _JOURNAL).name}:
                _write(folder, head, [])
            recorded, segments = _read(folder)
            changed = recorded.differences(head)
            if changed:
                raise ResumeError(
                    f"{folder}: was begun differently ({'; '.join(changed[:4])}"
                    f"{f'; and {len(changed) - 4} more' if len(changed) > 4 else ''}); "
                    "run with what it was begun with, or give --overwrite instead of --resume to start anew"
                )
            whole = _whole(folder, segments)
            with writing(folder):
                kept = {_JOURNAL, _LOCK, *(record.file for record in whole)}
                for leftover in folder.iterdir():
                    if leftover.name not in kept:
                        leftover.unlink()
                _write(folder, recorded, whole)
        except BaseException:
            lock.close()
            raise
        return cls(folder, recorded, lock, whole)

    @property
    def next_shot(self) -> int:
        """The first shot that is not finished."""
        return self.segments[-1].next_shot if self.segments else 0

    def append(self, record: SegmentRecord) -> None:
        """Note a finished segment; returns when the note is on the disk."""
        with writing(self.folder), (self.folder / _JOURNAL).open("a", encoding="utf-8") as file:
            file.write(canonical_json(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.segments.append(record)

    def close(self) -> None:
        """Let go of the work folder; its content stays."""
        self._lock.close()

    def remove(self) -> None:
        """Remove the work folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def journal_head(job: WriteJob, output: Mapping[str, Any]) -> JournalHead:
    """Return the head for a job whose output (encoding, frames) is as described."""
    provenance = job.provenance
    settings: dict[str, Any] = dict(provenance.settings) if provenance is not None else {}
    runtime: Mapping[str, Any] = settings.pop("runtime", {})
    settings["backend"] = runtime.get("backend")  # the rest of it changes nothing that the film shows
    settings["output"] = job.settings
    return JournalHead(
        source=fingerprint(job.source),
        settings=plain(settings),
        models={m.role: f"{m.name} {m.version} {m.sha256}" for m in (provenance.models if provenance else ())},
        threads=dict(job.threads),
        output=plain(output),
        software={
            "farshore": provenance.version if provenance is not None else "",
            "av": av.__version__,
            "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        },
    )


def peek(folder: Path) -> JournalHead | None:
    """Return what an unfinished run was, without going on with it; None where there is nothing readable."""
    try:
        return _read(folder)[0]
    except ResumeError:
        return None


def fingerprint(path: Path | None) -> dict[str, Any]:
    """Return what tells a film from another. Empty for a pipe, and for pictures that are not there.

    Of a file: its size, and a hash of its first and last MiB. Of a folder or pattern: names and sizes of its pictures,
    and of nothing else that lies beside them.
    """
    if path is None:
        return {}
    if not path.is_file():
        try:
            pictures = find_pictures(path)
        except DecodeError:
            return {}
        return {"files": digest([(p.path.name, p.path.stat().st_size) for p in pictures])} if pictures else {}
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_FINGERPRINT_BYTES)
        file.seek(max(0, size - _FINGERPRINT_BYTES))
        tail = file.read(_FINGERPRINT_BYTES)
    return {"bytes": size, "head_and_tail": digest([head.hex(), tail.hex()])}


def _lock_folder(folder: Path) -> IO[str]:
    with writing(folder):
        lock = (folder / _LOCK).open("a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            lock.close()
            raise EncodeError(
                f"{folder}: another run is writing there; wait for it to end, or choose another output"
            ) from error
        log.warning("%s: the file system cannot lock files; make sure that no second run writes there", folder)
    return lock


def _read(folder: Path) -> tuple[JournalHead, list[SegmentRecord]]:
    try:
        lines = (folder / _JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise _unreadable(folder, "there is no journal") from error
    values = [_value(line) for line in lines]
    if not values or values[0] is None or values[0].get("version") != _VERSION:
        raise _unreadable(folder, "its journal is damaged or of another version of farshore")
    head = JournalHead(**{f.name: values[0].get(f.name, {}) for f in fields(JournalHead)})
    if values[0].get("sha256") != digest(head):
        raise _unreadable(folder, "its journal is damaged")
    segments: list[SegmentRecord] = []
    for value in values[1:]:
        if value is None or value.keys() != {f.name for f in fields(SegmentRecord)}:
            break  # torn by a crash; its segment is made again, and so are those behind it
        value["tail_pts"] = tuple(value["tail_pts"])
        segments.append(SegmentRecord(**value))
    return head, segments


def _write(folder: Path, head: JournalHead, segments: list[SegmentRecord]) -> None:
    first = {"version": _VERSION, "sha256": digest(head), **_as_dict(head)}
    journal = folder / _JOURNAL
    partial(journal).write_text("".join(canonical_json(v) + "\n" for v in (first, *segments)), encoding="utf-8")
    publish(partial(journal), journal)
    flush_folder(folder.parent)


def _whole(folder: Path, segments: list[SegmentRecord]) -> list[SegmentRecord]:
    """Return the segments up to the first that is missing, damaged or out of order."""
    whole: list[SegmentRecord] = []
    next_shot = 0
    for record in segments:
        path = folder / record.file
        is_whole = (
            Path(record.file).name == record.file
            and record.first_shot == next_shot
            and path.is_file()
            and path.stat().st_size == record.bytes
            and file_sha256(path) == record.sha256
        )
        if not is_whole:
            log.warning("%s: is missing or damaged; it and what follows is made again", path)
            break
        whole.append(record)
        next_shot = record.next_shot
    return whole


def _value(line: str) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _as_dict(head: JournalHead) -> dict[str, Any]:
    return {f.name: getattr(head, f.name) for f in fields(head)}


def _unreadable(folder: Path, why: str) -> ResumeError:
    return ResumeError(f"{folder}: cannot be continued: {why}; give --overwrite instead of --resume to start anew")


def _differences(name: str, was: Any, now: Any) -> Iterator[str]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        before, after = cast("Mapping[str, Any]", was), cast("Mapping[str, Any]", now)
        for key in sorted({*before, *after}):
            yield from _differences(f"{name}.{key}", before.get(key), after.get(key))
    elif was != now:
        yield f"{name}: {was}, now {now}"
