"""The TensorRT library that is installed: one Python API under three module names."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import ConfigError, MissingExtraError

Flavour = Literal["rtx", "tensorrt"]

MODULES: dict[str, Flavour] = {
    "tensorrt_rtx_bindings": "rtx",
    "tensorrt_rtx": "rtx",
    "tensorrt": "tensorrt",
}
"""Modules in the order in which they are looked for, and what each is. `tensorrt_rtx` only hands the first one on."""

TITLES: dict[Flavour, str] = {"rtx": "TensorRT for RTX", "tensorrt": "TensorRT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A TensorRT library, imported.

    module : it
    name : of the module
    flavour : ``rtx`` builds ahead of time for named consumer GPUs, without a GPU; ``tensorrt`` for the GPU it runs on
    version : as the library states it, such as ``1.7.1.116``
    """

    module: Any
    name: str
    flavour: Flavour
    version: str

    @property
    def title(self) -> str:
        """Name and version for people."""
        return f"{TITLES[self.flavour]} {self.version}"


def find_library(flavour: Flavour | None = None) -> Library:
    """Return the installed library; of several, TensorRT for RTX.

    Parameters
    ----------
    flavour : take this one only

    Raises
    ------
    MissingExtraError
        TensorRT for RTX is not installed, and nothing else will do.
    ConfigError
        TensorRT was asked for by name and is not installed.
    """
    for name, kind in MODULES.items():
        if flavour in (None, kind) and _is_installed(name):
            return open_library(name)
    if flavour == "tensorrt":
        raise ConfigError(
            "library tensorrt: not installed; on a Jetson it comes with JetPack and is seen by an environment made "
            "with --system-site-packages, elsewhere run: pip install tensorrt"
        )
    raise MissingExtraError("tensorrt_rtx_bindings", "rtx")


def open_library(name: str) -> Library:
    """Import a library by its module's name, one of `MODULES`."""
    module = importlib.import_module(name)
    return Library(module=module, name=name, flavour=MODULES[name], version=module.__version__)


def _is_installed(name: str) -> bool:
    """Whether the module itself is there; one that is there and fails to import must be heard."""
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except ValueError:
        return False
