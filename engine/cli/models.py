"""`farshore models`: which models there are and what each says of itself."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.errors import ModelError
from engine.model import Model, builtin_models

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Show the models: what they do, their licences, whether they are whole. Alone, list the built-in ones."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)


@app.command("list")
def list_models(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """List the built-in models."""
    found = [Model.load(path) for path in builtin_models().values()]
    if as_json:
        console.print_json([_facts(model) for model in found])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("name", "version", "role", "precision", "size", "licence", "commercial use", "sha256"):
        table.add_column(header, justify="right" if header == "size" else "left", no_wrap=True)
    for model in found:
        card = model.card
        table.add_row(
            card.name,
            card.version,
            card.role,
            card.precision,
            _size(len(model.data)),
            card.licence,
            card.commercial_use,
            model.sha256[:12],
        )
    console.print_table(console.results, table)


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A built-in model, or any ONNX file.")],
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="What to use the file as, where it does not say so itself.")
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show everything a model says of itself."""
    model = _find(name, role)
    if as_json:
        console.print_json(_facts(model))
        return
    for key, value in _facts(model).items():
        if isinstance(value, dict):
            for inner, text in value.items():  # pyright: ignore[reportUnknownVariableType]
                console.results.print(f"{key + ' ' + str(inner):<28}{text}")
        elif value not in (None, "", [], ()):
            console.results.print(f"{key:<28}{value}")
    _print_card_page(model)


@app.command("verify")
def verify_models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help="All built-in models unless given.")
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check that models are whole: readable, and with metadata that keep to the contract."""
    checks: list[dict[str, Any]] = []
    for name in names or builtin_models():
        try:
            model = _find(name, None)
        except ModelError as error:
            checks.append({"name": name, "whole": False, "sha256": None, "reason": str(error)})
        else:
            checks.append({"name": name, "whole": True, "sha256": model.sha256, "reason": None})
    if as_json:
        console.print_json(checks)
    else:
        for check in checks:
            console.results.print(f"{check['name']}: {check['reason'] or 'whole, sha256 ' + check['sha256']}")
    if not all(check["whole"] for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def _find(name: str, role: str | None) -> Model:
    """Load a built-in model by name or any file by path, whatever its role."""
    builtin = builtin_models()
    if name not in builtin and Path(name).suffix != ".onnx" and not Path(name).exists():
        raise ModelError(f"model {name!r}: not built in and no such file; built in are {', '.join(builtin)}")
    return Model.load(builtin.get(name, Path(name)), role=role)


def _facts(model: Model) -> dict[str, Any]:
    """Return what is known of a model, as plain values in a fixed order."""
    card = dataclasses.asdict(model.card)
    tensors = {
        kind: {name: f"{_shape(spec.shape)} {spec.dtype}" for name, spec in specs.items()}
        for kind, specs in (("input", model.inputs), ("output", model.outputs))
    }
    return {**card, "file": str(model.path), "size_bytes": len(model.data), "sha256": model.sha256, **tensors}


def _print_card_page(model: Model) -> None:
    page = model.path.with_suffix(".md")
    if page.is_file():
        console.results.print(f"\n{page.read_text(encoding='utf-8').strip()}")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "scalar"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
