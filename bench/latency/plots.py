"""The plots of the report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.latency.figures import QUANTILES
from bench.latency.svg import Drawing, Scale
from bench.latency.tables import middle

Case = Mapping[str, Any]

WIDTH = 880
_LEFT = 110
_RIGHT = WIDTH - 20
_ROW = 40
_LINE = 16
"""Pixels from one line of text to the next."""
_COLOURS = 6
"""Classes `frame0` to `frame5` of the style sheet."""

_FLOOR_MS = 0.01


def distributions(case: Case) -> str:
    """Return each stage's spread of times a frame, all runs together, beside its budget."""
    names = [stage["stage"] for stage in case["runs"][0]["stages"]]
    drawing = Drawing(WIDTH, 34 + _ROW * len(names) + 44)
    rows = [[run["stages"][number] for run in case["runs"]] for number in range(len(names))]
    every = [stage for row in rows for stage in row]
    highest = max(max(stage["max_ms"], stage["budget_ms"] or 0) for stage in every) * 1.3
    lowest = max(min(stage["quantiles_ms"][3] for stage in every), _FLOOR_MS) * 0.7
    scale = Scale(low=lowest, high=highest, start=_LEFT, end=_RIGHT, is_log=True)
    bottom = 30 + _ROW * len(names)
    drawing.axis_below(scale, 26, bottom, "milliseconds a frame")
    entries = (("range", "5 to 95 %"), ("half", "25 to 75 %"), ("median", "median"), ("p99", "p99"), ("max", "max"))
    drawing.legend(_LEFT, 14, (*entries, ("budget", "budget")))
    for number, (name, runs) in enumerate(zip(names, rows, strict=True)):
        y = 30 + _ROW * number
        drawing.text(_LEFT - 10, y + 22, name, "label", "end")
        _spread(drawing, scale, y, runs)
    return drawing.svg("Times of each stage")


