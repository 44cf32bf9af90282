"""One film through `farshore restore`: the line that says what will be done, progress, signals, the report."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

from engine.cli.console import Invocation, print_json, remarks, results
from engine.cli.outcome import ExitCode
from engine.cli.progress import Estimate, progress_view
from engine.cli.report import plan_line, print_report
from engine.cli.targets import Work
from engine.errors import ConfigError, Interrupted
from engine.job import PIPE, Job, JobPlan, JobReport
from engine.metrics import Metrics
from engine.run_report import Progress
from engine.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How films are run, beside their settings.

    resume : go on with work that was interrupted
    overwrite : replace a target that is there
    trace : file for a Chrome trace
    metrics : shows the figures of every film while it is restored
    as_json : results as JSON on stdout, progress as JSON lines on stderr
    quiet : no progress, no results
    """

    resume: bool = False
    overwrite: bool = False
    trace: Path | None = None
    metrics: Metrics | None = None
    as_json: bool = False
    quiet: bool = False


def restore_one(work: Work, settings: Settings, how: RunOptions, invocation: Invocation) -> ExitCode:
    """Restore a film and write its report; return the exit code."""
    if how.as_json and work.target == PIPE:
        raise ConfigError("--json: stdout carries the film itself; write the film to a file")
    report = restore_film(work, settings, how, invocation)
    if how.as_json:
        print_json(report.to_json())
    elif not how.quiet:
        print_report(remarks if work.target == PIPE else results, report)
    return code_of(report)


def restore_film(work: Work, settings: Settings, how: RunOptions, invocation: Invocation) -> JobReport:
    """Restore a film, showing where it stands.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM; the message has the command that goes on.
    """
    job = Job(
        work.source,
        work.target,
        settings,
        resume=how.resume,
        overwrite=how.overwrite,
        trace=how.trace,
        metrics=how.metrics,
    )
    try:
        with stop_on_signal(job.stop):
            plan = job.open()
            _announce(work, plan, how)
            return run_watched(job.run, plan, Path(work.source).name, as_json=how.as_json, quiet=how.quiet)
    except Interrupted as error:
        if PIPE in (work.source, work.target):
            raise
        raise Interrupted(f"{work.target}: {error}; go on with: {invocation.resuming()}") from error
    finally:
        job.close()


def code_of(report: JobReport) -> ExitCode:
    """Return the exit code for a film that was finished."""
    return ExitCode.DONE_WITH_LOSSES if report.losses or report.run.failed_frames else ExitCode.DONE


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Call `stop` on the first SIGINT or SIGTERM; a second one ends the process at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        remarks.print("stopping; once more ends at once")
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_watched(
    run: Callable[[Callable[[Progress], None]], Result], plan: JobPlan, film: str, *, as_json: bool, quiet: bool
) -> Result:
    """Call `run` with a function that shows its progress, and return what it returns."""
    estimate = Estimate(plan.frames_expected, plan.duration, plan.spec_in.start)
    with progress_view(film, as_json=as_json, quiet=quiet) as view:
        return run(lambda progress: view.show(estimate.update(progress)))


def _announce(work: Work, plan: JobPlan, how: RunOptions) -> None:
    if how.quiet:
        return
    remarks.print(plan_line(work.source, work.target, plan))
    for notice in plan.notices:
        remarks.print(f"note: {notice}")
