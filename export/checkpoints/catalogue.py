"""The catalogue: every published file that we know of, with its homes, terms and hash, read from ``catalogue.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from engine.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One published file; `catalogue.toml` explains the fields at its head.

    name : as its authors call it
    file : name of the file, or its path within the archive that the addresses lead to
    task : what it is for
    urls : its homes, official first
    network : the network of ours that it holds the weights of; empty where we do not run it
    part : beginning that its keys get there, where a network's weights come in several files
    size : bytes, None where unknown
    sha256 : hexadecimal, None where nobody publishes one
    licence, commercial_use : its terms
    """

    name: str
    file: str
    task: str
    urls: tuple[str, ...]
    licence: str
    commercial_use: Literal["yes", "no", "ask"]
    sha256_sources: tuple[str, ...] = ()
    network: str = ""
    part: str = ""
    size: int | None = None
    sha256: str | None = None
    paper: str = ""
    contract: str = ""
    notes: str = ""

    @property
    def folder(self) -> str:
        """Name of the folder in which a store keeps it: the name in lower case, digits and dashes."""
        kept = "".join(
            letter if letter.isalnum() or letter == "." else "-" for letter in self.name.lower().replace("+", "-plus-")
        )
        return "-".join(part for part in kept.split("-") if part)

    @property
    def archive(self) -> str:
        """Name of the archive in which the addresses keep it; empty where they lead to the file itself."""
        last = self.urls[0].split("?")[0].rsplit("/", 1)[-1]
        return last if last.endswith(".zip") and not self.file.endswith(".zip") else ""


@cache
def catalogue() -> tuple[Checkpoint, ...]:
    """Return every checkpoint, in the order of the file."""
    text = (resources.files("export.checkpoints") / "catalogue.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["checkpoint"]
    lists = ("urls", "sha256_sources")
    for entry in entries:
        entry.update({key: tuple(entry[key]) for key in lists})
    return tuple(Checkpoint(**entry) for entry in entries)


def find_checkpoints(name: str) -> tuple[Checkpoint, ...]:
    """Return the files of a network of ours (one, or several parts), or the one file of that name.

    Raises
    ------
    ModelError
        There is none; the message lists the networks.
    """
    found = tuple(entry for entry in catalogue() if entry.network == name)
    found = found or tuple(entry for entry in catalogue() if name.lower() in (entry.name.lower(), entry.folder))
    if not found:
        networks = dict.fromkeys(entry.network for entry in catalogue() if entry.network)
        raise ModelError(f"checkpoint {name!r}: not in the catalogue; networks are {', '.join(networks)}")
    return found


def known_file(sha256: str) -> Checkpoint | None:
    """Return the published file that has this hash."""
    return next((entry for entry in catalogue() if entry.sha256 == sha256), None)
