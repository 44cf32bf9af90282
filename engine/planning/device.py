"""What computes: how fast each kind of operation goes on it, measured or from a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log

from engine.planning.operations import ARITHMETIC, Kind, Operation, Workload

Curve = Sequence[tuple[float, float]]
"""Channels → operations a second, by increasing channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that models run on.

    name : for people
    is_measured : here and now; else from a table
    is_gpu : the chain runs beside the processor, which then decodes and codes alone
    cores : of the processor that does what the device does not
    float_rates, half_rates, int8_rates : kind of arithmetic → operations a second by channels; of kinds that the latter
        two lack, and of half numbers on a processor, it is that of floats
    byte_rates : kind → bytes a second; of kinds that are not in it the rate is `bandwidth`
    bandwidth : bytes a second of a copy, reading and writing counted
    node_seconds : what each operation costs besides
    memory_bytes : that models may take; None: whatever the machine has
    low, high : times the estimate, between which measurements are expected to lie
    note : where the figures come from
    """

    name: str
    is_measured: bool
    is_gpu: bool
    cores: int
    float_rates: Mapping[Kind, Curve]
    int8_rates: Mapping[Kind, Curve]
    half_rates: Mapping[Kind, Curve] = field(default_factory=dict[Kind, Curve])
    byte_rates: Mapping[Kind, float]
    bandwidth: float
    node_seconds: float
    memory_bytes: int | None = None
    low: float
    high: float
    note: str

    def seconds(self, work: Workload, precision: str = "fp32") -> float:
        """Return how long one run of a model takes, one thread where this is a processor."""
        is_half = precision == "fp16"
        return sum(self.operation_seconds(operation, is_half=is_half) for operation in work.operations)

    def operation_seconds(self, operation: Operation, *, is_half: bool = False) -> float:
        """Return how long one operation takes: until arithmetic and memory are both done."""
        seconds = operation.bytes / self.bandwidth
        if operation.kind in ARITHMETIC:
            rates = self.int8_rates if operation.is_int8 else self.half_rates if is_half else self.float_rates
            curve = rates.get(operation.kind, self.float_rates[operation.kind])
            seconds = max(seconds, operation.computed / rate_at(curve, operation.channels))
        elif operation.kind in self.byte_rates:
            seconds = operation.bytes / self.byte_rates[operation.kind]
        return seconds + self.node_seconds


def rate_at(curve: Curve, channels: float) -> float:
    """Return the rate for a number of channels: between two points along the logarithm, beyond the ends the end's."""
    below = [point for point in curve if point[0] <= channels]
    above = [point for point in curve if point[0] > channels]
    if not below or not above:
        return (below[-1] if below else above[0])[1]
    (low, first), (high, second) = below[-1], above[0]
    share = log(channels / low) / log(high / low)
    return first + share * (second - first)
