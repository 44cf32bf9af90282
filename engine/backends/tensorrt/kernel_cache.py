"""Kernels that TensorRT for RTX compiled for this machine's GPU, kept on disk beside the plan.

Plans for RTX are finished where they run: the library compiles kernels for the GPU and the sizes when a session opens.
What it compiled it gives as one block of bytes, which it takes again only on the same GPU, driver and version.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from engine.backends.tensorrt.plans import UNFINISHED_SUFFIX
from engine.media.durable import publish

MAGIC = b"farshore kernels 1 "
SUFFIX = ".kernels"

_log = logging.getLogger(__name__)


class KernelCache:
    """The library's runtime cache and its file.

    The file starts with a line that names the format and carries the SHA-256 of the rest, so that the library is given
    no bytes but those that it wrote.

    Parameters
    ----------
    config : the library's `IRuntimeConfig`, which gets the cache
    path : of the file; need not exist
    """

    def __init__(self, config: Any, path: Path) -> None:
        self._path = path
        self._native: Any = config.create_runtime_cache()
        self._digest = ""
        payload = self._read()
        if payload is not None:
            if self._native.deserialize(payload):
                self._digest = hashlib.sha256(payload).hexdigest()
            else:
                _log.debug("kernels %s: of another GPU, driver or version; compiling them again", path)
        if not config.set_runtime_cache(self._native):
            _log.warning("kernels %s: the library keeps none; they are compiled at each start", path)

    def save(self) -> None:
        """Write the file where there is more than it holds; a disk that refuses is warned of, for nothing is lost."""
        payload = bytes(memoryview(self._native.serialize()))
        digest = hashlib.sha256(payload).hexdigest()
        if digest == self._digest:
            return
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}{UNFINISHED_SUFFIX}")
        try:
            unfinished.write_bytes(MAGIC + digest.encode() + b"\n" + payload)
            publish(unfinished, self._path)
        except OSError as error:
            _log.warning("kernels %s: not kept: %s; they will be compiled at each start", self._path, error.strerror)
            unfinished.unlink(missing_ok=True)
        else:
            self._digest = digest

    def _read(self) -> bytes | None:
        try:
            whole = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("kernels %s: cannot be read: %s; compiling them again", self._path, error.strerror)
            return None
        line, _, payload = whole.partition(b"\n")
        if line != MAGIC + hashlib.sha256(payload).hexdigest().encode():
            _log.warning("kernels %s: damaged; compiling them again", self._path)
            return None
        return payload
