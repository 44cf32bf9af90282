"""Kernels compiled for this machine, once per run."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kernels.catalogue import Element
from kernels.host.build import HostKernels, build_source

HostBuild = Callable[[str, Element], HostKernels]


@pytest.fixture(scope="session")
def host_kernels(tmp_path_factory: pytest.TempPathFactory) -> HostBuild:
    """Return the kernels of a source for an element; the first call compiles them."""
    folder: Path = tmp_path_factory.mktemp("host-kernels")

    @cache
    def build(source: str, element: Element) -> HostKernels:
        return build_source(source, element, folder)

    return build
