"""Several films through `farshore restore`: one that fails does not stop the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from engine.cli.console import Invocation, print_json, print_table, remarks, results
from engine.cli.film_run import RunOptions, code_of, restore_film
from engine.cli.outcome import ExitCode, error_line, exit_code, print_error, worst
from engine.cli.report import loss_lines
from engine.cli.targets import Work
from engine.errors import ConfigError, Interrupted
from engine.job import JobReport
from engine.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    work: Work
    code: ExitCode
    report: JobReport | None = None
    was_finished: bool = False
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.work.source,
            "target": self.work.target,
            "exit_code": int(self.code),
            "was_finished": self.was_finished,
            "error": self.error,
            "report": None if self.report is None else self.report.to_json(),
        }


def restore_batch(works: Sequence[Work], settings: Settings, how: RunOptions, invocation: Invocation) -> ExitCode:
    """Restore films one after another, write a table of what became of each, return the worst exit code.

    A batch that is resumed leaves films alone whose restorations are there.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM; the films not yet begun are left alone.
    """
    if how.trace is not None:
        raise ConfigError(f"--trace {how.trace}: got {len(works)} films; a trace is of one")
    outcomes: list[_Outcome] = []
    for number, work in enumerate(works, start=1):
        if not how.quiet:
            remarks.print(f"film {number} of {len(works)}")
        outcomes.append(_restore(work, settings, how, invocation))
    if how.as_json:
        print_json({"films": [outcome.to_json() for outcome in outcomes]})
    elif not how.quiet:
        print_table(results, _table(outcomes))
    return worst(outcome.code for outcome in outcomes)


def _restore(work: Work, settings: Settings, how: RunOptions, invocation: Invocation) -> _Outcome:
    if how.resume and not how.overwrite and Path(work.target).exists():
        return _Outcome(work=work, code=ExitCode.DONE, was_finished=True)
    try:
        report = restore_film(work, settings, how, invocation)
    except Interrupted:
        raise
    except Exception as error:  # the edge of one film: whatever befalls it, the others are still restored
        print_error(error, debug=invocation.debug)
        return _Outcome(work=work, code=exit_code(error), error=error_line(error))
    return _Outcome(work=work, code=code_of(report), report=report)


def _table(outcomes: Sequence[_Outcome]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("film")
    table.add_column("frames", justify="right")
    table.add_column("fps", justify="right")
    table.add_column("what became of it")
    for outcome in outcomes:
        report = outcome.report
        if report is None:
            table.add_row(outcome.work.source, "", "", "was finished before" if outcome.was_finished else outcome.error)
            continue
        run = report.run
        remark = "; ".join([report.target, *loss_lines(report)])
        table.add_row(outcome.work.source, str(run.frames_out), f"{run.latency.frames_per_second:.1f}", remark)
    return table
