"""Where a command writes: results on stdout, everything else on stderr."""

import json
import logging
import shlex
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

_UNLIMITED = 1000

results = Console(soft_wrap=True, highlight=False, markup=False)
"""Stdout. Never wraps: a line of results stays a line, whatever reads it."""

remarks = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
"""Stderr."""


@dataclass(slots=True)
class Invocation:
    """The command line as typed; the context object of every command.

    arguments : without the program's name
    debug : whether `--debug` is among them
    """

    arguments: list[str] = field(default_factory=list[str])
    debug: bool = False

    def resuming(self) -> str:
        """Return the command that goes on with a restoration that was stopped."""
        return shlex.join(["farshore", *self.arguments, *([] if "--resume" in self.arguments else ["--resume"])])


def print_table(console: Console, table: Table) -> None:
    """Write a table: as wide as a terminal is, as wide as it likes elsewhere."""
    if console.is_terminal:
        console.print(table)
    else:
        Console(file=console.file, width=_UNLIMITED, highlight=False, markup=False).print(table)


def print_json(value: Any) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def start_logging(*, debug: bool, quiet: bool = False) -> None:
    """Send log records to stderr: warnings, with `quiet` errors alone, with `debug` everything."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _RemarkHandler):
            root.removeHandler(handler)
    handler = _RemarkHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if debug else "warning: %(message)s"))
    root.addHandler(handler)
    logging.getLogger("engine").setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.WARNING)


class _RemarkHandler(logging.Handler):
    """Writes through the console that also draws the progress line, so that neither tears the other."""

    def emit(self, record: logging.LogRecord) -> None:
        remarks.print(self.format(record))
