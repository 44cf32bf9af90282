"""What the stages give a GPU to do beside their models: bytes of memory and launches, by their kernels' arguments.

Counted by `bench.gpu.kernels` at 640×480 and 1920×1080 on a device that runs nothing, a line through both; a test holds
the table against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LAUNCH_SECONDS = 4e-6
"""From one small kernel to the next: 2 to 3 µs are told of desktop GPUs, more of a Jetson; not measured by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCost:
    """Of one frame, or of one picture made between two.

    fixed : bytes whatever the picture's size
    per_pixel : bytes for each pixel of the pictures that come in
    launches : of kernels
    """

    fixed: float = 0.0
    per_pixel: float
    launches: int

    def seconds(self, pixels: float, bandwidth: float) -> float:
        """Return how long it takes: memory is touched once, at a copy's rate, and launches follow each other."""
        return (self.fixed + self.per_pixel * pixels) / bandwidth + self.launches * LAUNCH_SECONDS


WORK: Mapping[str, DeviceCost] = {
    "decode": DeviceCost(per_pixel=13.6, launches=1),
    "inspect": DeviceCost(fixed=8.4e6, per_pixel=0.4, launches=35),
    "enhance": DeviceCost(per_pixel=199.0, launches=80),
    "faces": DeviceCost(fixed=17.1e6, per_pixel=30.4, launches=5),
    "interpolate between": DeviceCost(fixed=52.9e6, per_pixel=53.4, launches=102),
    "colorize": DeviceCost(fixed=6.6e6, per_pixel=15.0, launches=13),
    "colorize between": DeviceCost(per_pixel=7.3, launches=1),
    "compare": DeviceCost(per_pixel=61.0, launches=5),
    "encode": DeviceCost(per_pixel=7.6, launches=1),
}
"""Stage, or what it does for each picture between two (`host.BETWEEN`) → the work, of grey film that is coloured. One
face; colour without a reference (following one adds some 50 MB and 120 launches)."""
