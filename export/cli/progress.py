"""How far a download or an export is: one live line on a terminal, plain or JSON lines elsewhere."""

import json
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from engine.cli.console import remarks
from engine.cli.progress import LiveBar, clock_text

_PLAIN_INTERVAL = 5.0
_LIVE_INTERVAL = 0.1


class View(Protocol):
    """Shows one thing after the other from `__enter__` to `__exit__`."""

    def __enter__(self) -> "View": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, subject: str, share: float | None, text: str, event: Mapping[str, Any]) -> None:
        """Show where something stands.

        Parameters
        ----------
        subject : what it is about
        share : that is done, 0 to 1; None where nobody knows
        text : for people
        event : the same for programs
        """
        ...


def progress_view(*, as_json: bool, quiet: bool) -> View:
    """Return the view that fits where stderr goes."""
    if quiet:
        return _Silent()
    if as_json:
        return _JsonLines()
    return _Live() if remarks.is_terminal else _PlainLines()


class Transfer:
    """Tells a view how far one download is; its `progress` is what `export.checkpoints.download` calls."""

    def __init__(self, view: View, name: str) -> None:
        self._view = view
        self._name = name
        self._began: tuple[float, int] | None = None
        self._shown = 0.0

    def progress(self, have: int, total: int | None) -> None:
        """Show that `have` of `total` bytes are here; the first call sets the clock."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, have)
        is_last = have == total
        if not is_last and now - self._shown < (_LIVE_INTERVAL if isinstance(self._view, _Live) else _PLAIN_INTERVAL):
            return
        self._shown = now
        seconds, come = now - self._began[0], have - self._began[1]
        rate = come / seconds if seconds > 0 else 0.0
        left = (total - have) / rate if total is not None and rate > 0 and not is_last else None
        parts = [f"{have / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total is not None else " MB")]
        parts += [f"{rate / 1e6:.1f} MB/s"] if rate else []
        parts += [f"{clock_text(left)} left"] if left is not None else []
        event = {"event": "transfer", "file": self._name, "bytes": have, "total": total, "bytes_per_second": rate}
        self._view.show(self._name, have / total if total else None, "  ".join(parts), event)


class Steps:
    """Tells a view which step of an export has begun; calling it is what `export.onnx` does."""

    def __init__(self, view: View, model: str) -> None:
        self._view = view
        self._model = model
        self._began = time.monotonic()

    def __call__(self, step: str) -> None:
        """Show that a step begins."""
        seconds = round(time.monotonic() - self._began, 1)
        event = {"event": "step", "model": self._model, "step": step, "seconds": seconds}
        self._view.show(self._model, None, step, event)


class _Silent:
    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, subject: str, share: float | None, text: str, event: Mapping[str, Any]) -> None:
        pass


class _PlainLines(_Silent):
    def show(self, subject: str, share: float | None, text: str, event: Mapping[str, Any]) -> None:
        remarks.print(f"{subject}  {text}" if share is None else f"{subject}  {share:4.0%}  {text}")


class _JsonLines(_Silent):
    def show(self, subject: str, share: float | None, text: str, event: Mapping[str, Any]) -> None:
        sys.stderr.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stderr.flush()


class _Live(LiveBar):
    def show(self, subject: str, share: float | None, text: str, event: Mapping[str, Any]) -> None:
        self.update(subject, share, text)
