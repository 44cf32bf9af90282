"""What a restoration did, as text and tables."""

from rich import box
from rich.console import Console
from rich.table import Table

from engine.cli.console import print_table
from engine.cli.progress import clock_text
from engine.job import JobPlan, JobReport
from engine.model import Model
from engine.timing import LatencyReport


def plan_line(source: str, target: str, plan: JobPlan) -> str:
    """Say in one line what a restoration will do."""
    size_in = f"{plan.spec_in.width}×{plan.spec_in.height}"
    size_out = f"{plan.spec_out.width}×{plan.spec_out.height}"
    rate_in, rate_out = (
        "variable" if rate is None else f"{float(rate):.5g}" for rate in (plan.spec_in.rate, plan.spec_out.rate)
    )
    threads = ", ".join(f"{name} {count}" for name, count in plan.thread_split.items())
    parts = [
        f"{source} ({size_in}, {rate_in} fps) → {target} ({size_out}, {rate_out} fps)",
        " → ".join(["decode", *plan.stages, "encode"]),
    ]
    if plan.models:
        parts.append("models " + ", ".join(_model_words(model) for model in plan.models))
    if threads:
        parts.append(f"threads {threads}")
    if plan.resumed_from_shot:
        parts.append(f"resuming at shot {plan.resumed_from_shot}")
    return "; ".join(parts)


def _model_words(model: Model) -> str:
    """Name a model, and its terms where it may not be used for everything; the whole licence is among the notices."""
    terms = "" if model.card.commercial_use == "yes" else f" (commercial use: {model.card.commercial_use})"
    return f"{model.card.name} {model.card.precision}{terms}"


def latency_table(latency: LatencyReport) -> Table:
    """Return the latency table: a row per stage, milliseconds a frame."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    for header in ("threads", "frames", "median ms", "p95 ms", "max ms", "busy %"):
        table.add_column(header, justify="right")
    for stage in latency.stages:
        busy = stage.total_seconds / latency.wall_seconds if latency.wall_seconds else 0.0
        table.add_row(
            stage.stage,
            str(stage.threads),
            str(stage.frames),
            f"{stage.median_ms:.1f}",
            f"{stage.p95_ms:.1f}",
            f"{stage.max_ms:.1f}",
            f"{busy:.0%}",
        )
    return table


def print_latency(console: Console, latency: LatencyReport) -> None:
    """Write the latency table and what it leaves out."""
    print_table(console, latency_table(latency))
    console.print(
        f"{latency.frames} frames in {clock_text(latency.wall_seconds)} ({latency.frames_per_second:.1f} fps); "
        f"median delay from film to file {latency.delay_ms:.0f} ms; "
        f"the first and last {latency.left_out} frames are not in the percentiles"
    )


def print_report(console: Console, report: JobReport) -> None:
    """Write what became of one film: a line, what was noticed, what was lost, and the latency table."""
    console.print(summary_line(report))
    for notice in report.notices:
        console.print(f"note: {notice}")
    for line in loss_lines(report):
        console.print(f"loss: {line}")
    print_latency(console, report.run.latency)


def summary_line(report: JobReport) -> str:
    """Say in one line what became of a film."""
    shots = f"{report.shots} shot{'s' if report.shots != 1 else ''}"
    repeats = f", {report.repeats} repeated frames taken out" if report.repeats else ""
    return f"{report.target}: {report.run.frames_out} frames, {shots}{repeats}; {report.cadence}"


def loss_lines(report: JobReport) -> list[str]:
    """Return what could not be read and what passed through unrestored, a line each."""
    lines = [report.losses.summary()] if report.losses else []
    for stage, causes in report.run.failures.items():
        lines += [f"{stage} passed {count} frames through unchanged: {cause}" for cause, count in causes.items()]
    return lines
