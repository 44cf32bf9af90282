"""Compiles kernels for GPUs with NVRTC, and keeps what was compiled. Needs no GPU and no driver."""

import logging
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kernels.catalogue import Element, source_text

ARCHITECTURES = ("sm_75", "sm_86", "sm_87", "sm_89", "sm_90", "sm_110", "sm_120")
"""What the project is tested for: Turing, Ampere, Orin, Ada, Hopper, Thor, Blackwell."""

CACHE_BYTES = 64 << 20
"""Most that a cache folder may hold; all kernels for one architecture take under 1 MiB."""


_log = logging.getLogger(__name__)


class CompileError(Exception):
    """A kernel could not be compiled; the message holds the compiler's own words."""


def compile_source(source: str, element: Element, architecture: str, *, folder: Path | None = None) -> Any:
    """Return the `cuda.core.ObjectCode` of all kernels of a source.

    Parameters
    ----------
    source : stem of a file in `kernels.catalogue.SOURCES`
    element : what `real` is in memory
    architecture : such as ``sm_89``
    folder : of what was compiled before, looked up by content, options and compiler; None: compile anew. One that
        cannot be used is warned of once, and the source is compiled anew: nothing but time is lost

    Raises
    ------
    CompileError
        The compiler is not installed, or refuses the source.
    """
    try:
        cuda: Any = import_module("cuda.core")
        utils: Any = import_module("cuda.core.utils")
    except ImportError as error:
        raise CompileError(f"kernels: {error}; install the extra that fits the machine: gpu, rtx or jetson") from error
    options = cuda.ProgramOptions(name=f"{source}.cu", std="c++17", arch=architecture, define_macro=_macros(element))
    try:
        program = cuda.Program(source_text(source), "c++", options=options)
        if folder is not None:
            try:
                with utils.FileStreamProgramCache(folder, max_size_bytes=CACHE_BYTES) as kept:
                    return program.compile("cubin", cache=kept)
            except OSError as error:
                _warn(folder, error.strerror or str(error))
        return program.compile("cubin")
    except Exception as error:  # the bindings' errors share no public base; all are mapped here, none is kept back
        raise CompileError(f"kernels: {source}.cu for {architecture}: {error}") from error


@cache
def _warn(folder: Path, reason: str) -> None:
    """Say once that a folder keeps nothing."""
    _log.warning("kernels %s: not kept: %s; they will be compiled at each start", folder, reason)


def _macros(element: Element) -> Sequence[tuple[str, str]]:
    return [("REAL_IS_HALF", str(int(element == "float16")))]
