"""Where the room's commands join the `farshore` program. Cheap: importing this imports neither torch nor ONNX."""

import typer

from engine.cli import models
from engine.cli.shelf import add_shelf
from export.cli.build import build
from export.cli.export_model import export_model
from export.cli.fetch import fetch
from export.cli.import_file import import_file
from export.cli.shelf import PublishedShelf


def register(app: typer.Typer) -> None:
    """Add `export` and `build`, what `models` can do with published networks, and what it shows of them."""
    app.command("export")(export_model)
    app.command("build")(build)
    models.app.command("fetch")(fetch)
    models.app.command("import")(import_file)
    add_shelf("published", PublishedShelf())
