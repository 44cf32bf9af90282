"""`farshore bench peers`. Cheap to import: the work is imported when the command runs."""

import re
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from bench.latency.commands import progress
from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.errors import ConfigError

SCHEMA = "farshore.bench.peers/1"


def peers(
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the film; multiples of 16.")] = "640x480",
    frames: Annotated[int, typer.Option(metavar="N", help="Of the film, 8 or more.")] = 24,
    rounds: Annotated[int, typer.Option(metavar="N", help="How often each runs, by turns.")] = 3,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Run the same film through ffmpeg's minterpolate, a plain PyTorch loop and farshore, and say the ratios.

    One thread each, pictures from memory, counted in processor time. What is not installed is named with the reason.
    """
    console.start_logging(debug=debug, quiet=quiet)
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if found is None or any(int(side) % 16 or not 64 <= int(side) <= 4096 for side in found.groups()):
        raise ConfigError(f"--size: got {size!r}; wanted WIDTHxHEIGHT, multiples of 16 from 64 to 4096")
    if frames < 8 or rounds < 1:
        raise ConfigError(f"--frames {frames}, --rounds {rounds}: wanted 8 or more frames and 1 or more rounds")
    from bench.peers import measure

    with progress(quiet=quiet) as tell:
        rows = measure((int(found[1]), int(found[2])), frames=frames, rounds=rounds, tell=tell)
    if as_json:
        console.print_json({"schema": SCHEMA, "size": size, "frames": frames, "rows": [row.to_json() for row in rows]})
    elif not quiet:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for header in ("task", "by", "pictures/s of one core", "farshore is … times as fast"):
            table.add_column(header, justify="left" if header in ("task", "by") else "right", no_wrap=True)
        for row in rows:
            figures = (row.why, "") if row.fps is None else (f"{row.fps:.2f}", f"{row.ratio:.2f}")
            table.add_row(row.task, row.contender, *figures)
        console.print_table(console.results, table)
    return ExitCode.DONE
