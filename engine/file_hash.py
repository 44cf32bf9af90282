"""Hashes by which files are told apart."""

import hashlib
from pathlib import Path

from engine.errors import FarshoreError


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_sha256(path: Path, what: str, otherwise: type[FarshoreError]) -> str:
    """Return "NAME sha256 HASH" of a file that the user gave: where it lies is nobody's business.

    Parameters
    ----------
    path : of the file
    what : it is to the user, as "reference"
    otherwise : raised where the file cannot be read
    """
    try:
        return f"{path.name} sha256 {file_sha256(path)}"
    except OSError as error:
        raise otherwise(f"{what} {path}: cannot be read ({error.strerror}); check the path") from error
