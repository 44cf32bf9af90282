"""The commands that the bench brings: `farshore bench quality`, `stages`, `chain`, `compare`, `peers`.

Cheap to import: the work is imported when a command runs.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import peers_command
from bench.latency import commands
from bench.latency.commands import progress
from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.errors import ConfigError

if TYPE_CHECKING:
    from bench.quality.plan import Part
    from bench.quality.run import Outcome


class PartName(StrEnum):
    """The parts of the bench, as the command line takes them."""

    RESTORE = "restore"
    INTERPOLATE = "interpolate"
    COLORIZE = "colorize"


bench = typer.Typer(name="bench", help="Measure speed and quality on this machine.")


def register(app: typer.Typer) -> None:
    """Add `bench` to the program."""
    app.add_typer(bench)


@bench.callback()
def _bench() -> None:  # pyright: ignore[reportUnusedFunction]
    """Measure speed and quality on this machine."""


for _command in (commands.stages, commands.chain, commands.compare, peers_command.peers):
    bench.command()(_command)


@bench.command()
def quality(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Clean material: clips/ and photos/; those held out by name are used.")
    ],
    only: Annotated[
        list[PartName] | None, typer.Option(help="Only this part; may be repeated for two.", case_sensitive=False)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Models instead of the built-in ones, each for its role; repeatable."),
    ] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Frames of each clip; 20 unless given.")] = None,
    clips: Annotated[int | None, typer.Option(metavar="N", help="At most so many clips, evenly chosen.")] = None,
    photos: Annotated[int | None, typer.Option(metavar="N", help="At most so many photographs.")] = None,
    every_file: Annotated[
        bool,
        typer.Option("--every-file", metavar="", help="All files of DIR: for material that no model was trained on."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every figure as JSON; - is stdout.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the worst and best cases side by side, .png or .jpg.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", metavar="", help="A tenth of the work at half the size; for a first look.")
    ] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Measure how well models restore, interpolate and colour, beside what classical filters can do.

    Exit code 3: measured, but a model failed on some frames, which count as it left them. A bar that is not cleared
    changes no exit code; it is in the table and in the JSON.
    """
    console.start_logging(debug=debug, quiet=quiet)
    to_stdout = json_file is not None and str(json_file) == "-"
    if json_file is not None and not to_stdout and not json_file.parent.is_dir():
        raise ConfigError(f"--json {json_file}: no such folder {json_file.parent}; make it first")
    from bench.quality.plan import PARTS, Plan
    from bench.quality.run import load_models, measure, write_json
    from bench.quality.sheet import check_sheet_path, write_sheet

    if sheet is not None:
        check_sheet_path(sheet)
    plan = Plan(data=data, every_file=every_file, clips=clips, photos=photos, frames=20 if frames is None else frames)
    parts: list[Part] = [part for part in PARTS if only and part in only]
    with progress(quiet=quiet) as tell:
        outcome = measure(plan.quick() if quick else plan, parts=parts, models=load_models(model or ()), tell=tell)
    if json_file is not None:
        if to_stdout:
            console.print_json(outcome.to_json())
        else:
            write_json(json_file, outcome.to_json())
    exhibits = [exhibit for section in outcome.sections for exhibit in section.exhibits]
    if sheet is not None and exhibits:
        write_sheet(sheet, exhibits)
    if not quiet and not to_stdout:
        _print(outcome)
    return ExitCode.DONE_WITH_LOSSES if outcome.failures else ExitCode.DONE


def _print(outcome: "Outcome") -> None:
    from bench.quality.head import head_lines
    from bench.quality.report import bars_table, tables

    out = console.results
    for line in head_lines(outcome.head):
        out.print(line)
    for section in outcome.sections:
        for table in tables(section):
            out.print()
            console.print_table(out, table)
        if section.failures:
            out.print(f"{section.name}: a model failed on {section.failures} frames, which count as it left them")
    out.print()
    console.print_table(out, bars_table(outcome.bars))
    out.print(f"measured in {outcome.head['seconds']['all']:.0f} s")
