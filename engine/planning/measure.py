"""Measures this machine's processor for `farshore plan`, in a few seconds."""

import os
import time
from collections.abc import Callable, Iterable

import numpy as np

from engine.planning.device import Curve, Device
from engine.planning.operations import Kind
from engine.planning.probes import (
    CHANNELS,
    DEPTH,
    UNEVEN,
    Probe,
    byte_probes,
    convolution,
    matrix_product,
    seconds_of,
)
from engine.thread_split import available_cores

NODE_SECONDS = 4e-6
"""ONNX Runtime's own time for each operation: a chain of additions of single numbers, Xeon core of 2.6 GHz."""

COPIED_BYTES = 1 << 26
LOW, HIGH = 0.75, 1.35
"""Times the estimate; `python -m bench.plan_check` has what was measured."""


def measure_device(tell: Callable[[str], None] = lambda text: None) -> Device:
    """Measure arithmetic and memory of one core.

    Parameters
    ----------
    tell : takes what is being measured, for a progress line
    """
    tell("convolutions")
    float_rates: dict[Kind, Curve] = {
        Kind.CONV: _curve(convolution(count, count) for count in CHANNELS),
        Kind.UNEVEN: _curve(convolution(given, made, kind=Kind.UNEVEN) for given, made in UNEVEN),
        Kind.DEPTHWISE: _curve(convolution(count, count, kind=Kind.DEPTHWISE) for count in DEPTH),
        Kind.MATMUL: _curve([matrix_product()]),
    }
    tell("8-bit convolutions")
    int8_rates = {Kind.CONV: _curve(convolution(count, count, is_int8=True) for count in CHANNELS)}
    tell("memory")
    return Device(
        name=processor_name(),
        is_measured=True,
        is_gpu=False,
        cores=available_cores(),
        float_rates=float_rates,
        int8_rates=int8_rates,
        byte_rates={probe.kind: probe.units / seconds_of(probe) for probe in byte_probes()},
        bandwidth=_bandwidth(),
        node_seconds=NODE_SECONDS,
        low=LOW,
        high=HIGH,
        note="measured now, on one core",
    )


def processor_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith(("model name", "Model"))]
    except OSError:
        names = []
    return names[0] if names else os.uname().machine


def _curve(probes: Iterable[Probe]) -> Curve:
    return sorted((probe.channels, probe.units / seconds_of(probe)) for probe in probes)


def _bandwidth() -> float:
    """Return the bytes a second of a copy too large for caches; read and written counted."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros_like(source)
    best = float("inf")
    for _ in range(4):
        start = time.thread_time()
        np.copyto(target, source)
        best = min(best, time.thread_time() - start)
    return 2 * COPIED_BYTES / best
