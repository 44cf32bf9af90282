"""Packages that come with extras of the distribution, which the rest of the program does without."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from engine.errors import MissingExtraError

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "calib": ("onnx", "onnxruntime"),
    "export": ("torch", "onnx", "onnxscript", "safetensors"),
}
"""Extra → what it brings, as `pyproject.toml` lists it, by the names that are imported."""


def missing_package(extra: str) -> str | None:
    """Return the first package of an extra that is not installed, None where all are."""
    return next((package for package in PACKAGES[extra] if find_spec(package) is None), None)


@contextmanager
def needs(extra: str) -> Generator[None]:
    """Name the extra where an import within fails for want of one of its packages.

    Raises
    ------
    MissingExtraError
        A package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES[extra]:
            raise
        raise MissingExtraError(package, extra) from error
