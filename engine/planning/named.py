"""Devices by name, from published figures: nobody has measured farshore on them.

Arithmetic is what the makers publish, dense (without sparsity), half precision added up in float32:

- GeForce RTX 30: NVIDIA, "NVIDIA Ampere GA102 GPU Architecture" (2021); 40: "NVIDIA Ada GPU Architecture" (2022); 50:
  "NVIDIA RTX Blackwell GPU Architecture" (2025); models that these do not list, from their cores and boost clocks on
  NVIDIA's product pages with the same ratios (half precision 2 times, 8 bits 8 times float32; the 50s 16 bits 2, 8 bits
  8 times).
- Jetson Orin: NVIDIA, "Jetson Orin Series data sheets" (AGX Orin 64 GB at MAXN, Orin NX 16 GB at 25 W, Orin Nano 8 GB
  in its 25 W mode); 8 bits is half of the sparse figure, of the GPU alone.
- Jetson Thor: NVIDIA, "Jetson Thor Series Modules data sheet" (T5000); from its sparse FP4 figure, halved each step.

Of these a convolution network is assumed to reach `EFFICIENCY`, less where it has few channels (`FULL_CHANNELS`), and
of the bandwidth `BANDWIDTH_SHARE`. The rest of the chain is assumed to cost what it cost on one core of a Xeon of 2.6
GHz (`REFERENCE_HOST`), times `slower` on the device's own cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import ConfigError
from engine.planning.device import Curve, Device
from engine.planning.host import HostCost
from engine.planning.operations import Kind

EFFICIENCY = 0.35
"""Of published arithmetic, with all units busy."""

FULL_CHANNELS = 64
"""From so many channels on all units are busy; with fewer the share falls with them."""

BANDWIDTH_SHARE = 0.7
LAUNCH_SECONDS = 5e-6
"""Of each operation on a GPU."""

FUSED = 0.5
"""Operations on pixels alone whose bytes are not moved, since the one before is still at hand."""

LOW, HIGH = 0.4, 2.5
"""Times the estimate: nothing here is measured."""

REFERENCE_HOST: Mapping[str, HostCost] = {
    "decode": HostCost(fixed=5.58e-04, per_pixel=2.26e-08),
    "inspect": HostCost(fixed=4.39e-04, per_pixel=6.19e-10),
    "enhance": HostCost(fixed=0.00e00, per_pixel=7.25e-08),
    "interpolate": HostCost(fixed=1.84e-05, per_pixel=0.00e00),
    "colorize": HostCost(fixed=2.36e-03, per_pixel=5.24e-09),
    "encode": HostCost(fixed=4.11e-05, per_pixel=2.71e-08),
    "interpolate between": HostCost(fixed=0.00e00, per_pixel=4.08e-08),
    "colorize between": HostCost(fixed=0.00e00, per_pixel=6.15e-09),
}
"""One core of an Intel Xeon (Sapphire Rapids class, AVX-512) of 2.6 GHz, November 2026, as `measure_host` measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A device's published figures.

    tflops : float32; half, int8 : in its matrix units, 10¹² a second
    gigabytes_per_second, gigabytes : of its memory
    cores, slower : of the processor beside it, and how much slower than the reference each of them is assumed to be
    """

    title: str
    tflops: float
    half: float
    int8: float
    gigabytes_per_second: float
    gigabytes: int
    cores: int = 8
    slower: float = 1.0


DEVICES: Mapping[str, Published] = {
    "rtx-3060": Published(
        title="GeForce RTX 3060 12 GB", tflops=12.7, half=25.5, int8=101.9, gigabytes_per_second=360, gigabytes=12
    ),
    "rtx-3090": Published(
        title="GeForce RTX 3090", tflops=35.6, half=71.2, int8=284.7, gigabytes_per_second=936, gigabytes=24
    ),
    "rtx-4060": Published(
        title="GeForce RTX 4060", tflops=15.1, half=30.2, int8=120.9, gigabytes_per_second=272, gigabytes=8
    ),
    "rtx-4070": Published(
        title="GeForce RTX 4070", tflops=29.1, half=58.3, int8=233.2, gigabytes_per_second=504, gigabytes=12
    ),
    "rtx-4090": Published(
        title="GeForce RTX 4090", tflops=82.6, half=165.2, int8=660.6, gigabytes_per_second=1008, gigabytes=24
    ),
    "rtx-5090": Published(
        title="GeForce RTX 5090", tflops=104.8, half=209.5, int8=838.0, gigabytes_per_second=1792, gigabytes=32
    ),
    "orin-nano": Published(
        title="Jetson Orin Nano 8 GB (25 W)",
        tflops=2.1,
        half=8.4,
        int8=33.5,
        gigabytes_per_second=102,
        gigabytes=8,
        cores=6,
        slower=2.2,
    ),
    "orin-nx": Published(
        title="Jetson Orin NX 16 GB (25 W)",
        tflops=1.9,
        half=7.5,
        int8=30.0,
        gigabytes_per_second=102,
        gigabytes=16,
        cores=8,
        slower=2.0,
    ),
    "orin-agx": Published(
        title="Jetson AGX Orin 64 GB",
        tflops=5.3,
        half=42.5,
        int8=85.0,
        gigabytes_per_second=204,
        gigabytes=64,
        cores=12,
        slower=1.8,
    ),
    "thor": Published(
        title="Jetson AGX Thor (T5000)",
        tflops=8.1,
        half=258.0,
        int8=517.0,
        gigabytes_per_second=273,
        gigabytes=128,
        cores=14,
        slower=1.2,
    ),
}


def named_device(name: str) -> tuple[Device, dict[str, HostCost]]:
    """Return a device of the table, and what the rest of the chain is assumed to cost beside it.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    found = DEVICES.get(name)
    if found is None:
        raise ConfigError(f"--device: got {name!r}; wanted measure or one of {', '.join(DEVICES)}")
    bandwidth = BANDWIDTH_SHARE * 1e9 * found.gigabytes_per_second
    device = Device(
        name=found.title,
        is_measured=False,
        is_gpu=True,
        cores=found.cores,
        float_rates=_rates(found.tflops),
        half_rates=_rates(found.half),
        int8_rates=_rates(found.int8),
        byte_rates={Kind.ALONE: bandwidth / FUSED},
        bandwidth=bandwidth,
        node_seconds=LAUNCH_SECONDS,
        memory_bytes=round(1e9 * found.gigabytes),
        low=LOW,
        high=HIGH,
        note=f"from published figures, of which {EFFICIENCY:.0%} of arithmetic and {BANDWIDTH_SHARE:.0%} of bandwidth "
        "are assumed to be reached; not measured by us",
    )
    slower = {
        stage: HostCost(fixed=found.slower * cost.fixed, per_pixel=found.slower * cost.per_pixel)
        for stage, cost in REFERENCE_HOST.items()
    }
    return device, slower


def _rates(tera: float) -> dict[Kind, Curve]:
    full = EFFICIENCY * 1e12 * tera
    curve = ((8.0, full * 8 / FULL_CHANNELS), (float(FULL_CHANNELS), full))
    deep = ((1.0, full / 16),)
    return {Kind.CONV: curve, Kind.UNEVEN: curve, Kind.MATMUL: curve, Kind.DEPTHWISE: deep}
