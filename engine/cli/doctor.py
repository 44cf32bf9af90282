"""`farshore doctor`: whether this machine can run farshore, and what to do where it cannot."""

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.doctor.finding import Verdict

SCHEMA = "farshore.doctor/1"
_WIDTH = 23


def doctor(as_json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False) -> int:
    """Look whether this machine can run farshore: each line good, bad with its cure, or not applicable.

    Everything is tried, not only looked up: providers and codecs run, folders are written to. Exit code 1 where
    anything is bad.
    """
    console.start_logging(debug=debug, quiet=quiet)
    from engine.doctor.run import examine

    found: list[dict[str, str | None]] = []
    counts = dict.fromkeys(Verdict, 0)
    last = ""
    for group, finding in examine():
        counts[finding.verdict] += 1
        found.append({"group": group, **finding.to_json()})
        if as_json or (quiet and finding.verdict is not Verdict.BAD):
            continue
        if group != last and not quiet:
            console.results.print(f"{'' if not last else chr(10)}{group}")
            last = group
        console.results.print(f"  {finding.verdict:<15}{finding.subject:<{_WIDTH}} {finding.detail}")
        if finding.cure:
            console.results.print(f"  {'':<15}{'':<{_WIDTH}} → {finding.cure}")
    code = ExitCode.FAILED if counts[Verdict.BAD] else ExitCode.DONE
    if as_json:
        console.print_json({"schema": SCHEMA, "healthy": not counts[Verdict.BAD], "findings": found})
    elif not quiet:
        console.results.print(
            f"\n{counts[Verdict.GOOD]} good, {counts[Verdict.BAD]} bad, {counts[Verdict.NOT_APPLICABLE]} not applicable"
        )
    return code
