"""What a calibration found: a table for people, JSON for programs, a picture of loss and speed against layers kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table as RichTable

from calib.options import Report

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 90, 90, 50, 70
PAPER, INK, GRID = (255, 255, 255), (40, 40, 40), (225, 225, 225)
LOSS, SPEED = (180, 90, 20), (40, 120, 40)

Canvas = npt.NDArray[np.uint8]


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    search = report.search
    return {
        "model": report.model.card.name,
        "path": str(report.model.path),
        "calibration": dict(report.model.card.calibration or {}),
        "methods": {str(name): count for name, count in report.methods.items()},
        "method_losses": {str(name): loss for name, loss in report.method_losses.items()},
        "float_milliseconds": report.float_milliseconds,
        "bytes": {"float32": report.sizes[0], "quantized": report.sizes[1]},
        "seconds": round(report.seconds, 1),
        "costs": [{"layer": cost.layer, "loss": cost.loss} for cost in search.costs],
        "always_float": dict(report.layers.always_float),
        "chosen": search.chosen,
        "points": [
            {
                "kept": list(point.kept),
                "loss": point.loss.value,
                "worst_loss": point.loss.worst,
                "psnr_to_float": point.loss.psnr,
                "milliseconds": point.milliseconds,
            }
            for point in search.points
        ],
    }


def table(report: Report) -> RichTable:
    """Return the curve as a table: a row for every number of layers kept, the chosen one marked."""
    unit = report.search.points[0].loss.unit
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("layers kept", justify="right")
    for header in (f"loss {unit}", "worst picture", "ms, one core", "× FP32"):
        made.add_column(header, justify="right")
    made.add_column("last one put back")
    for index, point in enumerate(report.search.points):
        name = point.kept[-1] if point.kept else ""
        taken, whole = point.milliseconds, report.float_milliseconds
        made.add_row(
            f"{'→ ' if index == report.search.chosen else ''}{index}",
            f"{point.loss.value:.4f}",
            f"{point.loss.worst:.4f}",
            "" if taken is None else f"{taken:.1f}",
            "" if taken is None or whole is None else f"{whole / taken:.2f}",
            name,
        )
    return made


def summary(report: Report) -> str:
    """Say in one line what came out."""
    point = report.search.points[report.search.chosen]
    facts = report.model.card.calibration or {}
    eight, all_layers = facts.get("layers", 0), len(report.layers.candidates) + len(report.layers.always_float)
    parts = [
        f"{eight} layers in 8 bits, {all_layers - eight} in float32",
        f"loses {point.loss.value:.4f} {point.loss.unit} (at most {facts.get('max_loss'):g} allowed)",
    ]
    if point.milliseconds is not None and report.float_milliseconds is not None:
        times = report.float_milliseconds / point.milliseconds
        parts.append(f"{report.float_milliseconds:.1f} → {point.milliseconds:.1f} ms on one core (×{times:.2f})")
    parts.append(f"{report.sizes[0] / 1e6:.2f} → {report.sizes[1] / 1e6:.2f} MB")
    return f"{report.model.card.name}: {'; '.join(parts)}: {report.model.path}"


def write_json(report: Report, path: Path) -> None:
    """Write the report; the file gets its name when it is whole."""
    unfinished = path.with_name(path.name + ".tmp")
    try:
        unfinished.write_text(json.dumps(to_json(report), indent=2), encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_picture(report: Report, path: Path) -> None:
    """Write the curves as a PNG; the file gets its name when it is whole."""
    done, data = cv2.imencode(".png", draw(report))
    assert done
    unfinished = path.with_name(path.name + ".tmp")
    try:
        unfinished.write_bytes(data.tobytes())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def draw(report: Report) -> Canvas:
    """Draw loss (left axis) and milliseconds (right axis) against layers kept: uint8 (480, 900, 3), B, G, R."""
    canvas: Canvas = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    points, unit = report.search.points, report.search.points[0].loss.unit
    losses = [point.loss.value for point in points]
    bound = float((report.model.card.calibration or {}).get("max_loss", 0.0))
    in_view = bound <= 4 * max(losses)
    top_loss = 1.15 * max([*losses, bound] if in_view else losses) or 1.0
    _axes(canvas, len(points), top_loss)
    if in_view:
        y = _y(bound, top_loss)
        cv2.line(canvas, (LEFT, y), (WIDTH - RIGHT, y), LOSS, 1, cv2.LINE_4)
        _text(canvas, f"bound {bound:g}", (LEFT + 6, y - 6), LOSS)
    times = [point.milliseconds for point in points if point.milliseconds is not None]
    if len(times) == len(points):
        top_time = 1.15 * max([*times, report.float_milliseconds or 0.0])
        for share in (0.25, 0.5, 0.75, 1.0):
            _text(canvas, f"{top_time * share:.3g}", (WIDTH - RIGHT + 8, _y(share, 1.0) + 5), SPEED)
        _curve(canvas, times, lambda value: _y(value, top_time), SPEED)
        _text(canvas, "ms on one core", (WIDTH - RIGHT - 40, TOP - 14), SPEED)
    _curve(canvas, losses, lambda value: _y(value, top_loss), LOSS)
    x = _x(report.search.chosen, len(points))
    cv2.circle(canvas, (x, _y(losses[report.search.chosen], top_loss)), 8, INK, 2, cv2.LINE_AA)
    _text(canvas, f"loss, {unit}", (10, TOP - 14), LOSS)
    _text(canvas, "layers kept in float32 (circle: chosen)", (WIDTH // 2 - 160, HEIGHT - 18), INK)
    _text(canvas, report.model.card.name, (WIDTH // 2 - 60, 24), INK)
    return canvas


def _axes(canvas: Canvas, count: int, top: float) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share, 1.0)
        cv2.line(canvas, (LEFT, y), (WIDTH - RIGHT, y), GRID, 1)
        _text(canvas, f"{top * share:.3g}", (10, y + 5), LOSS)
    for index in range(0, count, max(1, count // 12)):
        _text(canvas, str(index), (_x(index, count) - 5, HEIGHT - BOTTOM + 22), INK)


def _curve(canvas: Canvas, values: Sequence[float], y_of: Callable[[float], int], color: tuple[int, int, int]) -> None:
    places = [(_x(index, len(values)), y_of(value)) for index, value in enumerate(values)]
    for start, end in zip(places, places[1:], strict=False):
        cv2.line(canvas, start, end, color, 2, cv2.LINE_AA)
    for place in places:
        cv2.circle(canvas, place, 3, color, -1, cv2.LINE_AA)


def _x(index: int, count: int) -> int:
    return LEFT + round(index * (WIDTH - LEFT - RIGHT) / max(1, count - 1))


def _y(value: float, top: float) -> int:
    return HEIGHT - BOTTOM - round(value / top * (HEIGHT - TOP - BOTTOM))


def _text(canvas: Canvas, text: str, place: tuple[int, int], color: tuple[int, int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
