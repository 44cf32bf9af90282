"""`farshore bench stages`, `farshore bench chain`, `farshore bench compare`.

Cheap to import: the work is imported when a command runs.
"""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bench.latency.case import Kind

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        "--model",
        metavar="NAME|FILE",
        help="Models instead of built-in ones, each for its role; repeatable.",
    ),
]
Size = Annotated[list[str] | None, typer.Option(metavar="WxH", help="Of the film; 640x480 unless given; repeatable.")]
Precision = Annotated[
    list[str] | None,
    typer.Option(metavar="fp32|fp16|int8", help="Of the built-in models; fp32 unless given; repeatable."),
]
Backend = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="onnxruntime unless given; on a GPU, of bench chain, tensorrt or cuda; null computes nothing; repeatable.",
    ),
]
Rate = Annotated[
    str, typer.Option(metavar="RATE", help="Frames a second of the film: what a frame's time is held against.")
]
Interpolate = Annotated[str, typer.Option(metavar="RATE|FACTOR|none", help="As of farshore restore.")]
Upscale = Annotated[int, typer.Option(metavar="1..4", help="As of farshore restore.")]
Threads = Annotated[int, typer.Option(metavar="N", help="Processor cores to use; 0 is all.")]
Seconds = Annotated[float, typer.Option(metavar="N", help="Measured time of each run.")]
WarmUp = Annotated[float, typer.Option(metavar="N", help="Seconds of each run before measuring.")]
Repeat = Annotated[int, typer.Option(metavar="N", help="Runs of each case, by turns with the other cases.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write every figure of every run as JSON; - is stdout.")
]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots; one file, opens anywhere.")
]
Append = Annotated[
    bool,
    typer.Option(
        "--append", metavar="", help="Add the runs to those in the JSON file: to measure two builds by turns."
    ),
]
BenchTrace = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the first run as a Chrome trace; ui.perfetto.dev shows it."),
]


