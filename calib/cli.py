"""`farshore calibrate`, `compare-models` and `compare-tables`. Cheap: importing this imports no ONNX."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich import box
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table as RichTable

from engine.cli import console, options
from engine.config_file import load_settings
from engine.errors import ConfigError
from engine.extras import needs
from engine.model import find_model
from engine.places import models_folder

if TYPE_CHECKING:
    from calib.options import Report

STEPS = {
    "look": "look at the footage",
    "run": "run the chain",
    "collect": "collect ranges",
    "ranges": "try methods",
    "mix": "try methods tensor by tensor",
    "correct": "correct biases",
    "search": "measure the loss",
}
"""What is told of → words for it, in the order in which they come."""

EXAMPLES = (
    "Examples: farshore calibrate film-restore --footage reel1.mp4 reel2.mp4 -o film-restore.int8.onnx; "
    "farshore restore film.mp4 out.mp4 --enhance-model film-restore.int8.onnx"
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("calibrate", epilog=EXAMPLES)(calibrate)
    app.command("compare-models")(compare_models)
    app.command("compare-tables")(compare_tables)


def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A built-in or installed model, or an ONNX file.")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILM]...", help="More footage.", show_default=False)
    ] = None,
    footage: Annotated[
        list[Path] | None,
        typer.Option("--footage", "-f", metavar="FILM", help="A film like those to be restored; again for more."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The .onnx file; unless given, NAME.int8.onnx among installed models.",
        ),
    ] = None,
    form: Annotated[
        Literal["cpu", "tensorrt", "fp8"],
        typer.Option(
            help="cpu runs fast in ONNX Runtime on a processor; tensorrt and fp8 (Ada, Hopper, Blackwell) in TensorRT "
            "and TensorRT for RTX."
        ),
    ] = "cpu",
    frames: Annotated[int, typer.Option(metavar="N", help="Pictures to collect ranges from, over all films.")] = 48,
    held_apart: Annotated[
        int, typer.Option(metavar="N", help="Pictures from the films' ends on which the loss is measured.")
    ] = 12,
    method: Annotated[
        Literal["auto", "minmax", "percentile", "entropy", "mse"],
        typer.Option(help="How ranges are chosen; auto takes for each tensor the one that loses least."),
    ] = "auto",
    max_loss: Annotated[
        float | None,
        typer.Option(
            metavar="LOSS",
            help="At most, against the float32 model: dB, for colour CIEDE2000. Unless given, 0.1 or 0.3.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ranges of an earlier calibration of this model (NAME.table.json)."),
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="What an ONNX file without metadata is for, such as enhance.")
    ] = None,
    only_to_bound: Annotated[
        bool, typer.Option("--only-to-bound", metavar="", help="Measure no more models than the bound needs.")
    ] = False,
    references: options.References = None,
    preset: options.Preset = None,
    config: options.Config = None,
    threads: Annotated[int, typer.Option(metavar="N", help="Processor cores to use.")] = 1,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Make an 8-bit model from footage of your own, with a measured and bounded loss.

    Beside the model lie its table of ranges (.table.json), a report (.report.json) and a picture of loss and speed
    against layers kept in float32 (.report.png).
    """
    console.start_logging(debug=debug, quiet=quiet)
    films = [*(footage or []), *(more or [])]
    if not films:
        raise ConfigError("calibrate: got no footage; give a film with --footage")
    with needs("calib"):
        from calib import calibrate as work  # late: brings ONNX
        from calib import report as shown
        from calib import table as tables
    settings = load_settings(config=config, preset_name=preset)
    if references:
        settings = replace(settings, colorize=replace(settings.colorize, references=tuple(references)))
    source = find_model(model, role)
    path = output or models_folder() / f"{source.card.name}.{'fp8' if form == 'fp8' else 'int8'}.onnx"
    _check(path)
    wanted = work.Options(
        form=form,
        frames=frames,
        held_apart=held_apart,
        method=method,
        max_loss=max_loss,
        threads=threads,
        whole_curve=not only_to_bound,
    )
    with _Steps(quiet=quiet or as_json) as steps:
        report = work.calibrate(source, films, path, wanted, settings=settings, table=table, on_step=steps)
    tables.save(report.table, path.with_suffix(".table.json"))
    shown.write_json(report, path.with_suffix(".report.json"))
    shown.write_picture(report, path.with_suffix(".report.png"))
    if as_json:
        console.print_json(shown.to_json(report))
    elif not quiet:
        _print(report)


