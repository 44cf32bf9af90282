"""A case: a kernel, what it is given, and what must come out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kernels.catalogue import Element, Kernel, catalogue, sources

Array = npt.NDArray[Any]


class Launcher(Protocol):
    """What runs kernels: `kernels.host.build.HostKernels` here, a GPU elsewhere."""

    def launch(
        self, kernel: Kernel, domain: tuple[int, int, int], arguments: "list[Array | int | float]", *, reverse: bool
    ) -> None:
        """Run a kernel; arrays that it writes hold its results when this returns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One comparison of a kernel with its reference.

    kernel : its name
    label : what is special about it, such as ``odd size, padded rows``
    arguments : parameter name → value; arrays of the parameter's type, those that are written filled as before the run
    domain : threads in x, y, z
    expected : name of each array that is written → all it must hold afterwards, so also what must stay untouched
    tolerance : largest difference allowed, absolute; 0: equal
    share : of elements that may differ by more, because a rounding falls the other way; 0 unless the kernel decides
        something by comparing, and then as small as it is
    """

    kernel: str
    label: str
    arguments: Mapping[str, Array | int | float]
    domain: tuple[int, int, int]
    expected: Mapping[str, Array]
    tolerance: float
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a case showed.

    error : largest absolute difference; where a share may differ more, among the rest
    passed : whether it is within tolerance
    """

    error: float
    passed: bool


def cases(source: str, element: Element) -> Iterator[Case]:
    """Yield the cases of one source file's kernels, from `kernels.cases`."""
    make: Callable[[Element], Iterator[Case]] = import_module(f"kernels.cases.{source}").cases
    return make(element)


def all_cases(element: Element) -> Iterator[Case]:
    """Yield every case."""
    for source in sources():
        yield from cases(source, element)


def run_case(case: Case, launcher: Launcher, *, reverse: bool = False) -> Outcome:
    """Run a case and compare.

    Raises
    ------
    KeyError
        The case leaves a parameter or the expectation of an array that is written out.
    """
    kernel = catalogue()[case.kernel]
    arguments: list[Array | int | float] = []
    written: dict[str, Array] = {}
    for parameter in kernel.parameters:
        value = case.arguments[parameter.name]
        if isinstance(value, np.ndarray):
            value = np.array(value, order="C")
        if parameter.is_written:
            written[parameter.name] = np.asarray(value)
        arguments.append(value)
    launcher.launch(kernel, case.domain, arguments, reverse=reverse)
    error, passed = 0.0, True
    for name, array in written.items():
        wanted, got = case.expected[name].astype(np.float64), array.astype(np.float64)
        same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
        difference = np.where(same, 0.0, np.abs(wanted - got)).ravel()
        difference = np.sort(np.where(np.isnan(difference), np.inf, difference))
        counted = difference[: difference.size - int(case.share * difference.size)]
        largest = float(counted[-1]) if counted.size else 0.0
        error, passed = max(error, largest), passed and largest <= case.tolerance
    return Outcome(error=error, passed=passed)
