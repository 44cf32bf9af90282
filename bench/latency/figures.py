"""From a trace to figures."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.latency.drive import Drive, check_length
from engine.trace import NONE, PASSAGE_FIELDS, Ring

Floats = npt.NDArray[np.float64]

QUANTILES = (0, 1, 2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 98, 99, 100)
"""Percent, at which distributions are told."""

TIMELINE_FRAMES = 6
_MS = 1e6


def figures(drive: Drive, *, cores: int) -> dict[str, Any]:
    """Return a run's figures as plain values; `bench/README.md` defines each.

    Parameters
    ----------
    drive : that has ended
    cores : that the run might use
    """
    trace = drive.trace
    rate_in, rate_out = drive.spec_in.rate, drive.spec_out.rate
    window = (drive.ended_ns - drive.warm_ns) / 1e9
    stages = [_stage(drive, number, window) for number in range(len(trace.lanes))]
    working = stages[1:] if drive.is_live else stages
    ends, delays = _delays(drive)
    fps_out = float((len(ends) - 1) / (ends[-1] - ends[0]) * 1e9)
    return {
        "seconds": window,
        "failures": drive.failures,
        "notices": list(drive.notices),
        "frames": stages[-1]["frames"],
        "fps_in": fps_out if rate_in is None or rate_out is None else fps_out * float(rate_in / rate_out),
        "fps_out": fps_out,
        "rate_in": None if rate_in is None else float(rate_in),
        "rate_out": None if rate_out is None else float(rate_out),
        "interval_jitter_ms": _jitter(np.diff(ends) / _MS),
        "delay_ms": _distribution(delays),
        "delay_in_queues_ms": sum(stage["in_queue_ms"]["median"] for stage in stages if stage["in_queue_ms"]),
        "slowest": max(working, key=lambda stage: stage["busy"])["stage"],
        "efficiency": max(stage["busy"] for stage in working) if trace.queues[0].gets.added else None,
        "cores_busy": _cores_busy(drive, cores),
        "stages": stages,
        "models": [_model(drive, lane, number) for lane in trace.lanes for number in _models_of(drive, lane)],
    }


def _stage(drive: Drive, number: int, window: float) -> dict[str, Any]:
    trace = drive.trace
    lane = trace.lanes[number]
    _, work, left_out = frame_times(drive, lane)
    check_length(len(work), lane)
    spec = drive.spec_out if _makes_last_rate(drive, number) else drive.spec_in
    queue = trace.queues[number - 1] if number else None
    behind = trace.queues[number] if number < len(trace.queues) else None
    return {
        "stage": lane,
        "threads": drive.threads.get(lane, 1),
        "frames": len(work),
        "left_out": left_out,
        "budget_ms": None if spec.rate is None else float(1000 / spec.rate),
        **_distribution(work),
        "jitter_ms": _jitter(work),
        "busy": _overlap(drive, trace.slices[lane], 1, window),
        "starved": _waited(drive, queue.gets if queue else None, window),
        "blocked": _waited(drive, behind.puts if behind else None, window),
        "in_queue_ms": _residence(drive, number - 1) if number else None,
    }


def frame_times(drive: Drive, lane: str) -> tuple[Floats, Floats, dict[str, int]]:
    """Return when a lane finished each frame (ns), its work for it (ms), and how many frames were left out.

    Work for a frame is all that the lane did since the frame before it came out. Frames that came out before measuring
    began, whose work began before, or that came out after the last one was read, are left out.
    """
    rows = drive.trace.slices[lane].rows()
    is_last = lane == drive.trace.lanes[-1]
    is_out = np.ones(len(rows), bool) if is_last else rows[:, 3] != NONE
    out = np.flatnonzero(is_out)
    total = np.concatenate([[0], np.cumsum(rows[:, 1] - rows[:, 0])])
    before = np.concatenate([[-1], out[:-1]]).astype(np.intp) + 1
    work = (total[out + 1] - total[before]) / _MS
    starts, ends = rows[before, 0] if len(out) else rows[:0, 0], rows[out, 1]
    early, late = starts < drive.warm_ns, ends > drive.ended_ns
    kept = ~early & ~late
    counts = {"first": int((early & ~late).sum()), "last": int(late.sum())}
    return ends[kept].astype(np.float64), work[kept], counts


def _makes_last_rate(drive: Drive, number: int) -> bool:
    """Tell whether a lane puts out frames at the written film's rate: the interpolate stage and those behind it."""
    lanes = drive.trace.lanes
    changes = lanes.index("interpolate") if "interpolate" in lanes else len(lanes) - 1
    return number >= changes


