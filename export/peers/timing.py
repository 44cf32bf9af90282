"""How long a network takes in PyTorch: as it is, and compiled."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

How = Literal["eager", "compiled"]
Precision = Literal["fp32", "fp16"]

WAYS: Sequence[tuple[How, Precision]] = (
    ("eager", "fp32"),
    ("eager", "fp16"),
    ("compiled", "fp32"),
    ("compiled", "fp16"),
)
TYPES: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}

COMPILE_MODE = "reduce-overhead"
"""Of `torch.compile`: kernels merged and the whole recorded as a CUDA graph, as our sessions are."""

WARM_UP = 5
RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTiming:
    """One network, one way.

    how : ``eager``: operation by operation; ``compiled``: by `torch.compile`
    milliseconds : of one run, median, by the device's clock; None: it did not run
    reason : why it did not
    seconds_before : spent on compiling and warming up
    """

    model: str
    how: How
    precision: Precision
    height: int
    width: int
    milliseconds: float | None = None
    reason: str | None = None
    seconds_before: float | None = None


def time_network(
    name: str,
    network: nn.Module,
    shapes: Mapping[str, tuple[int, ...]],
    size: tuple[int, int],
    device: torch.device,
    ways: Sequence[tuple[How, Precision]],
) -> Iterator[PeerTiming]:
    """Yield a timing for each way; what PyTorch refuses is told in it.

    Float32 products may use TF32, as they may in our sessions. In half precision weights and inputs are half
    throughout, which is the fastest that PyTorch offers, whatever it costs the result.

    Parameters
    ----------
    name : of the model
    network : float32, in inference
    shapes : of its inputs, in order
    size : height and width of the picture
    ways : how it is run
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    generator = torch.Generator().manual_seed(1)
    values = [torch.rand(shape, generator=generator) for shape in shapes.values()]
    for how, precision in ways:
        row = {"model": name, "how": how, "precision": precision, "height": size[0], "width": size[1]}
        try:
            milliseconds, before = _time(network, values, how, TYPES[precision], device)
        except Exception as error:  # whatever PyTorch raises is a result: another way may run
            yield PeerTiming(**row, reason=_one_line(error))
        else:
            yield PeerTiming(**row, milliseconds=milliseconds, seconds_before=before)


@torch.inference_mode()
def _time(
    network: nn.Module, values: Sequence[Tensor], how: How, kind: torch.dtype, device: torch.device
) -> tuple[float, float]:
    began = time.perf_counter()
    run: Callable[..., object] = network.to(device, kind)
    try:
        given = [value.to(device, kind) for value in values]
        if how == "compiled":
            run = torch.compile(network, mode=COMPILE_MODE)
        for _ in range(WARM_UP):
            run(*given)
        before = time.perf_counter() - began
        clock = _device_milliseconds if device.type == "cuda" else _host_milliseconds
        return statistics.median(clock(lambda: run(*given))), before
    finally:
        torch.compiler.reset()
        network.to("cpu", torch.float32)
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _device_milliseconds(work: Callable[[], object]) -> list[float]:
    """Time runs that follow one another without a wait, as ours are timed (`bench.gpu.roof.median_seconds`)."""
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(RUNS + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    marks[-1].synchronize()
    return [earlier.elapsed_time(later) for earlier, later in itertools.pairwise(marks)]


def _host_milliseconds(work: Callable[[], object]) -> list[float]:
    found: list[float] = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        found.append((time.perf_counter() - begin) * 1e3)
    return found


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
