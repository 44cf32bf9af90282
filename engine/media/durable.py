"""Files that are whole or not there: write beside, flush to the disk, rename.

`writing(path)` is the one place where errors of the operating system and of FFmpeg while writing become `EncodeError`s
with a cure.
"""

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path

from av.error import FFmpegError

from engine.errors import EncodeError

PARTIAL_SUFFIX = ".tmp"
"""Ending of a file that is still being written; nothing may read it as a finished one."""

_CURES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file is larger than the file system or the limit of this process (ulimit -f) allows",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "the folder does not exist; make it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EISDIR: "that is a folder; name a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk reported an error; check it, or write to another",
    errno.EPIPE: "the program that reads the output has gone; the picture stream ends here",
}


def partial(path: Path) -> Path:
    """Return the name under which `path` is written until it is whole."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def publish(partial_path: Path, path: Path) -> None:
    """Make a finished file durable and give it its name: flush to the disk, rename over `path`, flush the folder."""
    flush_file(partial_path)
    partial_path.replace(path)
    flush_folder(path.parent)


class WatchedFile:
    """A file that a muxer writes through, whose errors are kept until they are asked for.

    FFmpeg's own files overlook a disk that fills up while the last fragment is written, and exceptions raised inside
    FFmpeg's callbacks are lost when a second one follows. So `write` and `seek` never raise: call `check` after each
    packet; `close` checks too.

    Attributes
    ----------
    name : of the file; MP4 opens it a second time, to move its index to the front
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._file = path.open("wb", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of the data, unless an error came before."""
        rest = memoryview(data)
        while rest and self._error is None:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file and raise the first error, if there was one."""
        self._file.close()
        self.check()


def flush_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk; some file systems cannot, and keep them safe by themselves."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(path: Path | str) -> Generator[None]:
    """Turn what goes wrong while writing `path` into an `EncodeError` of one line with its cure."""
    try:
        yield
    except (OSError, FFmpegError) as error:
        raise encode_error(path, error) from error


def has_cure(error: Exception) -> bool:
    """Whether it is known what the user can do about an error of writing, so that trying otherwise is no use."""
    return getattr(error, "errno", None) in _CURES


def encode_error(path: Path | str, error: Exception) -> EncodeError:
    """Return the `EncodeError` for an error of the operating system or of FFmpeg while writing `path`."""
    code = getattr(error, "errno", None)
    if code in _CURES:
        return EncodeError(f"{path}: cannot be written: {_CURES[code]}")
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    native = getattr(error, "log", None)
    detail = f" ({native[2].strip()})" if native else ""
    return EncodeError(f"{path}: cannot be written: {said}{detail}")
