"""Terms of published weights: shown, and agreed to once."""

import sys
from collections.abc import Iterable, Sequence

from engine.cli.console import remarks
from engine.errors import ConfigError, ModelError
from export.checkpoints.catalogue import Checkpoint
from export.checkpoints.store import Store

COMMERCIAL_USE = {
    "yes": "yes",
    "no": "no",
    "ask": "ask: terms of third parties or of training data apply, which a lawyer must judge",
}
"""What the catalogue's words mean, for people. Its reading for museums and broadcasters; no legal advice."""


def terms_line(licence: str, commercial_use: str, source: str) -> str:
    """Return the terms of weights in one line."""
    if licence == "unknown":
        return f"licence unknown: not a file that farshore knows; ask whoever gave it to you; from {source}"
    return f"licence {licence}; commercial use {COMMERCIAL_USE[commercial_use]}; from {source}"


def agree(checkpoints: Sequence[Checkpoint], store: Store, *, accepted: bool, quiet: bool) -> None:
    """Show the terms of files, and have them accepted where they were not; what was accepted is noted in the store.

    Raises
    ------
    ModelError
        Somebody was asked and said no.
    ConfigError
        Nobody can be asked.
    """
    new = [checkpoint for checkpoint in checkpoints if not store.has_accepted(checkpoint)]
    if not quiet or (new and not accepted):
        for line in _lines(checkpoints):
            remarks.print(line)
    if not new:
        return
    names = ", ".join(checkpoint.name for checkpoint in new)
    if not accepted and not sys.stdin.isatty():
        raise ConfigError(
            f"models fetch: the terms of {names} were not accepted, and nobody can be asked here; read them and add "
            "--accept-licence"
        )
    if not accepted and not _ask():
        raise ModelError(f"models fetch: the terms of {names} were not accepted; nothing was fetched")
    for checkpoint in new:
        store.accept(checkpoint)


def _lines(checkpoints: Iterable[Checkpoint]) -> Iterable[str]:
    """Yield the terms, once for all files that share them."""
    by_terms: dict[tuple[str, str], list[str]] = {}
    for checkpoint in checkpoints:
        by_terms.setdefault((checkpoint.licence, checkpoint.commercial_use), []).append(checkpoint.name)
    for (licence, commercial_use), names in by_terms.items():
        yield ", ".join(names)
        yield f"  licence         {licence}"
        yield f"  commercial use  {COMMERCIAL_USE[commercial_use]}"


def _ask() -> bool:
    try:
        answer = remarks.input("Accept these terms? [y/N] ", markup=False)
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
