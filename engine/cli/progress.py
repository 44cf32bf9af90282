"""How far a restoration is: one live line on a terminal, now and then a plain line or a JSON line elsewhere."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from engine.cli.console import remarks
from engine.run_report import Progress

_PLAIN_INTERVAL = 5.0
_RATE_WINDOW = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands, as shown.

    share : of the film that is done, 0 to 1; None where its length is unknown
    frames_per_second : lately
    seconds_left : None where it cannot be told yet
    """

    frames: int
    share: float | None
    frames_per_second: float
    seconds_left: float | None


class Estimate:
    """Turns the progress of a pipeline into a share, a current rate and the time left.

    Parameters
    ----------
    frames_expected : of the source; used where its duration is not known. None where nobody knows
    duration : of the film, seconds; None where nobody knows
    start : time of the film's first picture, seconds
    """

    def __init__(self, frames_expected: int | None, duration: Fraction | None, start: Fraction = Fraction(0)) -> None:
        self._frames_expected = frames_expected
        self._duration = duration
        self._start = start
        self._recent: deque[tuple[float, int]] = deque()
        self._first: tuple[float, float] | None = None

    def update(self, progress: Progress) -> Standing:
        """Return where the run stands now; the clock is the progress's own."""
        share = self._share(progress)
        self._recent.append((progress.seconds, progress.frames_out))
        while len(self._recent) > 2 and progress.seconds - self._recent[0][0] > _RATE_WINDOW:
            self._recent.popleft()
        (since, frames_then), (now, frames_now) = self._recent[0], self._recent[-1]
        rate = (frames_now - frames_then) / (now - since) if now > since else 0.0
        return Standing(
            frames=progress.frames_out,
            share=share,
            frames_per_second=rate,
            seconds_left=self._seconds_left(progress, share),
        )

    def _share(self, progress: Progress) -> float | None:
        if progress.time is None:
            return 0.0 if self._duration or self._frames_expected else None
        if self._duration:
            return min(max(float((progress.time - self._start) / self._duration), 0.0), 1.0)
        if self._frames_expected:
            return min(progress.frames_in / self._frames_expected, 1.0)
        return None

    def _seconds_left(self, progress: Progress, share: float | None) -> float | None:
        """Count from the first frame written on: filling the chain takes long and says nothing of its speed."""
        if share is None or not progress.frames_out:
            return None
        if self._first is None:
            self._first = (progress.seconds, share)
        seconds, first_share = progress.seconds - self._first[0], self._first[1]
        return seconds * (1 - share) / (share - first_share) if share > first_share else None


class ProgressView(Protocol):
    """Shows standings from `__enter__` to `__exit__`."""

    def __enter__(self) -> "ProgressView": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, standing: Standing) -> None:
        """Show where the run stands."""
        ...


def progress_view(film: str, *, as_json: bool, quiet: bool) -> ProgressView:
    """Return the view that fits where stderr goes."""
    if quiet:
        return _Lines(film, lambda film, standing: None)
    if as_json:
        return _Lines(film, _json_line)
    return _Live(film) if remarks.is_terminal else _Lines(film, _plain_line)


class LiveBar:
    """One line on a terminal from `__enter__` to `__exit__`: a subject, a bar, a text; gone when it ends."""

    def __init__(self, subject: str = "", text: str = "") -> None:
        columns = (TextColumn("{task.fields[subject]}"), BarColumn(), TextColumn("{task.fields[text]}"))
        self._bar = Bar(*columns, console=remarks, transient=True)
        self._task = self._bar.add_task("", total=None, subject=subject, text=text)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, subject: str, share: float | None, text: str) -> None:
        """Show what is done, a share from 0 to 1; None: nobody knows."""
        total = None if share is None else 1.0
        self._bar.update(self._task, total=total, completed=share or 0.0, subject=subject, text=text)


class _Live(LiveBar):
    def __init__(self, film: str) -> None:
        super().__init__(film, "starting")
        self._film = film

    def show(self, standing: Standing) -> None:
        self.update(self._film, standing.share, standing_text(standing))


class _Lines:
    """Writes a line every few seconds, and one when the film is done."""

    def __init__(self, film: str, write: Callable[[str, Standing], None]) -> None:
        self._film = film
        self._write = write
        self._shown: float | None = None
        self._last: Standing | None = None

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None and kind is None:
            whole = None if self._last.share is None else 1.0
            self._write(self._film, replace(self._last, share=whole, seconds_left=None))

    def show(self, standing: Standing) -> None:
        now = time.monotonic()
        self._last = standing
        if self._shown is None or now - self._shown >= _PLAIN_INTERVAL:
            self._shown = now
            self._write(self._film, standing)


def standing_text(standing: Standing) -> str:
    """Return "42 %  101 frames  31.2 fps  0:07 left"."""
    parts = [f"{standing.share:4.0%}"] if standing.share is not None else []
    parts.append(f"{standing.frames} frames")
    if standing.frames_per_second:
        parts.append(f"{standing.frames_per_second:.1f} fps")
    if standing.seconds_left is not None:
        parts.append(f"{clock_text(standing.seconds_left)} left")
    return "  ".join(parts)


def clock_text(seconds: float) -> str:
    """Return "0:07" or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _plain_line(film: str, standing: Standing) -> None:
    remarks.print(f"{film}  {standing_text(standing)}")


def _json_line(film: str, standing: Standing) -> None:
    event = {
        "event": "progress",
        "film": film,
        "frames": standing.frames,
        "share": standing.share,
        "frames_per_second": round(standing.frames_per_second, 2),
        "seconds_left": standing.seconds_left,
    }
    sys.stderr.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stderr.flush()
