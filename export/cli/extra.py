"""The packages of the `export` extra, which listing and fetching do without."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from engine.errors import MissingExtraError

PACKAGES = ("torch", "onnx", "onnxscript", "safetensors")


def missing_package() -> str | None:
    """Return the first package of the extra that is not installed, None where all are."""
    return next((package for package in PACKAGES if find_spec(package) is None), None)


@contextmanager
def export_extra() -> Generator[None]:
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
        if package not in PACKAGES:
            raise
        raise MissingExtraError(package, "export") from error
