"""`farshore export`: a published network as a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli import console, options
from engine.errors import ConfigError
from engine.extras import needs
from engine.places import checkpoints_folder, models_folder
from export.checkpoints.published import PUBLISHED, find_published
from export.checkpoints.store import Store
from export.cli.progress import Steps, progress_view
from export.cli.terms import terms_line

if TYPE_CHECKING:
    from export.onnx.published import Exported


def _complete(incomplete: str) -> list[tuple[str, str]]:
    return [(name, model.role) for name, model in PUBLISHED.items() if name.startswith(incomplete)]


def export_model(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", autocompletion=_complete, help="A published model of `farshore models list`."),
    ],
    precision: Annotated[
        Literal["fp32", "fp16"],
        typer.Option(help="fp16 halves the file; what position or range needs stays float32 in it."),
    ] = "fp32",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The .onnx file; unless given, NAME.onnx or NAME-fp16.onnx among the installed models.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Export a published network as an ONNX model, compared with PyTorch before it gets its name.

    Its weights must be here: `farshore models fetch NAME`, or `farshore models import FILE`. A model that is there
    already is replaced.
    """
    console.start_logging(debug=debug, quiet=quiet)
    find_published(name)
    _check(output)
    with needs("export"):
        from export.onnx.published import export_model as make  # late: brings torch
    with progress_view(as_json=as_json, quiet=quiet) as view:
        made = make(name, Store(checkpoints_folder()), precision=precision, path=output, on_step=Steps(view, name))
    if as_json:
        console.print_json([model.to_json() for model in made])
    elif not quiet:
        _print(made)


def _check(output: Path | None) -> None:
    if output is None:
        return
    if output.suffix != ".onnx":
        raise ConfigError(f"--output {output}: wanted a name that ends in .onnx")
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: folder {output.parent} is not there; make it, or choose another")


def _print(made: tuple[Exported, ...]) -> None:
    for model in made:
        facts = f"{model.precision}, {model.nodes} nodes, {model.size_bytes / 1e6:.1f} MB"
        console.results.print(f"{model.name}: {facts}{_compared(model)}, in {model.seconds:.1f} s: {model.path}")
        console.results.print(f"  TensorRT for RTX: {model.engine}")
    terms = made[0].terms
    console.results.print("  " + terms_line(terms.licence, terms.commercial_use, terms.source))
    if len(made) > 1 and made[0].path.parent != models_folder():
        console.remarks.print(
            f"{made[0].name} looks for {made[1].name} among the installed models: farshore models import {made[1].path}"
        )


def _compared(model: Exported) -> str:
    if model.difference is None:
        return ""
    which = "" if model.precision == "fp32" else "its fp32 form "
    return f", {which}within {model.difference:.0e} of PyTorch"