def _spread(drawing: Drawing, scale: Scale, y: float, runs: Sequence[Mapping[str, Any]]) -> None:
    def at(percent: int) -> float:
        values = sorted(run["quantiles_ms"][QUANTILES.index(percent)] for run in runs)
        return values[len(values) // 2]

    def x(value: float) -> float:
        return scale(max(value, scale.low))

    title = ", ".join(f"{name} {at(percent):.2f} ms" for name, percent in (("median", 50), ("p95", 95), ("p99", 99)))
    drawing.rect(x(at(5)), y + 14, x(at(95)) - x(at(5)), 8, "range", title)
    drawing.rect(x(at(25)), y + 8, x(at(75)) - x(at(25)), 20, "half", title)
    drawing.rect(x(at(50)) - 1.5, y + 5, 3, 26, "median", title)
    drawing.dot(x(max(run["max_ms"] for run in runs)), y + 18, 4.5, "max", title)
    drawing.dot(x(at(99)), y + 18, 3.5, "p99", title)
    budget = runs[0]["budget_ms"]
    if budget is not None:
        drawing.rect(x(budget) - 1, y + 2, 2, _ROW - 6, "budget", f"budget {budget:.2f} ms")


def occupation(case: Case) -> str:
    """Return how each stage of a chain spent its time: at work, waiting for a frame, waiting for room."""
    runs = case["runs"]
    names = [stage["stage"] for stage in runs[0]["stages"]]
    drawing = Drawing(WIDTH, 34 + 26 * len(names) + 44)
    scale = Scale(low=0, high=100, start=_LEFT, end=_RIGHT)
    bottom = 30 + 26 * len(names)
    drawing.axis_below(scale, 26, bottom, "percent of the time")
    drawing.legend(_LEFT, 14, (("busy", "at work"), ("starved", "waits for a frame"), ("blocked", "waits for room")))
    for number, name in enumerate(names):
        y, x = 30 + 26 * number, 0.0
        drawing.text(_LEFT - 10, y + 16, name, "label", "end")
        for kind in ("busy", "starved", "blocked"):
            share = middle([run["stages"][number] for run in runs], kind) or 0.0
            share = min(share, 1.0 - x)
            drawing.rect(scale(x * 100), y + 3, scale(share * 100) - scale(0), 19, kind, f"{name} {kind} {share:.0%}")
            x += share
    return drawing.svg("What each stage spent its time on")


def timeline(case: Case) -> str:
    """Return what every stage did during a few frames; a source frame keeps its colour from stage to stage."""
    slices = case["timeline"]
    lanes = [stage["stage"] for stage in case["runs"][0]["stages"]]
    drawing = Drawing(WIDTH, 34 + 34 * len(lanes) + 44)
    begin = max(min(item["start_ms"] for item in slices), 0.0)
    end = max(item["end_ms"] for item in slices)
    length = min(end, max((item["end_ms"] for item in slices if item["lane"] == lanes[0]), default=end) * 1.5)
    scale = Scale(low=begin, high=max(length, begin + 1), start=_LEFT, end=_RIGHT)
    bottom = 30 + 34 * len(lanes)
    drawing.axis_below(scale, 26, bottom, "milliseconds")
    drawing.legend(
        _LEFT,
        14,
        (("frame0", "work; a colour for each source frame"), ("model", "a model runs"), ("idle", "work, no frame out")),
    )
    for number, name in enumerate(lanes):
        drawing.text(_LEFT - 10, 30 + 34 * number + 20, name, "label", "end")
    for item in slices:
        y = 30 + 34 * lanes.index(item["lane"])
        left, right = (min(max(item[key], scale.low), scale.high) for key in ("start_ms", "end_ms"))
        if right <= left:
            continue
        told = f"{item['end_ms'] - item['start_ms']:.2f} ms"
        if item["kind"] == "model":
            drawing.rect(scale(left), y + 20, scale(right) - scale(left), 7, "model", f"{item['of']}, {told}")
        else:
            kind = "idle" if item["of"] is None else f"frame{item['of'] % _COLOURS}"
            title = f"{item['lane']}, source frame {item['of']}, {told}"
            drawing.rect(scale(left), y + 6, scale(right) - scale(left), 22, kind, title)
    return drawing.svg("What every stage did during a few frames")


def roofline(case: Case, roofs: Sequence[Mapping[str, Any]]) -> str:
    """Return operations a second against operations a byte, below what the machine can do (Williams et al. 2009)."""
    points: list[tuple[float, float, str]] = []
    for cost in case["costs"]:
        used = [
            one for run in case["runs"] for one in run["models"] if one["sha256"] and _is_of(one, cost) and one["runs"]
        ]
        taken = middle(used, "median_ms")
        if taken and cost["gflop"]:
            points.append((cost["gflop"] / cost["gbyte"], cost["gflop"] / taken * 1000, cost["model"]))
    drawing = Drawing(WIDTH, 400)
    knees = [roof["gflops"] / roof["gbytes_per_second"] for roof in roofs]
    across = [*(point[0] for point in points), *knees]
    up = [*(point[1] for point in points), *(roof["gflops"] for roof in roofs)]
    x = Scale(low=min(across) / 4, high=max(across) * 4, start=_LEFT, end=_RIGHT, is_log=True)
    y = Scale(low=min(up) / 4, high=max(up) * 2, start=345, end=30, is_log=True)
    drawing.axis_below(x, 30, 345, "operations a byte")
    drawing.axis_left(y, _LEFT, _RIGHT, "GFLOP/s")
    for roof, knee in zip(roofs, knees, strict=True):
        begin = max(x.low, y.low / roof["gbytes_per_second"])
        line = [(begin, begin * roof["gbytes_per_second"]), (knee, roof["gflops"]), (x.high, roof["gflops"])]
        drawing.path([(x(a), y(b)) for a, b in line], "roof")
        told = f"{roof['threads']} thread{'s' if roof['threads'] > 1 else ''}: {roof['gflops']:.0f} GFLOP/s, "
        drawing.text(_RIGHT - 4, y(roof["gflops"]) - 6, told + f"{roof['gbytes_per_second']:.0f} GB/s", "tick", "end")
    heights = apart([y(speed) + 4 for _, speed, _ in points], _LINE)
    for number, ((intensity, speed, name), height) in enumerate(zip(points, heights, strict=True)):
        title = f"{name}: {speed:.1f} GFLOP/s, {intensity:.1f} operations a byte"
        drawing.dot(x(intensity), y(speed), 6, f"frame{number % _COLOURS}", title)
        drawing.text(x(intensity) + 10, height, f"{name} {speed:.0f}", "label")
    return drawing.svg("Models below the roof of the machine")


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Return heights of labels, each moved down as far as it takes to lie `least` below the one above it."""
    moved = list(heights)
    above = -math.inf
    for index in sorted(range(len(moved)), key=moved.__getitem__):
        above = moved[index] = max(moved[index], above + least)
    return moved


def _is_of(used: Mapping[str, Any], cost: Mapping[str, Any]) -> bool:
    return all(used[key] == cost[key] for key in ("stage", "model", "threads", "shapes"))
