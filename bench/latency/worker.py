"""One run of one case, in a process of its own: `python -m bench.latency.worker < order.json`.

Figures go to stdout as JSON. So each run begins alike, and its peak memory is its own.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.latency.case import Case
from bench.latency.drive import run_case
from bench.latency.figures import figures, timeline
from bench.latency.operations import count
from engine.chrome_trace import write_chrome_trace
from engine.errors import FarshoreError
from engine.model import Model, find_model
from engine.thread_split import available_cores


def run_order(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order.

    Parameters
    ----------
    order : `case`; `film`, a path; `details`, whether to tell models, their costs and a timeline too; `trace`, a path
        for a Chrome trace, or null

    Returns
    -------
    `run`: the figures; `details`: the rest, or null
    """
    case = Case.from_json(order["case"])
    with tempfile.TemporaryDirectory() as folder:
        drive = run_case(case, Path(order["film"]), Path(folder) / "restored.mp4")
    run = figures(drive, cores=case.threads or available_cores())
    run["peak_memory_bytes"] = peak_memory()
    run["device_memory_bytes"] = None
    if order["trace"] is not None:
        write_chrome_trace(Path(order["trace"]), drive.trace, title=f"farshore bench {case.kind}: {case.label}")
    if not order["details"]:
        return {"run": run, "details": None}
    models = _models(case)
    costs = [] if case.backend == "null" else [_cost(used, models) for used in run["models"] if used["runs"]]
    told = [_told(model) for model in models]
    return {"run": run, "details": {"models": told, "costs": costs, "timeline": timeline(drive)}}


def peak_memory() -> int | None:
    """Return the most memory that this process ever held resident, bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _models(case: Case) -> list[Model]:
    settings = case.settings()
    parts = (("enhance", settings.enhance), ("interpolate", settings.interpolate), ("colorize", settings.colorize))
    return [find_model(part.model, role) for role, part in parts if part.model is not None]


def _told(model: Model) -> dict[str, Any]:
    card = model.card
    return {
        "name": card.name,
        "role": card.role,
        "version": card.version,
        "precision": card.precision,
        "sha256": model.sha256,
        "bytes": len(model.data),
    }


def _cost(used: dict[str, Any], models: list[Model]) -> dict[str, Any]:
    model = next(each for each in models if each.sha256 == used["sha256"])
    cost = count(model.data, used["shapes"])
    return {
        "stage": used["stage"],
        "model": used["model"],
        "threads": used["threads"],
        "shapes": used["shapes"],
        "gflop": cost.operations / 1e9,
        "gbyte": cost.bytes / 1e9,
    }


def main() -> int:
    """Read the order, write the answer."""
    try:
        answer = run_order(json.load(sys.stdin))
    except FarshoreError as error:
        sys.stdout.write(json.dumps({"error": str(error), "kind": type(error).__name__}))
        return 1
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
