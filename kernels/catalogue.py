"""The kernels that there are, read from their sources: what is declared in CUDA C is declared nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

SOURCES = Path(__file__).parent / "sources"
HEADER = "farshore.cuh"

Element = Literal["float32", "float16"]
"""What `real` is in memory."""

ELEMENTS: tuple[Element, ...] = ("float32", "float16")
"""Everything that it can be."""

SCALARS: Mapping[str, str] = {
    "float": "float32",
    "int": "int32",
    "unsigned": "uint32",
    "unsigned char": "uint8",
    "unsigned short": "uint16",
}
"""C types that a kernel may take, and NumPy's names for them; `real` is the element that it is compiled for."""

MOST_BLOCKS = 65535
"""That a GPU launches at once in y, and in z; in x there may be 2^31 - 1."""

_KERNEL = re.compile(r"KERNEL\((\d+), (\d+), (\d+)\)\s+(\w+)\(([^)]*)\)\s*\{")
_BARRIER = re.compile(r"\b(__syncthreads|block_\w+)\(")
_PARAMETER = re.compile(r"(const )?([a-z ]+?)(\*?) ?(?:__restrict__ )?(\w+)")


class GridError(Exception):
    """A domain takes more blocks than a GPU launches at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a kernel.

    name : as in the source
    type : C type without `const` and ``*``: ``real`` or one of `SCALARS`
    is_pointer : whether it points to device memory
    is_written : whether the kernel writes there; a pointer without `const`
    """

    name: str
    type: str
    is_pointer: bool
    is_written: bool

    def dtype(self, element: Element) -> np.dtype[Any]:
        """NumPy's type of the value, or of what it points to."""
        return np.dtype(element if self.type == "real" else SCALARS[self.type])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One kernel.

    name : its symbol
    source : stem of the file in `SOURCES`
    block : threads of a block, x, y, z
    parameters : in order
    meets_barriers : whether its source waits at barriers
    """

    name: str
    source: str
    block: tuple[int, int, int]
    parameters: tuple[Parameter, ...]
    meets_barriers: bool

    def grid(self, domain: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the blocks that cover a domain of threads, x, y, z.

        Raises
        ------
        GridError
            There are too many of them in y or z.
        """
        x, y, z = (-(-size // threads) for size, threads in zip(domain, self.block, strict=True))
        if max(y, z) > MOST_BLOCKS:
            over = " x ".join(str(size) for size in domain)
            raise GridError(f"kernel {self.name}: {x} x {y} x {z} blocks over {over}; at most {MOST_BLOCKS} in y, z")
        return x, y, z


def sources() -> list[str]:
    """Return the stems of all source files, sorted."""
    return sorted(path.stem for path in SOURCES.glob("*.cu"))


@cache
def source_text(source: str) -> str:
    """Return a source with the common header in the place of its `#include`."""
    header = (SOURCES / HEADER).read_text("utf-8")
    text = (SOURCES / f"{source}.cu").read_text("utf-8")
    include = f'#include "{HEADER}"\n'
    if not text.startswith(include):
        raise ValueError(f"{source}.cu: must begin with {include.strip()}")
    return f'#line 1 "{HEADER}"\n{header}#line 2 "{source}.cu"\n{text.removeprefix(include)}'


@cache
def catalogue() -> Mapping[str, Kernel]:
    """Return every kernel by name."""
    found: dict[str, Kernel] = {}
    for source in sources():
        for kernel in parse_kernels(source, (SOURCES / f"{source}.cu").read_text("utf-8")):
            if kernel.name in found:
                raise ValueError(f"kernel {kernel.name}: stands in {found[kernel.name].source}.cu and in {source}.cu")
            found[kernel.name] = kernel
    return found


def parse_kernels(source: str, text: str) -> list[Kernel]:
    """Return the kernels of a source's text, in order.

    Raises
    ------
    ValueError
        A declaration is not of the form that kernels/README.md gives.
    """
    kernels: list[Kernel] = []
    bounds = [match.start() for match in _KERNEL.finditer(text)] + [len(text)]
    for match, end in zip(_KERNEL.finditer(text), bounds[1:], strict=True):
        x, y, z, name, parameters = match.groups()
        kernels.append(
            Kernel(
                name=name,
                source=source,
                block=(int(x), int(y), int(z)),
                parameters=tuple(_parse_parameter(name, " ".join(part.split())) for part in parameters.split(",")),
                meets_barriers=bool(_BARRIER.search(text, match.start(), end)),
            )
        )
    if len(kernels) != text.count("KERNEL("):
        raise ValueError(f"{source}.cu: has {text.count('KERNEL(')} KERNELs, of which {len(kernels)} could be read")
    return kernels


def _parse_parameter(kernel: str, text: str) -> Parameter:
    match = _PARAMETER.fullmatch(text)
    if match is None or (match[2] != "real" and match[2] not in SCALARS) or (match[2] == "real" and not match[3]):
        raise ValueError(f"kernel {kernel}: parameter {text!r} is none that kernels/README.md allows")
    is_pointer = bool(match[3])
    return Parameter(name=match[4], type=match[2], is_pointer=is_pointer, is_written=is_pointer and not match[1])
