"""A simulated device whose inspect kernels are NumPy's and OpenCV's, so that tests can inspect films of many frames.

The sources run with every thread of theirs, which takes half a second a frame; `tests/kernels/` holds them against what
stands here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engine.device.arguments import signature
from engine.device.base import DeviceArray, Stream
from engine.stages.cuts import PlanePair
from engine.stages.repeats import BLOCKS
from kernels.catalogue import Element, catalogue
from tests.support.simulated_device import SimulatedDevice, host_view

Numbers = npt.NDArray[np.float32]

LAUNCH_NS = 5_000


def _blocks(first: Numbers, second: Numbers, level: Numbers, blocks: Numbers, **_: int) -> None:
    change = second[0] - first[0]
    for values, out in ((np.abs(change - level[0]), blocks[0]), (change, blocks[1])):
        out[:] = cv2.resize(values, BLOCKS[::-1], interpolation=cv2.INTER_AREA).ravel()


def _difference(blocks: Numbers, scores: Numbers) -> None:
    scores[:] = blocks[0].mean(), blocks[0].max(), blocks[1].mean()


def _spread(first: Numbers, second: Numbers, scores: Numbers) -> None:
    pair = PlanePair(first[0], second[0])
    scores[:] = pair.difference, *pair.deviations


def _parts(first: Numbers, second: Numbers, spread: Numbers, parts: Numbers) -> None:
    """Leave the result as if all texture were in one block."""
    parts[:] = 0.0
    parts[:, 0] = 1.0, PlanePair(first[0], second[0]).matched


QUICK: Mapping[str, Callable[..., None]] = {
    "inspect_blocks": _blocks,
    "inspect_difference": _difference,
    "inspect_spread": _spread,
    "inspect_parts": _parts,
}


class QuickDevice(SimulatedDevice):
    """As described above; streams, events and everything else are the simulated device's."""

    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        if kernel not in QUICK:
            super().launch(kernel, element, domain, arguments, stream)
            return
        declared = catalogue()[kernel]
        signature(kernel, element).values(arguments)  # refuses what the source would not take
        given: dict[str, Any] = {
            parameter.name: host_view(value) if isinstance(value, DeviceArray) else value
            for parameter, value in zip(declared.parameters, arguments, strict=True)
        }
        self.submit(stream, kernel, lambda: QUICK[kernel](**given), LAUNCH_NS)
