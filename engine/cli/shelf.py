"""What `farshore models` shows besides models that are here: models that another room can bring.

A room that can hands `add_shelf` an object of this shape from the function that its entry point names
(`engine/cli/plugins.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model that can be had.

    name : under which it will be installed
    role : one of `engine.model.ROLES`
    state : where it stands, such as "not fetched"
    licence, commercial_use : of its weights
    size_bytes : of the files that it is made of, None where unknown
    facts : what else there is to tell, plain values in the order of showing
    """

    name: str
    role: str
    state: str
    licence: str
    commercial_use: str
    size_bytes: int | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether something is whole.

    name : of a model, or of a file that models are made of
    sha256 : of the file, hexadecimal; None where it cannot be read or is not as it should be
    reason : what is wrong, empty where nothing is
    """

    name: str
    sha256: str | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {"name": self.name, "whole": not self.reason, "sha256": self.sha256, "reason": self.reason or None}


class Shelf(Protocol):
    """Models that a room can bring."""

    def offers(self) -> Sequence[Offer]:
        """Return every model, whether anything of it is here or not."""
        ...

    def check(self, name: str | None) -> Sequence[Check]:
        """Check the files of one model, or (None) of every model that has files here."""
        ...


_shelves: dict[str, Shelf] = {}


def add_shelf(name: str, shelf: Shelf) -> None:
    """Let `farshore models` show what a room can bring; a second shelf of the same name replaces the first."""
    _shelves[name] = shelf


def offers() -> dict[str, Offer]:
    """Return what all rooms can bring, by name."""
    return {offer.name: offer for shelf in _shelves.values() for offer in shelf.offers()}


def checks(name: str | None) -> list[Check]:
    """Return what all rooms find of the files of a model that they offer, or (None) of all files that are here."""
    return [check for shelf in _shelves.values() for check in shelf.check(name)]
