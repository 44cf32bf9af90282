"""Build in a process of its own: whatever happens there, here it is a plan or one `BuildError`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.backends.tensorrt.builder import Note
from engine.backends.tensorrt.child import is_want_of_memory
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.progress import Report
from engine.errors import BuildError

CHILD: Sequence[str] = (sys.executable, "-P", "-m", "engine.backends.tensorrt.child")
"""The command that builds. `-P`: modules come from the path that is handed on, not from the working folder."""

_STDERR_TAIL = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a build may take.

    memory_bytes : of the host; None: three quarters of what the machine has
    seconds : after which it is given up; None: however long it takes
    """

    memory_bytes: int | None = None
    seconds: float | None = None

    @property
    def memory(self) -> int:
        """The cap in bytes."""
        if self.memory_bytes is not None:
            return self.memory_bytes
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4


def run_build(
    library: str,
    data: bytes,
    key: PlanKey,
    unfinished: Path,
    limits: Limits,
    report: Report,
    note: Note,
    on_account: Note | None = None,
) -> None:
    """Build an engine in a child process, and wait for it.

    Parameters
    ----------
    library : name of the module that builds, one of `library.MODULES`
    data : the ONNX file's bytes
    key : what to build
    unfinished : where the child writes the plan; nothing is left there unless this returns
    limits : what it may take
    report, note : take progress and warnings, on this thread
    on_account : takes what the library says of the layers that it built, see `builder.build_engine`

    Raises
    ------
    BuildError
        The model cannot be built, memory or time ran out, or the child crashed or was killed.
    """
    request = {
        "library": library,
        "key": key.as_json(),
        "unfinished": str(unfinished),
        "model_bytes": len(data),
        "memory_bytes": limits.memory,
        "is_account_wanted": on_account is not None,
    }
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    is_late = threading.Event()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C comes to this process, which ends the child
        )
        clock = threading.Timer(limits.seconds or 0.0, lambda: (is_late.set(), child.kill()))
        is_done = False
        try:
            if limits.seconds is not None:
                clock.start()
            last = _converse(child, request, data, report, note, on_account)
            is_done = last.get("event") == "done"
            if not is_done:
                child.wait()
                raise _failure(key, limits, last, child.returncode, _tail(errors), is_late=is_late.is_set())
        finally:
            clock.cancel()
            _end(child)
            if not is_done:
                unfinished.unlink(missing_ok=True)


def _converse(
    child: subprocess.Popen[bytes],
    request: dict[str, Any],
    data: bytes,
    report: Report,
    note: Note,
    on_account: Note | None,
) -> dict[str, Any]:
    """Send the request, hand on what comes, and return the last event; empty where the child left without one."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it has gone already; its events and exit code say why
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.write(data)
        child.stdin.flush()
    for line in child.stdout:
        event = json.loads(line)
        if event["event"] == "progress":
            report(event["share"], event["phase"])
        elif event["event"] == "warning":
            note(event["message"])
        elif event["event"] == "account":
            assert on_account is not None
            on_account(event["message"])
        else:
            return event
    return {}


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child if it still lives, and wait for it."""
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # bytes that it did not take before it went
            child.stdin.close()
    if child.stdout is not None:
        child.stdout.close()
    child.kill()
    child.wait()


def _failure(
    key: PlanKey, limits: Limits, event: dict[str, Any], code: int, printed: str, *, is_late: bool
) -> BuildError:
    """Return the error for a child that made no plan."""
    subject = f"model {key.model}"
    if is_late:
        return BuildError(f"{subject}: not built after {limits.seconds:.0f} s; raise --time-limit, or leave it out")
    said = event.get("message", "")
    if is_want_of_memory(said) or (not said and is_want_of_memory(printed)):
        return BuildError(
            f"{subject}: building takes more than the {limits.memory / 1e9:.3g} GB that it may; raise --memory"
        )
    if said:
        return BuildError(said)
    if code == -signal.SIGKILL:
        return BuildError(
            f"{subject}: the build was killed, by the system for want of memory most likely; close other programs, or "
            "lower --memory so that it stops in time"
        )
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    last_words = printed.strip().splitlines()[-1:] or ["no last words"]
    return BuildError(
        f"{subject}: the build crashed ({how}: {' '.join(last_words[0].split())[:300]}); try again, or report it"
    )


def _tail(file: IO[bytes]) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _STDERR_TAIL))
    return file.read().decode(errors="replace")