def stages(
    models: Models = None,
    size: Size = None,
    precision: Precision = None,
    backend: Backend = None,
    rate: Rate = "24",
    interpolate: Interpolate = "2x",
    upscale: Upscale = 1,
    threads: Threads = 0,
    seconds: Seconds = 5.0,
    warm_up: WarmUp = 2.0,
    repeat: Repeat = 3,
    json_file: JsonFile = None,
    append: Append = False,
    html: HtmlFile = None,
    trace: BenchTrace = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Measure each stage by itself: how long it works on a frame while nothing runs beside it.

    The film is drawn and aged by the bench. Each run is a process of its own.
    """
    return _measure("stages", **locals())


def chain(
    models: Models = None,
    size: Size = None,
    precision: Precision = None,
    backend: Backend = None,
    rate: Rate = "24",
    interpolate: Interpolate = "2x",
    upscale: Upscale = 1,
    threads: Threads = 0,
    queue_frames: Annotated[int, typer.Option(metavar="N", help="Frames that may wait between two stages.")] = 4,
    live: Annotated[
        bool,
        typer.Option(
            "--live", metavar="", help="Let frames come at the film's rate, as a signal's do: what delay is left."
        ),
    ] = False,
    seconds: Seconds = 5.0,
    warm_up: WarmUp = 2.0,
    repeat: Repeat = 3,
    json_file: JsonFile = None,
    append: Append = False,
    html: HtmlFile = None,
    trace: BenchTrace = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Measure the whole chain as a film runs through it: rate, delay, and where frames wait.

    The film is drawn and aged by the bench and read as fast as the chain takes it, or with --live at its own rate. Each
    run is a process of its own.
    """
    return _measure("chain", **locals())


def compare(
    before: Annotated[Path, typer.Argument(metavar="A.json", help="Written by bench stages or chain --json.")],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="Likewise, of the other build.")],
    smallest: Annotated[
        float, typer.Option("--smallest", metavar="PERCENT", help="Slow-downs below this are not told.")
    ] = 2.0,
    false_alarms: Annotated[
        float, typer.Option(metavar="PERCENT", help="How often equal builds may be called slower.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Result as one JSON object on stdout.")] = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Tell whether B is slower than A, with intervals from the scatter of the runs.

    Exit code 1: something became slower; 0: nothing was shown to.
    """
    console.start_logging(debug=debug, quiet=quiet)
    from dataclasses import asdict

    from bench.latency import compare as comparing
    from bench.latency.schema import read_result
    from bench.latency.tables import change_table

    changes = comparing.compare(
        read_result(before), read_result(after), false_alarms=false_alarms / 100, smallest=smallest / 100
    )
    slower = [change for change in changes if change.verdict == "slower"]
    if as_json:
        console.print_json({"slower": len(slower), "changes": [asdict(change) for change in changes]})
    elif not quiet:
        console.print_table(console.results, change_table(changes))
        told = ", ".join(f"{change.case} {change.what}" for change in slower)
        console.results.print(f"slower: {told}" if slower else "nothing was shown to be slower")
    return ExitCode.FAILED if slower else ExitCode.DONE


class _Output:
    """Where results go; asked before the work."""

    def __init__(
        self, *, json_file: Path | None, html: Path | None, trace: Path | None, append: bool, quiet: bool, debug: bool
    ) -> None:
        console.start_logging(debug=debug, quiet=quiet)
        self.json_file, self.html, self.quiet = json_file, html, quiet
        self.is_stdout = json_file is not None and str(json_file) == "-"
        for option, path in (("--json", json_file), ("--html", html), ("--trace", trace)):
            if path is not None and str(path) != "-" and not path.parent.is_dir():
                raise ConfigError(f"{option} {path}: no such folder {path.parent}; make it first")
        if append and (json_file is None or self.is_stdout):
            raise ConfigError("--append: got no file; wanted --json FILE")

    def write(self, result: dict[str, Any]) -> None:
        """Write what was asked for."""
        if self.is_stdout:
            console.print_json(result)
        elif self.json_file is not None:
            _replace(self.json_file, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        if self.html is not None:
            from bench.latency.html import report

            _replace(self.html, report(result))
        if not self.quiet and not self.is_stdout:
            _print(result)


def _measure(
    kind: "Kind",
    *,
    size: list[str] | None,
    precision: list[str] | None,
    backend: list[str] | None,
    models: list[str] | None,
    repeat: int,
    json_file: Path | None,
    append: bool,
    html: Path | None,
    trace: Path | None,
    quiet: bool,
    debug: bool,
    **asked: Any,
) -> int:
    """Carry out `stages` or `chain`: given their parameters, of which `asked` are those of every case as they are."""
    out = _Output(json_file=json_file, html=html, trace=trace, append=append, quiet=quiet, debug=debug)
    from bench.latency import run
    from bench.latency.case import cases
    from bench.latency.schema import read_result

    found = cases(
        kind,
        sizes=size or ["640x480"],
        precisions=precision or ["fp32"],
        backends=backend or ["onnxruntime"],
        models=tuple(models or ()),
        **asked,
    )
    earlier = read_result(json_file) if append and json_file and json_file.exists() else None
    with progress(quiet=quiet) as tell:
        result = run.measure(found, repeat=repeat, tell=tell, trace=trace)
    out.write(result if earlier is None else run.append(earlier, result))
    failures = sum(each["failures"] for case in result["cases"] for each in case["runs"])
    return ExitCode.DONE_WITH_LOSSES if failures else ExitCode.DONE


def _print(result: dict[str, Any]) -> None:
    from bench.latency.head import head_lines
    from bench.latency.tables import model_table, stage_table, summary_lines

    out = console.results
    for line in head_lines(result["head"]):
        out.print(line)
    for case in result["cases"]:
        out.print()
        for line in summary_lines(case):
            out.print(line)
        for model in case["models"]:
            out.print(
                f"{model['role']}: {model['name']} {model['version']} {model['precision']}, sha256 {model['sha256']}"
            )
        console.print_table(out, stage_table(case))
        if case["costs"]:
            console.print_table(out, model_table(case))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def progress(*, quiet: bool) -> "Generator[Callable[[str], None]]":
    """Show what is being measured: a live line on a terminal, lines with the time since the start elsewhere."""
    start = time.monotonic()
    if quiet:
        yield lambda text: None
    elif console.remarks.is_terminal:
        with console.remarks.status("starting") as status:
            yield lambda text: status.update(f"{time.monotonic() - start:5.0f} s  {text}")
    else:
        yield lambda text: console.remarks.print(f"{time.monotonic() - start:5.0f} s  {text}")
