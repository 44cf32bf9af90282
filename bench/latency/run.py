"""All cases, again and again by turns, each run in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.latency.case import Case
from bench.latency.film import write_film
from bench.latency.head import head
from bench.latency.roof import measure_roof
from bench.latency.schema import SCHEMA_NAME
from engine import errors
from engine.errors import ConfigError, EngineError, FarshoreError
from engine.thread_split import available_cores

Tell = Callable[[str], None]

FASTEST = 120
"""Frames a second for which there is film; a quicker chain comes to the film's end and is measured till then."""

MOST_FRAMES = 20_000


def measure(cases: Sequence[Case], *, repeat: int, tell: Tell, trace: Path | None = None) -> dict[str, Any]:
    """Run every case `repeat` times, by turns, and return everything as plain values (`schema.py`).

    By turns: what changes on the machine while it is measured then meets every case alike.

    Parameters
    ----------
    cases : all of one kind
    repeat : runs of each
    tell : is told what is being done
    trace : file for a Chrome trace of the first run

    Raises
    ------
    ConfigError, EngineError, ...
        A case cannot be run; none is left out.
    """
    if repeat < 1:
        raise ConfigError(f"repeat: got {repeat}; wanted 1 or more")
    for case in cases:
        case.settings()
    tell("measuring what the machine can do")
    roofs = [measure_roof(threads) for threads in sorted({1, available_cores()})]
    found: list[dict[str, Any]] = [{"case": case.to_json(), "runs": []} for case in cases]
    result = {"schema": SCHEMA_NAME, "kind": cases[0].kind, "head": head(roofs), "cases": found}
    with tempfile.TemporaryDirectory() as folder:
        films = _films(cases, Path(folder), tell)
        for turn in range(repeat):
            for case, told in zip(cases, found, strict=True):
                tell(f"{case.label}: run {turn + 1} of {repeat}, {case.warm_up + case.seconds:g} s")
                is_first = turn == 0
                order = {
                    "case": case.to_json(),
                    "film": str(films[case.width, case.height, case.rate]),
                    "details": is_first,
                    "trace": str(trace) if trace is not None and is_first and case is cases[0] else None,
                }
                answer = _carry_out(order)
                told["runs"].append(answer["run"])
                if answer["details"] is not None:
                    told.update(answer["details"])
    return result


def _films(cases: Sequence[Case], folder: Path, tell: Tell) -> dict[tuple[int, int, str], Path]:
    films: dict[tuple[int, int, str], Path] = {}
    for case in cases:
        key = (case.width, case.height, case.rate)
        longest = max(each.warm_up + each.seconds for each in cases)
        if key not in films:
            tell(f"drawing a film of {case.width}x{case.height}")
            films[key] = folder / f"{len(films)}.mp4"
            frames = min(round(longest * FASTEST), MOST_FRAMES)
            write_film(films[key], width=case.width, height=case.height, rate=case.film_rate, frames=frames)
    return films


def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.latency.worker"]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)
    label = Case.from_json(order["case"]).label
    try:
        told = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise EngineError(f"case {label}: its process ended with code {done.returncode}: {last[0]}") from error
    kind: type[FarshoreError] = getattr(errors, told["kind"], EngineError)
    raise kind(f"case {label}: {told['error']}")


def append(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return an earlier result with the runs of a later one added: so two builds can be measured by turns.

    Raises
    ------
    ConfigError
        They did not measure the same cases of the same build on the same machine.
    """
    marks = _marks(later)
    for what, mark in _marks(earlier).items():
        if mark != marks[what]:
            raise ConfigError(f"--append: the file holds another {what} than was measured now; choose another file")
    joined = [
        {**case, "runs": [*case["runs"], *more["runs"]]}
        for case, more in zip(earlier["cases"], later["cases"], strict=True)
    ]
    return {**earlier, "cases": joined}


def _marks(result: dict[str, Any]) -> dict[str, Any]:
    """Return by what runs that belong together are told."""
    head = result["head"]
    return {
        "kind": result["kind"],
        "set of cases": [case["case"] for case in result["cases"]],
        "build": (head["version"], head["commit"]),
        "set of models": [case["models"] for case in result["cases"]],
        "machine": (head["machine"]["processor"], head["machine"]["cores"]),
    }
