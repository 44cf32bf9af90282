"""`farshore models import`: a file that somebody has, taken in without running anything of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli import console, options
from engine.extras import needs
from engine.places import checkpoints_folder
from export.checkpoints.store import Store
from export.cli.terms import terms_line


def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Weights (.pth, .pkl, .safetensors, .zip), or a model (.onnx).")
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which network it is, where tensors cannot tell; or a name for the model."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Import a file: find out from its tensors what it is, and keep it under that name.

    Nothing in the file is run: of a pickle, tensors alone are read, and a file that asks for more is refused.
    """
    console.start_logging(debug=debug)
    facts = _import_model(file, name) if file.suffix.lower() == ".onnx" else _import_weights(file, name)
    if as_json:
        console.print_json(facts)
        return
    where, then = ("weights", f"next: farshore export {facts['name']}") if "family" in facts else ("model", "ready")
    family = f"network of the family {facts['family']}" if "family" in facts else f"model for the role {facts['role']}"
    console.results.print(f"{facts['name']}: {family}; {where} in {facts['path']}; {then}")
    console.results.print("  " + terms_line(facts["licence"], facts["commercial_use"], facts["source"]))


def _import_weights(file: Path, name: str | None) -> dict[str, Any]:
    with needs("export"):
        from export.checkpoints.weights import import_checkpoint  # late: brings torch
    imported = import_checkpoint(file, Store(checkpoints_folder()), name=name)
    terms = imported.terms
    return {
        "name": imported.network,
        "family": imported.family,
        "path": imported.path,
        "licence": terms.licence,
        "commercial_use": terms.commercial_use,
        "source": terms.source,
    }


def _import_model(file: Path, name: str | None) -> dict[str, Any]:
    with needs("export"):
        from export.onnx.adopt import install_model  # late: brings torch
    model = install_model(file, name=name)
    card = model.card
    return {
        "name": model.path.stem,
        "role": card.role,
        "path": model.path,
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "source": card.source,
    }
