"""Writes a trace as Chrome's trace events, which ui.perfetto.dev and chrome://tracing open.

The format is told in "Trace Event Format" (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
One lane a stage with a slice for each piece of work, models' runs within it, a counter for each queue, and an arrow for
each frame that a queue passed on, from the slice that made it to the slice that took it in.
"""

import json
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.trace import NONE, Ring, Trace

Event = dict[str, Any]

NEGLIGIBLE_NS = 20_000
"""Work that ran no model and put no frame out is left out if shorter, where other work on the same frame is shown."""

_PROCESS = 1


def check_trace_path(path: Path) -> None:
    """Raise `ConfigError` unless a trace can be written there: asked before the work."""
    if not path.parent.is_dir():
        raise ConfigError(f"trace {path}: there is no folder {path.parent}; make it first")


def write_chrome_trace(path: Path, trace: Trace, *, title: str = "farshore") -> None:
    """Write a trace file; under its final name it is whole.

    Parameters
    ----------
    path : to write, JSON
    trace : of a run that has ended
    title : names the process in the viewer
    """
    value = {"traceEvents": chrome_events(trace, title=title), "displayTimeUnit": "ms"}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def chrome_events(trace: Trace, *, title: str = "farshore") -> list[Event]:
    """Return the events; times are microseconds since the first of them."""
    began = _began(trace)
    return [
        {"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": title}},
        *_names(trace),
        *(event for lane in trace.lanes for event in _lane(trace, lane, began)),
        *(event for number in range(len(trace.queues)) for event in _depths(trace, number, began)),
        *(event for number in range(len(trace.queues)) for event in _arrows(trace, number, began)),
    ]


def _began(trace: Trace) -> int:
    rings = (*trace.slices.values(), *(ring for queue in trace.queues for ring in (queue.puts, queue.gets)))
    return min((int(ring.rows()[0, 0]) for ring in rings if ring.added), default=0)


def _names(trace: Trace) -> Iterator[Event]:
    for tid, lane in enumerate(trace.lanes, 1):
        yield {"ph": "M", "name": "thread_name", "pid": _PROCESS, "tid": tid, "args": {"name": lane}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": _PROCESS, "tid": tid, "args": {"sort_index": tid}}


def _lane(trace: Trace, lane: str, began: int) -> Iterator[Event]:
    tid = trace.lanes.index(lane) + 1
    rows, runs = trace.slices[lane].rows().tolist(), trace.runs[lane].rows().tolist()
    run_starts = [run[0] for run in runs]
    before = None
    for start, end, taken, given, index, _ in rows:
        is_seen = taken == before and taken != NONE
        before = taken
        runs_no_model = bisect_left(run_starts, start) == bisect_left(run_starts, end)
        puts_out = given != NONE or tid == len(trace.lanes)
        if is_seen and runs_no_model and not puts_out and end - start < NEGLIGIBLE_NS:
            continue
        told = {"source frame": index, "frame in": taken, "frame out": given}
        yield _slice(lane, tid, start - began, end - start, {k: v for k, v in told.items() if v != NONE})
    for start, end, number in runs:
        if not rows or start < rows[0][0]:
            continue  # the work that it was part of is no longer kept
        model = trace.models[number]
        yield _slice(f"model {model.name}", tid, start - began, end - start, {"threads": model.threads})


def _slice(name: str, tid: int, start: int, length: int, told: Event) -> Event:
    times = {"ts": start / 1000, "dur": length / 1000}
    return {"ph": "X", "name": name, "pid": _PROCESS, "tid": tid, **times, "args": told}


def _depths(trace: Trace, number: int, began: int) -> Iterator[Event]:
    queue, name = trace.queues[number], _queue_name(trace, number)
    passages = [*_kept(queue.puts), *_kept(queue.gets)]
    for done, depth in sorted(passages):
        yield {"ph": "C", "name": name, "pid": _PROCESS, "ts": (done - began) / 1000, "args": {"frames": depth}}


def _queue_name(trace: Trace, number: int) -> str:
    return f"queue {trace.lanes[number]} → {trace.lanes[number + 1]}, at most {trace.queues[number].capacity}"


def _kept(ring: Ring) -> Iterable[tuple[int, int]]:
    return ((done, depth) for _, done, depth, _ in ring.rows().tolist())


def _arrows(trace: Trace, number: int, began: int) -> Iterator[Event]:
    """Draw an arrow for each frame of a queue of which both the making and the taking in are kept."""
    from_tid, to_tid = number + 1, number + 2
    made = {given: end for _, end, _, given, _, _ in trace.slices[trace.lanes[number]].rows().tolist() if given != NONE}
    taken_in: dict[int, int] = {}
    for start, _, taken, _, _, _ in trace.slices[trace.lanes[number + 1]].rows().tolist():
        if taken != NONE:
            taken_in.setdefault(taken, start)
    for frame in made.keys() & taken_in.keys():
        arrow = {"cat": "frame", "name": "frame", "pid": _PROCESS, "id": (number << 32) + frame}
        yield {**arrow, "ph": "s", "tid": from_tid, "ts": (made[frame] - began - 1) / 1000}  # 1 ns before its end
        yield {**arrow, "ph": "f", "bp": "e", "tid": to_tid, "ts": (taken_in[frame] - began + 1) / 1000}
