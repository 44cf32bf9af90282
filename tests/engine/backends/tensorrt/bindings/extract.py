"""Writes the lists of names: ``python -m tests.engine.backends.tensorrt.bindings.extract WHAT``.

``MODULE``
    An importable module of bindings is asked (`dir` of each class): `tensorrt_rtx_bindings`, and `tensorrt_bindings`
    11.4, whose wheel was unzipped. The libraries that it links against were stood in for by three shared objects that
    do nothing, with the functions that ``nm -D --undefined-only`` finds: names need no more.
``FOLDER``
    The C++ sources of the bindings in a checkout of NVIDIA/TensorRT at a release's tag, ``python/src``, are read for
    pybind11's ``class_``, ``enum_``, ``def``, ``def_property`` and ``value``: v10.3.0, v10.16, v11.1.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CLASSES = (
    *("Builder", "BuilderFlag", "ComputeCapability", "CudaGraphStrategy", "DataType"),
    *("DynamicShapesKernelSpecializationStrategy", "ExecutionContextAllocationStrategy", "IBuilderConfig"),
    *("ICudaEngine", "IExecutionContext", "IHostMemory", "ILogger", "IOptimizationProfile", "IProgressMonitor"),
    *("IRuntimeCache", "IRuntimeConfig", "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParser"),
    *("ParserError", "ProfilingVerbosity", "Runtime", "TensorIOMode"),
)
"""What the engine has to do with, and what it might."""

_OPENING = re.compile(r'py::(?:class_|enum_)<[^;(]*>\s*(?:\w+\s*[({]|\()\s*(\w+),\s*"(\w+)"', re.S)
_NAMED = re.compile(
    r'\.(?:def|def_property|def_property_readonly|def_readwrite|def_readonly|def_static|value)\(\s*"(\w+)"'
)


def of_module(module: object) -> Iterator[str]:
    """Yield the names that a module of bindings has."""
    for name in CLASSES:
        if hasattr(module, name):
            yield name
            own = getattr(module, name)
            for attribute in (*dir(own), *getattr(own, "__members__", ())):
                if not attribute.startswith("_") and (attribute, name) not in ENUM_LEFTOVERS:
                    yield f"{name}.{attribute}"


ENUM_LEFTOVERS = {(attribute, name) for attribute in ("name", "value") for name in CLASSES if not name.startswith("I")}
"""What pybind11 gives every enumeration, and no source names."""


def of_sources(folder: Path) -> Iterator[str]:
    """Yield the names that sources of bindings have."""
    for path in sorted(folder.rglob("*.cpp")):
        text = path.read_text()
        openings = list(_OPENING.finditer(text))
        for index, opening in enumerate(openings):
            scope, name = opening.groups()
            end = openings[index + 1].start() if index + 1 < len(openings) else len(text)
            # The logger's severities are exported into the logger; what follows them is the logger's again.
            name = "ILogger" if (scope, name) == ("baseLoggerBinding", "Severity") else name
            if name in CLASSES:
                yield name
                for found in _NAMED.finditer(text, opening.end(), end):
                    if not found[1].startswith("_"):
                        yield f"{name}.{found[1]}"


def main() -> None:
    what = sys.argv[1]
    found = of_sources(Path(what)) if Path(what).is_dir() else of_module(importlib.import_module(what))
    sys.stdout.write("\n".join(sorted(set(found))) + "\n")


if __name__ == "__main__":
    main()
