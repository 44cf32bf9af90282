"""Commands that other rooms bring, found by the entry-point group `farshore.commands`.

This room imports none of the others; an entry point names a function that is given the program and adds its commands.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import typer

from engine.cli.outcome import error_line

GROUP = "farshore.commands"


def add_commands(app: typer.Typer, points: Iterable[EntryPoint] | None = None) -> None:
    """Let other rooms and packages add their commands.

    Parameters
    ----------
    app : the program
    points : each names a function that takes the program; None takes those of the installed packages. One that cannot
        be loaded is a line on stderr, and the rest of the program works
    """
    for point in entry_points(group=GROUP) if points is None else points:
        try:
            point.load()(app)
        except Exception as error:  # the edge of a plug-in: whatever befalls it, the other commands work
            reason = error_line(error).partition(" (this is a bug")[0]
            sys.stderr.write(f"farshore: warning: commands {point.name!r} of {point.value} are missing: {reason}\n")
