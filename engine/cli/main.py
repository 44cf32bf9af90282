"""The `farshore` command: its parts, and the one place where errors become a line and an exit code."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from engine.cli import demo, doctor, info, models, plan, restore
from engine.cli.console import Invocation
from engine.cli.outcome import ExitCode, exit_code, print_error
from engine.cli.plugins import add_commands

app = typer.Typer(
    name="farshore",
    help="Restore historical film while it plays.",
    epilog="Exit codes: 0 done, 1 failed, 2 asked wrongly, 3 done but with losses, 130 stopped (--resume goes on).",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=restore.EXAMPLES)(restore.restore)
app.command()(demo.demo)
app.command()(info.info)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")
add_commands(app)


def _print_version(value: bool) -> None:
    if value:
        from engine.job import farshore_version  # late: brings the whole engine, which --help does not need

        sys.stdout.write(f"farshore {farshore_version()}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _farshore(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        context.get_help()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : without the program's name; None takes those of the process
    """
    invocation = Invocation(arguments=list(sys.argv[1:] if arguments is None else arguments))
    try:
        code = app(args=invocation.arguments, prog_name="farshore", standalone_mode=False, obj=invocation)
    except BaseException as error:  # the edge of the program: every error becomes a line and an exit code here
        if isinstance(error, SystemExit):
            raise
        print_error(error, debug=invocation.debug)
        return exit_code(error)
    if code == ExitCode.INTERRUPTED:  # typer makes a code of Ctrl-C, and says nothing
        print_error(KeyboardInterrupt(), debug=False)
    return int(code or ExitCode.DONE)


def run() -> None:
    """Entry point of the installed `farshore` command."""
    sys.exit(main())


if __name__ == "__main__":
    run()
