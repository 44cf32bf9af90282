"""The kernel table: every kernel, its cases, its largest error on the host, and for what it compiles.

python -m kernels.table > kernels/TABLE.md
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernels.case import Outcome, cases, run_case
from kernels.catalogue import ELEMENTS, Element, Kernel, catalogue, sources
from kernels.compiler import ARCHITECTURES, compile_source
from kernels.host.build import build_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of one kernel.

    cases : that it was compared on, per element
    errors : element → largest absolute difference from its reference
    failed : labels of cases beyond their tolerance
    """

    kernel: Kernel
    cases: int
    errors: dict[Element, float]
    failed: tuple[str, ...]


def rows(folder: Path) -> Iterator[Row]:
    """Yield each kernel's row; kernels are compiled for this machine into `folder`."""
    for source in sources():
        errors: dict[str, dict[Element, float]] = {}
        counts: dict[str, int] = {}
        failed: dict[str, list[str]] = {}
        for element in ELEMENTS:
            launcher = build_source(source, element, folder)
            for case in cases(source, element):
                outcome: Outcome = run_case(case, launcher, reverse=False)
                of_kernel = errors.setdefault(case.kernel, {})
                of_kernel[element] = max(of_kernel.get(element, 0.0), outcome.error)
                counts[case.kernel] = counts.get(case.kernel, 0) + (element == "float32")
                if not outcome.passed:
                    failed.setdefault(case.kernel, []).append(f"{case.label} ({element})")
        for kernel in (kernel for kernel in catalogue().values() if kernel.source == source):
            name = kernel.name
            yield Row(kernel=kernel, cases=counts[name], errors=errors[name], failed=tuple(failed.get(name, ())))


def compiled_for(source: str) -> list[str]:
    """Return the architectures for which a source compiles, for both elements; raises `CompileError` where not."""
    for architecture in ARCHITECTURES:
        for element in ELEMENTS:
            compile_source(source, element, architecture)
    return [architecture.removeprefix("sm_") for architecture in ARCHITECTURES]


def table(folder: Path) -> str:
    """Return the table as Markdown."""
    architectures = {source: " ".join(compiled_for(source)) for source in sources()}
    lines = [
        "# Kernels",
        "",
        "Written by `python -m kernels.table`. Largest absolute difference from the NumPy reference over all cases,",
        "the sources compiled for the processor; pictures are in [0, 1], codes in their own units, places and flows in",
        "pixels.",
        "",
        "| kernel | source | cases | float32 | float16 | compiled by NVRTC for sm_ |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for row in rows(folder):
        if row.failed:
            raise SystemExit(f"kernel {row.kernel.name}: beyond its tolerance: {', '.join(row.failed)}")
        errors = " | ".join(f"{row.errors[element]:.1e}" if row.errors[element] else "0" for element in ELEMENTS)
        source = row.kernel.source
        lines.append(f"| `{row.kernel.name}` | {source}.cu | {row.cases} | {errors} | {architectures[source]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.write(table(Path(scratch)))
