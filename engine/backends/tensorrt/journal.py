"""What TensorRT says: into Python's logging as it comes, and into our errors when a call fails."""

import logging
import threading
from typing import Any

from engine.errors import DeviceError, DeviceMemoryError, FarshoreError

VERBOSE = 5
"""Level of what the library says about every layer: below DEBUG."""

_KEPT = 3
_LONGEST = 400
_WANT_OF_MEMORY = (
    "out of memory",
    "outofmemory",
    "cudaerrormemoryallocation",
    "could not be allocated",
    "failed to allocate",
)
_OF_THE_DEVICE = ("cuda runtime", "cuda driver", "cudaerror", "cuda error")


class Journal:
    """Takes the library's messages, from whichever of its threads they come.

    Sessions of several threads share a journal, and each thread's errors are its own. The library's own threads ask for
    none: what comes from them explains a failure only where the thread that failed was told nothing.

    Parameters
    ----------
    trt : the library's module
    title : its name and version, for people
    log : where messages go; INFO becomes DEBUG, for the library tells much that is of no use to who watches a film

    Attributes
    ----------
    native : the library's logger; must live as long as what was made with it
    """

    def __init__(self, trt: Any, title: str, log: logging.Logger) -> None:
        self.title = title
        self._lock = threading.Lock()
        self._errors: dict[int, list[str]] = {}  # of each thread that asks for them
        self._others: list[str] = []
        errors = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)
        levels = {
            trt.ILogger.INTERNAL_ERROR: logging.ERROR,
            trt.ILogger.ERROR: logging.ERROR,
            trt.ILogger.WARNING: logging.WARNING,
            trt.ILogger.INFO: logging.DEBUG,
            trt.ILogger.VERBOSE: VERBOSE,
        }
        keep = self._keep

        class Log(trt.ILogger):
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                level = levels.get(severity, logging.WARNING)
                if log.isEnabledFor(level):
                    log.log(level, "%s: %s", title, " ".join(msg.split()))
                if severity in errors:
                    keep(msg)

        self.native: Any = Log()

    def take(self) -> str:
        """Return this thread's errors since the last time, the first of them in front, and forget them."""
        with self._lock:
            mine = self._errors.setdefault(threading.get_ident(), [])
            said = "; ".join(dict.fromkeys(mine or self._others))
            mine.clear()
            self._others.clear()
        return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"

    def forget(self) -> None:
        """Forget this thread's errors after which the library went on: they do not explain what fails next."""
        mine = self._errors.get(threading.get_ident())
        if mine is None or mine:
            with self._lock:
                self._errors[threading.get_ident()] = []

    def failure(self, subject: str, what: str, otherwise: type[FarshoreError]) -> FarshoreError:
        """Return our error for a call of this thread that failed.

        Parameters
        ----------
        subject : what it was about
        what : what the library could not do, such as ``run it``
        otherwise : the class of error, where the library's words do not tell a better one
        """
        said = self.take() or "no reason given"
        message = f"{subject}: {self.title} cannot {what}: {said}"
        words = said.lower()
        if any(part in words for part in _WANT_OF_MEMORY):
            return DeviceMemoryError(f"{message}; use a smaller picture, fewer stages or another GPU")
        if any(part in words for part in _OF_THE_DEVICE):
            return DeviceError(f"{message}; check the GPU and its driver with nvidia-smi")
        return otherwise(message)

    def _keep(self, message: str) -> None:
        line = " ".join(message.split())
        with self._lock:
            kept = self._errors.get(threading.get_ident(), self._others)
            if len(kept) < _KEPT:  # the first errors say what happened, later ones what followed from it
                kept.append(line)
