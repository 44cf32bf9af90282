"""Names that TensorRT's Python bindings have, version by version; how the lists are made is in `extract.py`."""

from functools import cache
from pathlib import Path

VERSIONS = ("tensorrt-10.3", "tensorrt-10.16", "tensorrt-11.1", "tensorrt-11.4", "tensorrt-rtx-1.7")
"""Files beside this one. 10.3 is JetPack 6's, 10.16 JetPack 7.2's, 11.4 the newest."""


@cache
def names(version: str) -> frozenset[str]:
    """Return classes, as ``Runtime``, and their attributes, as ``Runtime.deserialize_cuda_engine``."""
    lines = (Path(__file__).parent / f"{version}.txt").read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@cache
def common() -> frozenset[str]:
    """Return the names that every version has, RTX included."""
    return frozenset.intersection(*(names(version) for version in VERSIONS))
