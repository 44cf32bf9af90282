"""The calibration table: what was seen of every tensor, in a JSON file that can be kept, compared and used again.

It holds histograms rather than ranges, so that every method and both libraries' number formats are served by one table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calib.ranges import BINS, Histogram
from engine.errors import CalibrationError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What was seen.

    model : name of the float32 model
    sha256 : of its file
    footage : names of the films, with their hashes
    runs : of the model, that were looked at
    histograms : by tensor
    """

    model: str
    sha256: str
    footage: tuple[str, ...]
    runs: int
    histograms: Mapping[str, Histogram]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One tensor in two tables.

    low, high : (of the one, of the other)
    overlap : how much of both distributions is the same, 0 to 1
    """

    tensor: str
    low: tuple[float, float]
    high: tuple[float, float]
    overlap: float


def save(table: Table, path: Path) -> None:
    """Write a table; the file gets its name when it is whole."""
    document = {
        "schema": SCHEMA,
        "model": table.model,
        "sha256": table.sha256,
        "footage": list(table.footage),
        "runs": table.runs,
        "tensors": {name: _plain(histogram) for name, histogram in table.histograms.items()},
    }
    unfinished = path.with_name(path.name + ".tmp")
    try:
        unfinished.write_text(json.dumps(document), encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: Path) -> Table:
    """Read a table.

    Raises
    ------
    CalibrationError
        The file is missing, or not a table.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise CalibrationError(f"table {path}: is of schema {document['schema']}; wanted {SCHEMA}; calibrate again")
        return Table(
            model=document["model"],
            sha256=document["sha256"],
            footage=tuple(document["footage"]),
            runs=int(document["runs"]),
            histograms={name: _histogram(item) for name, item in document["tensors"].items()},
        )
    except OSError as error:
        raise CalibrationError(f"table {path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CalibrationError(f"table {path}: is not a calibration table ({error!r}); calibrate again") from error


def check_fits(table: Table, sha256: str, tensors: tuple[str, ...], path: Path) -> None:
    """Raise `CalibrationError` unless the table was made of this very model and knows all its tensors."""
    if table.sha256 != sha256:
        raise CalibrationError(
            f"table {path}: was made of {table.model} with SHA-256 {table.sha256[:12]}; this model has {sha256[:12]}; "
            "calibrate again"
        )
    missing = [name for name in tensors if name not in table.histograms]
    if missing:
        raise CalibrationError(f"table {path}: lacks tensors {', '.join(missing[:3])}; calibrate again")


def compare(one: Table, other: Table) -> list[Comparison]:
    """Compare two tables of one model, the tensors that differ most first."""
    found = [
        Comparison(
            tensor=name,
            low=(first.low, second.low),
            high=(first.high, second.high),
            overlap=_overlap(first, second),
        )
        for name, first in one.histograms.items()
        if (second := other.histograms.get(name)) is not None
    ]
    return sorted(found, key=lambda item: item.overlap)


def _overlap(one: Histogram, other: Histogram) -> float:
    first, second = _copy(one), _copy(other)
    while first.reach < second.reach:
        first.double()
    while second.reach < first.reach:
        second.double()
    return float(np.minimum(first.counts / first.total, second.counts / second.total).sum())


def _copy(histogram: Histogram) -> Histogram:
    return Histogram(reach=histogram.reach, counts=histogram.counts.copy(), low=histogram.low, high=histogram.high)


def _plain(histogram: Histogram) -> dict[str, Any]:
    filled = np.flatnonzero(histogram.counts)
    first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, -1)
    return {
        "low": histogram.low,
        "high": histogram.high,
        "reach": histogram.reach,
        "first": first,
        "counts": [int(count) for count in histogram.counts[first : last + 1]],
    }


def _histogram(item: Mapping[str, Any]) -> Histogram:
    counts = np.zeros(BINS)
    first, values = int(item["first"]), item["counts"]
    counts[first : first + len(values)] = values
    return Histogram(reach=float(item["reach"]), counts=counts, low=float(item["low"]), high=float(item["high"]))
