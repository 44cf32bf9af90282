"""How a command ends: exit codes, and errors as one line."""

import sys
import traceback
from collections.abc import Iterable
from enum import IntEnum

import typer

from engine.errors import ConfigError, FarshoreError, InternalError, Interrupted


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    """Everything asked for was done."""
    FAILED = 1
    """A film, model, device or disk stood in the way, or farshore has a bug."""
    ASKED_WRONGLY = 2
    """An option, setting, key or path is wrong; nothing was begun."""
    DONE_WITH_LOSSES = 3
    """Finished, but parts of the film could not be read, or frames passed through unrestored."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; what is finished is kept."""


def exit_code(error: BaseException) -> ExitCode:
    """Return the code with which a command ends that raised `error`."""
    if isinstance(error, (Interrupted, KeyboardInterrupt)):
        return ExitCode.INTERRUPTED
    if isinstance(error, ConfigError):
        return ExitCode.ASKED_WRONGLY
    if isinstance(error, typer.TyperException):
        return ExitCode(error.exit_code)
    return ExitCode.FAILED


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code of a batch: that of the film that fared worst."""
    return max(codes, key=_SEVERITY.index, default=ExitCode.DONE)


_SEVERITY = (
    ExitCode.DONE,
    ExitCode.DONE_WITH_LOSSES,
    ExitCode.FAILED,
    ExitCode.ASKED_WRONGLY,
    ExitCode.INTERRUPTED,
)


def error_line(error: BaseException) -> str:
    """Say in one line what went wrong and what to do."""
    return " ".join(_message(error).split())


def print_error(error: BaseException, *, debug: bool) -> None:
    """Write the error to stderr: one line, and before it the traceback if asked for."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    sys.stderr.write(f"farshore: {error_line(error)}\n")
    sys.stderr.flush()


def _message(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = "farshore" if context is None else context.command_path
        return f"{error.format_message().rstrip('.')}; see: {command} --help"
    if isinstance(error, (FarshoreError, InternalError)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the system'}: {error.strerror}"
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller film, no --upscale, or fewer queue frames"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{InternalError(what)}; --debug shows the traceback"
