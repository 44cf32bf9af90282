"""`farshore models fetch`: published weights, from their homes to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from engine.cli import console, options
from engine.errors import ConfigError, Interrupted, ModelError
from engine.extras import missing_package, needs
from engine.places import checkpoints_folder
from export.checkpoints.catalogue import Checkpoint, find_checkpoints
from export.checkpoints.published import PUBLISHED, cure
from export.checkpoints.store import Store
from export.cli.progress import Transfer, View, progress_view
from export.cli.terms import agree

if TYPE_CHECKING:
    from export.checkpoints.fetch import Fetched


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Published models of `farshore models list`.", show_default=False),
    ],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", metavar="", help="Accept the terms without being asked, for scripts.")
    ] = False,
    mirror: Annotated[
        str, typer.Option(metavar="URL", help="Address of a folder with the files, asked before their homes.")
    ] = "",
    offline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with the files; the network is then never asked.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fetch published weights: show their terms, download, check the SHA-256, convert to safetensors.

    Files go to the folder of checkpoints in the user's data folder (FARSHORE_HOME moves it). A download that broke off
    goes on where it stopped. Proxies are those of the environment (https_proxy, no_proxy).
    """
    console.start_logging(debug=debug, quiet=quiet)
    _check_places(mirror, offline)
    store = Store(checkpoints_folder())
    networks = list(dict.fromkeys(PUBLISHED[name].network if name in PUBLISHED else name for name in names))
    files = {name: _files(name) for name in networks}
    agree([entry for entries in files.values() for entry in entries], store, accepted=accept_licence, quiet=quiet)
    package = missing_package("export")
    if package is not None and not quiet:
        console.remarks.print(
            f"warning: package {package!r} is not installed, so the files stay as they come; to convert them run: "
            "pip install 'farshore[export]'; then export"
        )
    results: list[dict[str, Any]] = []
    for name in networks:
        with progress_view(as_json=as_json, quiet=quiet) as view:
            fetched = [_fetch(entry, store, mirror, offline, view) for entry in files[name]]
        weights = _convert(name, store) if package is None and _is_network(name) else None
        results.append({"name": name, "weights": weights, "files": [_facts(file) for file in fetched]})
        if not as_json and not quiet:
            _print(name, fetched, weights)
    if as_json:
        console.print_json(results)


def _files(name: str) -> tuple[Checkpoint, ...]:
    if name in PUBLISHED and not PUBLISHED[name].checkpoints:
        raise ModelError(
            f"models fetch {name}: has no home with a stable address; get it from its authors: {cure(name)}"
        )
    return find_checkpoints(name)


def _fetch(checkpoint: Checkpoint, store: Store, mirror: str, offline: Path | None, view: View) -> Fetched:
    from export.checkpoints.fetch import fetch_checkpoint  # late: brings the web, which --help does not need

    progress = Transfer(view, checkpoint.name).progress
    try:
        return fetch_checkpoint(checkpoint, store, mirror=mirror, offline=offline, progress=progress)
    except KeyboardInterrupt:
        raise Interrupted("stopped; what came is kept, run it again") from None


def _convert(name: str, store: Store) -> Path:
    with needs("export"):
        from export.checkpoints.weights import convert_fetched  # late: brings torch
    return convert_fetched(name, store).path


def _is_network(name: str) -> bool:
    """Whether we have the network: of other files in the catalogue, and of YuNet, nothing is converted."""
    return name in PUBLISHED and PUBLISHED[name].role != "detect"


def _check_places(mirror: str, offline: Path | None) -> None:
    if mirror and offline is not None:
        raise ConfigError("models fetch: got --mirror and --offline; wanted one of them")
    if mirror and urlsplit(mirror).scheme not in ("http", "https"):
        raise ConfigError(f"--mirror {mirror}: wanted an http or https address; for a folder say --offline DIR")
    if offline is not None and not offline.is_dir():
        raise ConfigError(f"--offline {offline}: is no folder; wanted the one that holds the files")


def _facts(fetched: Fetched) -> dict[str, Any]:
    return {
        "name": fetched.checkpoint.name,
        "path": fetched.path,
        "size_bytes": fetched.path.stat().st_size,
        "sha256": fetched.sha256,
        "is_recorded": fetched.is_recorded,
        "source": fetched.source or None,
        "licence": fetched.checkpoint.licence,
        "commercial_use": fetched.checkpoint.commercial_use,
    }


def _print(name: str, fetched: list[Fetched], weights: Path | None) -> None:
    for file in fetched:
        came = f"from {file.source}" if file.source else "was here already"
        known = "recorded: nobody publishes one" if file.is_recorded else "as published"
        size = f"{file.path.stat().st_size / 1e6:.1f} MB"
        console.results.print(f"{file.checkpoint.name}: {size}, {came}; sha256 {file.sha256}, {known}")
    if name not in PUBLISHED:
        console.results.print(f"{name}: farshore has no network for it; the file is {fetched[0].path}")
        return
    where = f"weights in {weights}; " if weights is not None else ""
    console.results.print(f"{name}: {where}next: farshore export {name}")
