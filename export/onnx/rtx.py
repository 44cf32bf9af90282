"""Try an ONNX model on TensorRT for RTX, which builds engines on machines without a GPU.

What is built here is thrown away: this says at export time what the library cannot build, and names the node. Building
for use, with a cache, is `engine.backends.tensorrt.ensure`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from engine.backends.tensorrt.ensure import Wishes, ensure_plan, plan_key
from engine.backends.tensorrt.library import find_library
from engine.backends.tensorrt.process import Limits
from engine.backends.tensorrt.profiles import Sizes
from engine.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An engine that could be built.

    seconds : that building took
    megabytes : of the serialized engine
    """

    seconds: float
    megabytes: float


def try_build(model: Model, sizes: Sizes | None = None) -> Trial:
    """Build an engine of a model for Ampere and later GPUs, and say how long it took and how large it is.

    Parameters
    ----------
    model : to try
    sizes : None: those of its role

    Raises
    ------
    MissingExtraError
        TensorRT for RTX is not installed.
    BuildError
        The library cannot read or build it; the message names the node where it says which.
    """
    library = find_library("rtx")
    key = plan_key(model, library, None, Wishes(sizes=sizes or Sizes()))
    with tempfile.TemporaryDirectory() as folder:
        made = ensure_plan(model, key, library, Path(folder), Limits(), lambda share, phase: None, lambda note: None)
        return Trial(seconds=made.plan.seconds, megabytes=made.plan.payload.nbytes / 1e6)
