"""Compiles the kernels' sources as C++ for this machine and calls them on NumPy arrays in place of device memory."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.catalogue import Element, Kernel, catalogue, source_text

SHIM = Path(__file__).parent / "cuda_host.h"
FLAGS = ("-std=c++17", "-O1", "-g0", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Wno-unused")
"""No contraction to fused multiply-adds: what is compared with NumPy rounds as NumPy does."""

GUARD = 64
"""Bytes before and behind each array that no kernel may touch."""

Argument = npt.NDArray[Any] | int | float


class HostKernelError(Exception):
    """A kernel could not be compiled for this machine, or did what no kernel may do."""


def compiler() -> list[str]:
    """Return the command of a C++ compiler: what `CXX` names, the system's, or Zig's from its Python package."""
    if named := os.environ.get("CXX"):
        return [named]
    for name in ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return [path]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++", "-nostdlib++"]
    raise HostKernelError("kernels: no C++ compiler found; install g++ or the Python package ziglang")


def build_source(source: str, element: Element, folder: Path) -> "HostKernels":
    """Compile all kernels of a source into a shared library in `folder` and load it.

    Raises
    ------
    HostKernelError
        There is no compiler, or it refuses the source.
    """
    kernels = [kernel for kernel in catalogue().values() if kernel.source == source]
    text = f'#include "{SHIM}"\n{source_text(source)}\n{"".join(_entry(kernel) for kernel in kernels)}'
    target = folder / f"{source}-{element}.so"
    with TemporaryDirectory(dir=folder) as scratch:
        code, made = Path(scratch) / f"{source}.cpp", Path(scratch) / target.name
        code.write_text(text, "utf-8")
        half = f"-DREAL_IS_HALF={int(element == 'float16')}"
        command = [*compiler(), *FLAGS, half, str(code), "-o", str(made)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise HostKernelError(f"kernels: {source}.cu for this machine: {result.stderr.strip()}")
        os.replace(made, target)
    return HostKernels(ctypes.CDLL(str(target)), element)


class HostKernels:
    """The kernels of one source, compiled for this machine.

    Parameters
    ----------
    library : as `build_source` made it
    element : what `real` is in it
    """

    def __init__(self, library: ctypes.CDLL, element: Element) -> None:
        self._library = library
        self.element: Element = element

    def launch(
        self, kernel: Kernel, domain: tuple[int, int, int], arguments: Sequence[Argument], *, reverse: bool = False
    ) -> None:
        """Run a kernel over a domain of threads; arrays that it writes are changed in place.

        Parameters
        ----------
        kernel : of this source
        domain : threads in x, y, z
        arguments : in the order of the parameters; arrays C-contiguous, of the parameters' own types
        reverse : blocks and threads in reverse order, from which results must not differ

        Raises
        ------
        HostKernelError
            An argument does not fit, some threads of a block missed a barrier, or memory before, behind or (where the
            parameter is const) within an array was written.
        """
        if len(arguments) != len(kernel.parameters):
            raise HostKernelError(f"kernel {kernel.name}: got {len(arguments)} arguments; {kernel.parameters}")
        guarded: dict[str, _Guarded] = {}
        values: list[int | float] = []
        for parameter, argument in zip(kernel.parameters, arguments, strict=True):
            dtype = parameter.dtype(self.element)
            if not parameter.is_pointer:
                values.append(argument)  # pyright: ignore[reportArgumentType] - an array fails in `start`
                continue
            if not isinstance(argument, np.ndarray) or argument.dtype != dtype or not argument.flags.c_contiguous:
                raise HostKernelError(f"kernel {kernel.name}: {parameter.name} wants a C-contiguous array of {dtype}")
            guarded[parameter.name] = _Guarded(argument)
            values.append(guarded[parameter.name].address)
        self.start(kernel, domain, values, reverse=reverse)
        for parameter in kernel.parameters:
            if parameter.is_pointer and (fault := guarded[parameter.name].give_back(parameter.is_written)):
                raise HostKernelError(f"kernel {kernel.name}: wrote {fault} {parameter.name}")

    def start(
        self, kernel: Kernel, domain: tuple[int, int, int], values: Sequence[int | float], *, reverse: bool = False
    ) -> None:
        """Run a kernel on memory given by address, unguarded, as a GPU does.

        Raises
        ------
        HostKernelError
            Some threads of a block missed a barrier.
        """
        holders = [
            ctypes.c_void_p(int(value)) if parameter.is_pointer else _CTYPES[parameter.type](value)
            for parameter, value in zip(kernel.parameters, values, strict=True)
        ]
        pointers = (ctypes.c_void_p * len(holders))(*(ctypes.addressof(holder) for holder in holders))
        grid, block = (ctypes.c_uint * 3)(*kernel.grid(domain)), (ctypes.c_uint * 3)(*kernel.block)
        entry = getattr(self._library, f"host_{kernel.name}")
        if code := entry(pointers, grid, block, int(kernel.meets_barriers), int(reverse)):
            raise HostKernelError(f"kernel {kernel.name}: {_RESULTS[code]}")


_CTYPES: Mapping[str, Any] = {
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "unsigned": ctypes.c_uint,
    "unsigned char": ctypes.c_ubyte,
    "unsigned short": ctypes.c_ushort,
}

_RESULTS: Mapping[int, str] = {
    1: "some threads of a block ended while others wait for them at a barrier",
    2: "no memory for its threads' stacks",
}


class _Guarded:
    """A copy of an array between two guards."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array
        self._bytes = np.full(array.nbytes + 2 * GUARD, 0xA5, np.uint8)
        self._bytes[GUARD:-GUARD] = array.reshape(-1).view(np.uint8)

    @property
    def address(self) -> int:
        return self._bytes.ctypes.data + GUARD

    def give_back(self, is_written: bool) -> str | None:
        """Copy what was written back; return where something was written that must not be."""
        if (self._bytes[:GUARD] != 0xA5).any():
            return "before"
        if (self._bytes[-GUARD:] != 0xA5).any():
            return "behind"
        inner = self._bytes[GUARD:-GUARD]
        if is_written:
            self._array.reshape(-1).view(np.uint8)[:] = inner
        elif (inner != self._array.reshape(-1).view(np.uint8)).any():
            return "into the const"
        return None


def _entry(kernel: Kernel) -> str:
    """Return C++ for a function that calls a kernel with arguments given by address."""
    values: list[str] = []
    for number, parameter in enumerate(kernel.parameters):
        kind = f"{parameter.type}*" if parameter.is_pointer else parameter.type
        values.append(f"*({kind}*)a[{number}]")
    return (
        f'extern "C" int host_{kernel.name}(void** a, const unsigned* grid, const unsigned* block, int barriers, '
        f"int reverse) {{ return host::run(grid, block, barriers, reverse, [&] {{ {kernel.name}({', '.join(values)}); "
        "}); }\n"
    )
