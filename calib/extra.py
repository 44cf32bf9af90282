"""The packages of the `calib` extra, which the rest of the program does without."""

from collections.abc import Generator
from contextlib import contextmanager

from engine.errors import MissingExtraError

PACKAGES = ("onnx", "onnxruntime")


@contextmanager
def calib_extra() -> Generator[None]:
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
        raise MissingExtraError(package, "calib") from error
