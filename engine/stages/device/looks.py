"""What the inspect stage compares of frames on a device: the twin of `HostLooks`, by inspect.cu.

Which numbers the stage will judge by depends on what it decides about the frames before, and it decides late. So all
that it may ask for is measured at once, behind each frame: some thirty small launches, recorded as one graph for each
place in the ring of frames, and one copy of some fifty numbers into page-locked memory. They are read when `LATE` more
frames have been seen, and then have come by themselves.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import on_device
from engine.errors import InternalError
from engine.stages.cuts import LOOK_SIZE, MEMORY, likeness_of
from engine.stages.looks import Looks, thinned
from engine.stages.repeats import BLOCKS, Difference
from engine.types import Planes

LATE = 2
"""Frames by which numbers are asked for later than on the host: 33 ms at 60 frames a second, in which the device may
have other work. With each more, one difference more is measured of a frame, and one frame more is held."""

KERNELS = (
    "inspect_thin",
    "inspect_blocks",
    "inspect_difference",
    "inspect_spread",
    "inspect_parts",
    "inspect_likeness",
)

SCORES, PAIR = 3, 4
"""Numbers of one look at a difference, of which there are two, and of two pictures' likeness."""

PARTS = 12
"""Blocks of a picture of `LOOK_SIZE`."""

THREADS = {"blocks": 64, "scores": 256, "parts": 512, "likeness": 32}
"""Threads that each of the kernels of fixed sizes wants in x."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of two pictures of `LOOK_SIZE`; as `engine.stages.cuts.Pair` wants it."""

    difference: float
    deviations: tuple[float, float]
    matched: float


