"""Objects of a stand-in for a library, behind a gate that lets through what the real library has."""

from typing import Any, Protocol


class Noting(Protocol):
    def note(self, kind: str, name: str) -> None:
        """Note that a name of a class is used; AttributeError where the real class lacks it."""
        ...


class Gate:
    """An object of the library: only names that its class has pass."""

    def __init__(self, library: Noting, kind: str, inner: Any) -> None:
        object.__setattr__(self, "_gate", (library, kind, inner))

    def __getattr__(self, name: str) -> Any:
        library, kind, inner = object.__getattribute__(self, "_gate")
        library.note(kind, name)
        return getattr(inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        library, kind, inner = object.__getattribute__(self, "_gate")
        library.note(kind, name)
        setattr(inner, name, value)


def inside(gate: Gate) -> Any:
    """Return what stands behind a gate."""
    return object.__getattribute__(gate, "_gate")[2]
