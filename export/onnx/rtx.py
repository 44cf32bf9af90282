"""Try an ONNX model on TensorRT for RTX, which builds engines on machines without a GPU.

What is built here is thrown away: this says at export time what a library cannot build, and names the node. Building
for use, with a cache, is the runtime's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from engine.errors import BuildError, MissingExtraError

Range = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Smallest, usual and largest shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An engine that could be built.

    seconds : of parsing and building
    megabytes : of the serialized engine
    """

    seconds: float
    megabytes: float


def tensorrt_rtx() -> ModuleType:
    """Return the library.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import tensorrt_rtx_bindings
    except ImportError as error:
        raise MissingExtraError("tensorrt_rtx_bindings", "rtx") from error
    return tensorrt_rtx_bindings


def try_build(data: bytes, ranges: Mapping[str, Range]) -> Trial:
    """Build an engine of a model for Ampere and later GPUs, and say how long it took and how large it is.

    Parameters
    ----------
    data : an ONNX file's bytes
    ranges : for each input whose size may change, its smallest, usual and largest shape

    Raises
    ------
    BuildError
        The library cannot parse or build it; the message names the node where it says which.
    """
    trt: Any = tensorrt_rtx()
    complaints: list[str] = []

    class Log(trt.ILogger):  # the library calls it from its own threads
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                complaints.append(message)

    started = time.perf_counter()
    builder = trt.Builder(Log())
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse(data):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        told = "; ".join(f"node {error.node_name() or error.node()}: {error.desc()}" for error in errors)
        raise BuildError(f"TensorRT for RTX cannot read the model: {told or complaints}")
    config = builder.create_builder_config()
    if ranges:
        profile = builder.create_optimization_profile()
        for name, (smallest, usual, largest) in ranges.items():
            profile.set_shape(name, smallest, usual, largest)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BuildError(
            f"TensorRT for RTX cannot build the model: {complaints[0] if complaints else 'no reason given'}"
        )
    return Trial(seconds=time.perf_counter() - started, megabytes=plan.nbytes / 1e6)
