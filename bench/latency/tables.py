"""What was measured, as tables for people."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.table import Table

from bench.latency.compare import Change

Run = Mapping[str, Any]


LIVE_SHARE = 0.98
"""Share of the film's rate from which a chain counts as holding it: what starting up costs in a short run."""


def stage_table(case: Mapping[str, Any]) -> Table:
    """Return a row per stage: medians over the runs, of the greatest times the greatest."""
    runs: Sequence[Run] = case["runs"]
    is_chain = case["case"]["kind"] == "chain"
    table = _table(
        "stage", "threads", "frames", "left out", "median ms", "p95", "p99", "max", "jitter", "budget ms", "busy"
    )
    if is_chain:
        for header in ("starved", "blocked", "in queue ms"):
            table.add_column(header, justify="right")
    for number, first in enumerate(runs[0]["stages"]):
        stages = [run["stages"][number] for run in runs]
        left = [stage["left_out"] for stage in stages]
        row = [
            first["stage"],
            str(first["threads"]),
            str(sum(stage["frames"] for stage in stages)),
            f"{sum(each['first'] for each in left)}+{sum(each['last'] for each in left)}",
            *(_ms(middle(stages, key)) for key in ("median_ms", "p95_ms", "p99_ms")),
            _ms(max(stage["max_ms"] for stage in stages)),
            _ms(middle(stages, "jitter_ms")),
            _ms(first["budget_ms"]),
            _share(middle(stages, "busy")),
        ]
        if is_chain:
            lay = [stage["in_queue_ms"] for stage in stages if stage["in_queue_ms"]]
            waits = [_share(middle(stages, "starved")), _share(middle(stages, "blocked"))]
            row += [*waits, _ms(middle(lay, "median")) if lay else "-"]
        table.add_row(*row)
    return table


def model_table(case: Mapping[str, Any]) -> Table:
    """Return a row per model: its work from its graph, and how fast that was done."""
    table = _table("model", "stage", "threads", "runs", "median ms", "GFLOP", "GFLOP/s", "FLOP/byte")
    for cost in case["costs"]:
        used = [one for run in case["runs"] for one in run["models"] if _is_same(one, cost) and one["runs"]]
        taken = middle(used, "median_ms")
        table.add_row(
            cost["model"],
            cost["stage"],
            str(cost["threads"]),
            str(sum(one["runs"] for one in used)),
            _ms(taken),
            f"{cost['gflop']:.3f}",
            f"{cost['gflop'] / taken * 1000:.1f}" if taken else "-",
            f"{cost['gflop'] / cost['gbyte']:.1f}",
        )
    return table


def summary_lines(case: Mapping[str, Any]) -> list[str]:
    """Say in a few lines what a case came to."""
    runs: Sequence[Run] = case["runs"]
    what = case["case"]
    count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    title = f"{what['width']}x{what['height']}, {what['precision']}, {what['backend']}, {count} of "
    title += f"{what['seconds']:g} s after {what['warm_up']:g} s of warm-up"
    lines = [title]
    memory = [run["peak_memory_bytes"] for run in runs if run["peak_memory_bytes"] is not None]
    resident = f"peak memory {max(memory) / 2**20:.0f} MiB" if memory else "peak memory not told"
    device = [run["device_memory_bytes"] for run in runs if run["device_memory_bytes"] is not None]
    resident += f", of the device {max(device) / 2**20:.0f} MiB" if device else ", of a device n/a"
    if what["kind"] == "chain":
        rate, wanted = middle(runs, "fps_in") or 0.0, runs[0]["rate_in"]
        holds = "" if not wanted else f" ({rate / wanted:.2f} of the film's {wanted:.5g})"
        delays = [run["delay_ms"] for run in runs]
        load = "live" if what["live"] else "at full load"
        if what["live"] and wanted and rate < LIVE_SHARE * wanted:
            lines.append(
                "the chain does not hold the film's rate: its delay grows without end; these figures are no delay"
            )
        lines += [
            f"{rate:.2f} film frames/s{holds}, {middle(runs, 'fps_out'):.2f} frames/s written; intervals differ by "
            f"{_ms(middle(runs, 'interval_jitter_ms'))} ms from one to the next",
            f"glass to glass {load}: median {_ms(middle(delays, 'median_ms'))} ms, p99 "
            f"{_ms(middle(delays, 'p99_ms'))} ms; about {_ms(middle(runs, 'delay_in_queues_ms'))} ms of it in queues",
            f"slowest stage {runs[0]['slowest']}, at work {_share(middle(runs, 'efficiency'))} of the time; cores busy "
            f"{_share(middle(runs, 'cores_busy'))}; {resident}",
        ]
    else:
        lines.append(f"stages one after the other, nothing beside them; {resident}")
    lines += dict.fromkeys(notice for run in runs for notice in run.get("notices", ()))
    failed = sum(run["failures"] for run in runs)
    if failed:
        lines.append(f"{failed} frames passed a stage unchanged because it failed on them")
    return lines


def change_table(changes: Sequence[Change]) -> Table:
    """Return a row per figure compared."""
    table = _table("case", "figure", "before ms", "after ms", "change", "interval", "verdict")
    for change in changes:
        table.add_row(
            change.case,
            change.what,
            _ms(change.before),
            _ms(change.after),
            f"{change.slowdown:+.1%}",
            f"{change.low:+.1%} to {change.high:+.1%}",
            change.verdict,
        )
    return table


def middle(values: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Return the median over runs of a figure; None where none has it."""
    known = [value[key] for value in values if value.get(key) is not None]
    return median(known) if known else None


def _is_same(used: Mapping[str, Any], cost: Mapping[str, Any]) -> bool:
    return all(used[key] == cost[key] for key in ("stage", "model", "threads", "shapes"))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _table(*headers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, header in enumerate(headers):
        table.add_column(header, justify="right" if number else "left")
    return table