class DeviceLooks(Looks):
    """On a device, in the order of the stage's stream.

    Of each frame are measured: the difference to each of the frames before it that may turn out to be the last new one
    by the time it is judged, and to the one that was kept when it was seen; the likeness to the `MEMORY` before it.

    Parameters
    ----------
    operators : of the stage's stream
    height, width, ahead : as of `HostLooks`
    """

    late = LATE

    def __init__(self, operators: Operators, height: int, width: int, ahead: int) -> None:
        operators.prepare(*KERNELS)
        self._operators, device = operators, operators.device
        self._step, size = thinned(height, width)
        grows = size[0] < LOOK_SIZE[0] or size[1] < LOOK_SIZE[1]  # INTER_AREA is another thing there
        self._reduce = "resize_area_enlarge" if grows else "resize_area"
        operators.prepare(self._reduce)
        self._lags = ahead + LATE
        slots = self._lags + 1
        self._pairs_at = 2 * SCORES * (self._lags + 1)
        count = self._pairs_at + PAIR * MEMORY
        self._grains = [view(operators.zeros(1, *size)) for _ in range(slots)]
        self._smalls = [view(operators.zeros(1, *LOOK_SIZE)) for _ in range(slots)]
        self._kept = view(operators.zeros(1, *size))
        self._numbers = operators.zeros(count)
        self._no_level = operators.zeros(1)
        self._blocks, self._parts = operators.zeros(2, BLOCKS[0] * BLOCKS[1]), operators.zeros(2, PARTS)
        self._arrivals = [(device.pinned((count,), np.float32), device.event()) for _ in range(slots)]
        self._measure(0)  # what loads lazily is not loaded while recording
        self._graphs = [
            device.record_graph(operators.stream, lambda slot=slot: self._measure(slot)) for slot in range(slots)
        ]
        self._seen = 0
        self._arrived = -1
        self._kept_number = -1
        self._kept_when_seen = [-1] * slots

    def see(self, pixels: Planes) -> int:
        """Look at a frame; the host goes on."""
        number, self._seen = self._seen, self._seen + 1
        slot, operators = number % len(self._grains), self._operators
        planes, grain = view(on_device(pixels)), self._grains[slot]
        operators.run(
            "inspect_thin",
            grain.area,
            picture=planes.part(planes.planes // 2, 1),
            thin=grain,
            pitch=planes.pitch,
            step=self._step,
            width=grain.width,
            height=grain.height,
        )
        self._graphs[slot].launch(operators.stream)
        numbers, has_come = self._arrivals[slot]
        operators.device.download(self._numbers, numbers, operators.stream)
        operators.stream.record(has_come)
        self._kept_when_seen[slot] = self._kept_number
        return number

    def wait_for(self, number: int) -> bool:
        """Let a frame's numbers be there; return whether the host had to wait."""
        if number <= self._arrived:
            return False
        self._arrived = number
        has_come = self._arrivals[number % len(self._arrivals)][1]
        if has_come.has_come:
            return False
        has_come.synchronize()
        return True

    def keep(self, number: int) -> None:
        """Copy what is compared of a frame, for the frames to be seen from now on."""
        self._kept_number = number
        self._operators.copy(self._grains[number % len(self._grains)].array, self._kept.array)

    def change(self, number: int) -> Difference:
        """Return the difference to the frame before."""
        return self._difference(number, 0)

    def since_kept(self, number: int) -> Difference:
        """Return the difference to the frame kept: by now, or already when this one was seen."""
        if self._kept_number == self._kept_when_seen[number % len(self._kept_when_seen)]:
            return self._difference(number, self._lags)
        lag = number - self._kept_number
        if not 1 <= lag <= self._lags:
            raise InternalError(f"frame {number} was not compared with frame {self._kept_number}")
        return self._difference(number, lag - 1)

    def likeness(self, first: int, second: int) -> float:
        """Return the likeness of two frames, decided by what was measured."""
        at = self._pairs_at + PAIR * (second - first - 1)
        difference, one, other, matched = self._of(second)[at : at + PAIR].tolist()
        return likeness_of(Measured(difference, (one, other), matched))

    def _of(self, number: int) -> npt.NDArray[np.float32]:
        return self._arrivals[number % len(self._arrivals)][0]

    def _difference(self, number: int, which: int) -> Difference:
        at = 2 * SCORES * which
        mean, peak, _, steady_mean, steady_peak, _ = self._of(number)[at : at + 2 * SCORES].tolist()
        return Difference(mean, peak, steady_mean, steady_peak)

    def _measure(self, slot: int) -> None:
        """Measure all of the frame in a place of the ring, whose thinned luma is there."""
        grain, small = self._grains[slot], self._smalls[slot]
        self._operators.resize(self._reduce, grain, small)
        for lag in range(1, self._lags + 1):
            self._measure_difference(self._grains[slot - lag], grain, 2 * SCORES * (lag - 1))
        self._measure_difference(self._kept, grain, 2 * SCORES * self._lags)
        for lag in range(1, MEMORY + 1):
            self._measure_likeness(self._smalls[slot - lag], small, self._pairs_at + PAIR * (lag - 1))

    def _measure_difference(self, first: View, second: View, at: int) -> None:
        """Write mean, peak and level of a difference, and behind them the same with brightness made equal."""
        run, level = self._operators.run, self._no_level
        pictures = {"first": first, "second": second, "width": second.width, "height": second.height}
        for begin in (at, at + SCORES):
            scores = self._place(begin, SCORES)
            run(
                "inspect_blocks",
                (THREADS["blocks"], BLOCKS[0] * BLOCKS[1], 1),
                level=level,
                blocks=self._blocks,
                **pictures,
            )
            run("inspect_difference", (THREADS["scores"], 1, 1), blocks=self._blocks, scores=scores)
            level = self._place(begin + SCORES - 1, 1)

    def _measure_likeness(self, first: View, second: View, at: int) -> None:
        """Write difference, both deviations and how far the blocks were found."""
        run, spread = self._operators.run, self._place(at, PAIR - 1)
        run("inspect_spread", (THREADS["scores"], 1, 1), first=first, second=second, scores=spread)
        parts = {"spread": spread, "parts": self._parts}
        run("inspect_parts", (THREADS["parts"], PARTS, 1), first=first, second=second, **parts)
        matched = self._place(at + PAIR - 1, 1)
        run("inspect_likeness", (THREADS["likeness"], 1, 1), parts=self._parts, scores=matched)

    def _place(self, at: int, count: int) -> DeviceArray:
        return self._numbers.view(at * self._numbers.dtype.itemsize, (count,))
