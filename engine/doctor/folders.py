"""The folders that farshore writes to: whether it can, and whether there is room."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.doctor.finding import Finding, bad, good
from engine.memory import available_memory
from engine.places import cache_folder, checkpoints_folder, models_folder, plans_folder

LEAST_DISK = 2_000_000_000
"""Bytes: a published model with its checkpoint, or some minutes of restored film."""

LEAST_MEMORY = 1_000_000_000
"""Bytes that the built-in chain takes at 1280×720."""


def places() -> dict[str, Path]:
    """Return what farshore writes to, in words."""
    return {
        "models folder": models_folder(),
        "checkpoints folder": checkpoints_folder(),
        "cache folder": cache_folder(),
        "plans folder": plans_folder(),
        "temporary folder": Path(tempfile.gettempdir()),
        "this folder": Path.cwd(),
    }


def check_folders(
    folders: Mapping[str, Path] | None = None, room: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Iterator[Finding]:
    """Write a file into each folder, or into the one above where it is not yet made, and look how much room is left."""
    for subject, folder in (places() if folders is None else folders).items():
        there = _first_that_is(folder)
        reason = _not_writable(there)
        if reason is not None:
            yield bad(subject, f"{folder}: {reason}", f"chown or chmod {there}, or set FARSHORE_HOME to another folder")
            continue
        free = room(there)
        text = f"{folder}{'' if there == folder else ' (not made yet)'}, {free / 1e9:.1f} GB free"
        if free < LEAST_DISK:
            cure = f"make room for {LEAST_DISK / 1e9:.0f} GB, or set FARSHORE_HOME to a folder on another disk"
            yield bad(subject, text, cure)
        else:
            yield good(subject, text)


def check_memory(available: Callable[[], int | None] = available_memory) -> Iterator[Finding]:
    """Look how much memory can be taken."""
    free = available()
    if free is not None and free < LEAST_MEMORY:
        cure = "end other programs, raise the container's limit, or restore smaller films"
        yield bad("memory", f"{free / 1e9:.1f} GB can be taken", cure)
    elif free is not None:
        yield good("memory", f"{free / 1e9:.1f} GB can be taken")


def _first_that_is(folder: Path) -> Path:
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def _not_writable(folder: Path) -> str | None:
    """Return why no file can be written there; None where one can."""
    if not folder.is_dir():
        return f"{folder} is no folder"
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".farshore-doctor-") as file:
            file.write(b"farshore")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return None


CHECKS = (check_folders, check_memory)