def compare_models(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The float32 model: built-in, installed, or a file.")],
    others: Annotated[list[str], typer.Argument(metavar="OTHER...", help="Models that were made of it.")],
    footage: Annotated[
        list[Path], typer.Option("--footage", "-f", metavar="FILM", help="A film to compare on; again for more.")
    ],
    held_apart: Annotated[
        int, typer.Option(metavar="N", help="Pictures from the films' ends, as calibrate keeps them apart.")
    ] = 12,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="What ONNX files without metadata are for, such as enhance.")
    ] = None,
    references: options.References = None,
    preset: options.Preset = None,
    config: options.Config = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure what models in 16 or 8 bits lose against the float32 one on footage, and how long a run takes.

    Time is of the processor, on one core, in ONNX Runtime; loss is what calibrate bounds.
    """
    console.start_logging(debug=debug, quiet=quiet)
    with needs("calib"):
        from calib import measure as work
    settings = load_settings(config=config, preset_name=preset)
    if references:
        settings = replace(settings, colorize=replace(settings.colorize, references=tuple(references)))
    models = [find_model(name, role) for name in (model, *others)]
    with _Steps(quiet=quiet or as_json) as steps:
        found = work.measure(models[0], models[1:], footage, pictures=held_apart, settings=settings, on_step=steps)
    if as_json:
        console.print_json([item.to_json() for item in found])
        return
    if quiet:
        return
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("file", "precision", "MB", f"loss {found[0].loss.unit}", "worst picture", "ms, one core", "× FP32"):
        shown.add_column(header, justify="left" if header in ("file", "precision") else "right", no_wrap=True)
    for item in found:
        shown.add_row(
            item.model.path.name,
            item.model.card.precision,
            f"{len(item.model.data) / 1e6:.2f}",
            f"{item.loss.value:.4f}",
            f"{item.loss.worst:.4f}",
            f"{item.milliseconds:.1f}",
            f"{found[0].milliseconds / item.milliseconds:.2f}",
        )
    console.print_table(console.results, shown)


def compare_tables(
    one: Annotated[Path, typer.Argument(metavar="TABLE", help="A .table.json file.")],
    other: Annotated[Path, typer.Argument(metavar="TABLE", help="Another of the same model.")],
    as_json: options.Json = False,
) -> None:
    """Show how two calibrations of one model differ, tensor by tensor, the most different first."""
    with needs("calib"):
        from calib import table as tables
    found = tables.compare(tables.load(one), tables.load(other))
    if as_json:
        console.print_json(
            [{"tensor": item.tensor, "low": item.low, "high": item.high, "overlap": item.overlap} for item in found]
        )
        return
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("tensor")
    for header in ("range", "range of the other", "alike"):
        shown.add_column(header, justify="right")
    for item in found:
        ranges = [f"{low:.4g} … {high:.4g}" for low, high in zip(item.low, item.high, strict=True)]
        shown.add_row(item.tensor, *ranges, f"{item.overlap:.0%}")
    console.print_table(console.results, shown)


def _check(output: Path) -> None:
    if output.suffix != ".onnx":
        raise ConfigError(f"--output {output}: wanted a name that ends in .onnx")
    output.parent.mkdir(parents=True, exist_ok=True) if output.parent == models_folder() else None
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: folder {output.parent} is not there; make it, or choose another")


def _print(report: Report) -> None:
    from calib import report as shown

    console.print_table(console.results, shown.table(report))
    console.results.print(shown.summary(report))


class _Steps:
    """Shows what is being done: a live line on a terminal, a line for each step elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._is_quiet = quiet
        self._step = ""
        self._bar: Progress | None = None
        if not quiet and console.remarks.is_terminal:
            columns = (TextColumn("{task.description:<22}"), BarColumn(), TextColumn("{task.fields[count]}"))
            self._bar = Progress(*columns, console=console.remarks, transient=True)
            self._task = self._bar.add_task("", total=None, count="")

    def __enter__(self) -> _Steps:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show how far a step is."""
        words = STEPS.get(what, what)
        count = str(done) if total is None else f"{done} of {total}"
        if self._bar is not None:
            self._bar.update(self._task, description=words, completed=done, total=total, count=count)
        elif not self._is_quiet and what != self._step:
            sys.stderr.write(f"farshore: {words}\n")
            sys.stderr.flush()
        self._step = what
