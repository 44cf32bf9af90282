"""Bring published checkpoints by name: terms first, then the file, then its hash."""

import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.errors import ModelError, WeightsError
from engine.file_hash import file_sha256
from export.checkpoints.catalogue import Checkpoint, find_checkpoints
from export.checkpoints.download import Progress, download
from export.checkpoints.store import Store

Accept = Callable[[Checkpoint], bool]
"""Asked once per file, with its licence and whether it may be used commercially."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A published file that is here.

    path : where
    sha256 : of its bytes
    source : the address or folder that it came from; empty where it was here already
    is_recorded : nobody publishes its hash: the one it has was recorded, and is checked ever after
    """

    checkpoint: Checkpoint
    path: Path
    sha256: str
    source: str
    is_recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check of a stored file found; ``problem`` is empty where all is well."""

    checkpoint: Checkpoint
    path: Path
    problem: str


def fetch(
    name: str,
    store: Store,
    *,
    accept: Accept | None = None,
    mirror: str = "",
    offline: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Fetched, ...]:
    """Bring every file of a network, or one file.

    Parameters
    ----------
    name : of a network of ours, or of a file in the catalogue
    store : where it goes, and where agreement and hashes are noted
    accept : asked for each file whose terms were not accepted yet; None refuses
    mirror : address of a folder with the files, asked before their homes
    offline : a folder that holds the files; the network is then never asked
    progress : told how far a download is

    Raises
    ------
    ModelError
        The terms were not accepted, or no home gives the file; the message says what each answered.
    WeightsError
        Every file that came has another hash than it should.
    """
    return tuple(
        fetch_checkpoint(checkpoint, store, accept=accept, mirror=mirror, offline=offline, progress=progress)
        for checkpoint in find_checkpoints(name)
    )


def fetch_checkpoint(
    checkpoint: Checkpoint,
    store: Store,
    *,
    accept: Accept | None = None,
    mirror: str = "",
    offline: Path | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring one file; arguments and errors as `fetch`."""
    _agree(checkpoint, store, accept)
    path = store.path(checkpoint)
    wanted = store.wanted_sha256(checkpoint)
    source = ""
    if not (path.exists() and wanted is not None and not _mismatch(path, wanted)):
        homes = (str(offline),) if offline is not None else (*_on_mirror(checkpoint, mirror), *checkpoint.urls)
        source = _obtain(checkpoint, store, homes, offline, wanted, progress)
    sha256 = wanted or file_sha256(path)
    if wanted is None:
        store.record_sha256(checkpoint, sha256, source)
    return Fetched(
        checkpoint=checkpoint, path=path, sha256=sha256, source=source, is_recorded=checkpoint.sha256 is None
    )


def verify(name: str, store: Store) -> tuple[Verdict, ...]:
    """Check the stored files of a network against their hashes."""
    return tuple(verify_checkpoint(checkpoint, store) for checkpoint in find_checkpoints(name))


def verify_checkpoint(checkpoint: Checkpoint, store: Store) -> Verdict:
    """Check one stored file against its hash."""
    path = store.path(checkpoint)
    wanted = store.wanted_sha256(checkpoint)
    if not path.exists():
        problem = "not here; fetch it"
    elif wanted is None:
        problem = "its hash was never recorded; fetch it again"
    else:
        problem = _mismatch(path, wanted)
    return Verdict(checkpoint=checkpoint, path=path, problem=problem)


def _agree(checkpoint: Checkpoint, store: Store, accept: Accept | None) -> None:
    if store.has_accepted(checkpoint):
        return
    if accept is None or not accept(checkpoint):
        raise ModelError(
            f"checkpoint {checkpoint.name}: its terms were not accepted; licence: {checkpoint.licence}; commercial "
            f"use: {checkpoint.commercial_use}; read and accept them first"
        )
    store.accept(checkpoint)


def _on_mirror(checkpoint: Checkpoint, mirror: str) -> tuple[str, ...]:
    """Return the address that a file, or the archive it comes in, has on a mirror."""
    name = checkpoint.archive or Path(checkpoint.file).name
    return (f"{mirror.rstrip('/')}/{quote(name)}",) if mirror else ()


def _obtain(
    checkpoint: Checkpoint,
    store: Store,
    homes: tuple[str, ...],
    offline: Path | None,
    wanted: str | None,
    progress: Progress | None,
) -> str:
    """Try one home after the other until a file has the right hash; return the home."""
    answers: list[ModelError] = []
    for source in homes:
        try:
            _from(source, checkpoint, store, offline, wanted, progress)
        except ModelError as error:
            answers.append(error)
        else:
            return source
    if len(answers) == 1:
        raise answers[0]
    kind = WeightsError if all(isinstance(answer, WeightsError) for answer in answers) else ModelError
    raise kind(f"checkpoint {checkpoint.name}: no home gives it: " + "; ".join(str(answer) for answer in answers))


def _from(
    source: str,
    checkpoint: Checkpoint,
    store: Store,
    offline: Path | None,
    wanted: str | None,
    progress: Progress | None,
) -> None:
    path = store.path(checkpoint)
    coming = path.with_name(path.name + ".coming")
    archive = store.archive_path(checkpoint) if checkpoint.archive else None
    path.parent.mkdir(parents=True, exist_ok=True)
    if offline is not None:
        _copy_from_folder(offline, checkpoint, coming)
    elif archive is None:
        download(source, coming, progress=progress)
    else:
        if not archive.exists():
            download(source, archive, progress=progress)
        _extract(archive, checkpoint.file, coming)
    problem = _mismatch(coming, wanted) if wanted is not None else ""
    if problem:
        coming.unlink()
        if archive is not None:
            archive.unlink(missing_ok=True)
        raise WeightsError(f"checkpoint {checkpoint.name} from {source}: {problem}")
    os.replace(coming, path)


def _copy_from_folder(folder: Path, checkpoint: Checkpoint, target: Path) -> None:
    """Take a file from a folder: the file itself, or its archive."""
    own = folder / Path(checkpoint.file).name
    archive = folder / checkpoint.archive if checkpoint.archive else None
    if own.is_file():
        shutil.copyfile(own, target)
    elif archive is not None and archive.is_file():
        _extract(archive, checkpoint.file, target)
    else:
        names = " or ".join(path.name for path in (own, archive) if path is not None)
        raise ModelError(f"checkpoint {checkpoint.name}: folder {folder} holds no {names}; put it there")


def _extract(archive: Path, member: str, target: Path) -> None:
    """Take one file out of an archive; only the name's last part must fit, whatever folder packs it."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if name == member or name.endswith("/" + member)]
            if not names:
                raise WeightsError(f"archive {archive.name}: holds no {member}; fetch it again")
            with opened.open(names[0]) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, OSError) as error:
        archive_problem = f"archive {archive.name}: cannot be read ({error}); delete it and fetch again"
        raise WeightsError(archive_problem) from error


def _mismatch(path: Path, wanted: str) -> str:
    """Say what is wrong with a file's hash; empty where nothing is."""
    found = file_sha256(path)
    return "" if found == wanted else f"got SHA-256 {found}; wanted {wanted}; the file is damaged or another one"
