"""The process in which an engine is built: ``python -m engine.backends.tensorrt.child``, started by `process`.

The request comes on stdin: one line of JSON, then the bytes of the ONNX file. Stdin stays open; when it ends, whoever
asked is gone, and so is this process. Events go to stdout, a line of JSON each; what the library prints goes to stderr.
"""

import contextlib
import hashlib
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from engine.backends.tensorrt.builder import build_engine
from engine.backends.tensorrt.library import open_library
from engine.backends.tensorrt.plans import PlanKey, write_plan
from engine.errors import BuildError

INTERVAL_SECONDS = 0.1
"""Between two reports of progress."""

_WORDS_OF_WANT = (
    "bad_alloc",
    "cannot allocate memory",
    "failed to map segment",
    "memoryerror",
    "resource temporarily unavailable",
)


def is_want_of_memory(text: str) -> bool:
    """Whether a message of the library, or the end of stderr, says that the process got no more memory."""
    return any(words in text.lower() for words in _WORDS_OF_WANT)


class Events:
    """Writes events to a descriptor; ends the process when nobody reads them any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._standing: tuple[float, str] = (0.0, "")

    def send(self, event: str, **facts: Any) -> None:
        """Write one event."""
        line = json.dumps({"event": event, **facts}).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except BrokenPipeError:
                os._exit(1)

    def progress(self, share: float, phase: str) -> None:
        """Note where the build stands; the library says so thousands of times a second."""
        self._standing = (share, phase)

    def tell_progress(self) -> None:
        """Write where the build stands, now and then, for ever."""
        told = self._standing
        while True:
            time.sleep(INTERVAL_SECONDS)
            if self._standing != told:
                told = self._standing
                self.send("progress", share=round(told[0], 4), phase=told[1])

    def warning(self, message: str) -> None:
        """Write a warning of the library."""
        self.send("warning", message=message)

    def account(self, message: str) -> None:
        """Write the library's account of the layers that it built."""
        self.send("account", message=message)


def main() -> None:
    """Build what stdin asks for, and leave without tidying: the library's own clean-up may crash."""
    events = Events(os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    source = sys.stdin.buffer
    request = json.loads(source.readline())
    try:
        seconds = _build(request, source, events)
    except MemoryError:
        events.send("failed", message="MemoryError")
    except (BuildError, OSError) as error:
        events.send("failed", message=str(error))
    else:
        events.send("done", seconds=seconds)
    sys.stderr.flush()
    os._exit(0)


def _build(request: dict[str, Any], source: BinaryIO, events: Events) -> float:
    """Write the plan under its unfinished name and return how long building took."""
    unfinished = Path(request["unfinished"])
    _limit_memory(request["memory_bytes"])
    data = source.read(request["model_bytes"])
    is_written = threading.Event()
    threading.Thread(target=_leave_with_parent, args=(unfinished, is_written), daemon=True).start()
    key = PlanKey.from_json(request["key"])
    library = open_library(request["library"])
    if (hashlib.sha256(data).hexdigest(), library.version) != (key.model_sha256, key.version):
        raise BuildError(f"model {key.model}: the model or {library.title} was replaced meanwhile; build again")
    threading.Thread(target=events.tell_progress, daemon=True).start()
    started = time.monotonic()
    on_account = events.account if request["is_account_wanted"] else None
    engine = build_engine(library, data, key, events.progress, events.warning, on_account)
    seconds = time.monotonic() - started
    write_plan(unfinished, key, engine, seconds)
    is_written.set()
    return seconds


def _limit_memory(most: int) -> None:
    """Cap what this process may allocate.

    The cap is on data, not on addresses: CUDA reserves far more addresses than it uses.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave_with_parent(unfinished: Path, is_written: threading.Event) -> None:
    """End the process when stdin ends, and what it was writing; a plan that is written is the parent's."""
    while os.read(0, 1):
        pass
    if not is_written.is_set():
        with contextlib.suppress(OSError):  # the folder may be gone too
            unfinished.unlink()
    os._exit(1)


if __name__ == "__main__":
    main()