def _delays(drive: Drive) -> tuple[Floats, Floats]:
    """Return when each frame had been written (ns), and how long after its first source frame began to be read (ms)."""
    rows = drive.trace.slices[drive.trace.lanes[-1]].rows()
    rows = rows[(rows[:, 1] >= drive.warm_ns) & (rows[:, 1] <= drive.ended_ns)]
    check_length(len(rows), "the chain")
    known = rows[rows[:, 5] > 0]
    return rows[:, 1].astype(np.float64), (known[:, 1] - known[:, 5]) / _MS


def _waited(drive: Drive, passages: Ring | None, window: float) -> float | None:
    """Return the share of the time that a side of a queue waited; None where there is no queue."""
    if passages is None or not passages.added:
        return None
    return _overlap(drive, passages, PASSAGE_FIELDS.index("went_on"), window)


def _overlap(drive: Drive, intervals: Ring, end: int, window: float) -> float:
    """Return the share of the measured time that a ring's intervals fill, from field 0 to the field `end`."""
    rows = intervals.rows()
    since, until = (np.clip(rows[:, column], drive.warm_ns, drive.ended_ns) for column in (0, end))
    return float((until - since).sum() / 1e9 / window)


def _residence(drive: Drive, number: int) -> dict[str, float] | None:
    """Return how long frames lay in a queue, milliseconds; None where none was used."""
    queue = drive.trace.queues[number]
    if not queue.gets.added:
        return None
    first = max(queue.puts.first, queue.gets.first)
    gets = queue.gets.rows()[first - queue.gets.first :, 1]
    puts = queue.puts.rows()[first - queue.puts.first :, 1][: len(gets)]
    inside = (puts >= drive.warm_ns) & (gets <= drive.ended_ns)
    lay = (gets - puts)[inside] / _MS
    return {"median": float(np.median(lay)), "p95": float(np.percentile(lay, 95))} if len(lay) else None


def _models_of(drive: Drive, lane: str) -> list[int]:
    return sorted({int(number) for number in drive.trace.runs[lane].rows()[:, 2]})


def _model(drive: Drive, lane: str, number: int) -> dict[str, Any]:
    rows = drive.trace.runs[lane].rows()
    inside = (rows[:, 2] == number) & (rows[:, 0] >= drive.warm_ns) & (rows[:, 1] <= drive.ended_ns)
    model = drive.trace.models[number]
    taken = (rows[inside, 1] - rows[inside, 0]) / _MS
    return {
        "stage": lane,
        "model": model.name,
        "sha256": model.sha256,
        "threads": model.threads,
        "shapes": {name: list(shape) for name, shape in model.shapes.items()},
        "runs": len(taken),
        **(_distribution(taken) if len(taken) else dict.fromkeys(("mean_ms", "median_ms"))),
    }


def _distribution(values: Floats) -> dict[str, Any]:
    """Return the moments of a distribution of milliseconds."""
    if not len(values):
        return {}
    median, p95, p99 = (float(value) for value in np.percentile(values, (50, 95, 99)))
    return {
        "mean_ms": float(values.mean()),
        "median_ms": median,
        "p95_ms": p95,
        "p99_ms": p99,
        "max_ms": float(values.max()),
        "quantiles_ms": [float(value) for value in np.percentile(values, QUANTILES)],
    }


def _jitter(values: Floats) -> float | None:
    """Return the mean difference between one value and the next; None for fewer than two."""
    return float(np.abs(np.diff(values)).mean()) if len(values) > 1 else None


def _cores_busy(drive: Drive, cores: int) -> float | None:
    if not drive.cpu_seconds or drive.cpu_wall_seconds is None:
        return None
    return drive.cpu_seconds / (drive.cpu_wall_seconds * cores)


def timeline(drive: Drive) -> list[dict[str, Any]]:
    """Return the slices of a few frames from the middle of what was measured, milliseconds from the first."""
    trace, middle = drive.trace, (drive.warm_ns + drive.ended_ns) / 2
    ends, _, _ = frame_times(drive, trace.lanes[0])
    if len(ends) < 2:
        return []
    length = TIMELINE_FRAMES * (ends[-1] - ends[0]) / (len(ends) - 1)
    begin, found = middle - length / 2, list[dict[str, Any]]()
    for lane in trace.lanes:
        for ring, column, kind in ((trace.slices[lane], 4, "work"), (trace.runs[lane], 2, "model")):
            rows = ring.rows()
            shown = rows[(rows[:, 1] > begin) & (rows[:, 0] < begin + length)]
            found += [
                {
                    "lane": lane,
                    "kind": kind,
                    "start_ms": round((start - begin) / _MS, 4),
                    "end_ms": round((end - begin) / _MS, 4),
                    "of": trace.models[of].name if kind == "model" else None if of == NONE else of,
                }
                for start, end, of in zip(*(shown[:, each].tolist() for each in (0, 1, column)), strict=True)
            ]
    return found
