"""Whether motion can be believed, decided on a device: the twin of `engine/stages/motion_check.py`.

The decision stays on the device, where the kernels that use the motion read it; only how often each was made comes
back, late, into memory that nobody waits for.
"""

from collections import Counter
from copy import copy
from typing import Self

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.device.rotation import Rotation
from engine.stages.motion_check import CHECK_REDUCTION, MARGIN, NOISE, STRANGERS, Verdict

VERDICTS = (Verdict.FOLLOW, Verdict.CROSS_FADE, Verdict.HOLD)
"""What the numbers of between.cu mean."""

COUNTS = 2
"""Where in a decision the counts of these begin: behind the verdict and the number of the motion that serves."""

BLOCK_WIDTH, BLOCK_HEIGHT, THREADS = 32, 8, 256
"""Threads of a block of `between_change`, and of one of `between_spread`."""

MOST_PARTS = 32
"""Blocks of threads that add up one comparison: enough that none has long to do, and few for the one that decides."""


class DeviceMotionCheck:
    """The last two pictures in small, and the decision about motion between them.

    Parameters
    ----------
    operators : of the stage's stream
    height, width : of the pictures that motion is told for, pixels
    span : of the pictures' values, from black to white
    divisor : pixels of these pictures to one in which motion is told
    looks_twice : whether motion is found twice for each moment
    doubtful, better : mean difference from which motion found again may serve, and the share of it that it must reach
    lanes : that the stage may have

    Attributes
    ----------
    decision : int32 (5,), as between.cu has it; FOLLOW, and the first motion, as long as nothing was decided
    """

    def __init__(
        self,
        operators: Operators,
        height: int,
        width: int,
        span: float,
        *,
        divisor: int,
        looks_twice: bool,
        doubtful: float,
        better: float,
        lanes: int = 1,
    ) -> None:
        self._operators = operators
        operators.prepare("resize_area", "between_change", "between_spread", "between_decide")
        rows, columns = -(-height // CHECK_REDUCTION), -(-width // CHECK_REDUCTION)
        self._pictures = Rotation(lambda: view(operators.zeros(1, rows, columns)), 2, lanes)
        self._ways, self._count = 3 if looks_twice else 2, rows * columns
        self._blocks = -(-rows // BLOCK_HEIGHT) * -(-columns // BLOCK_WIDTH)
        self._parts = min(MOST_PARTS, -(-self._count // THREADS))
        self._scale = divisor / CHECK_REDUCTION
        self._bounds = {
            "unit": 1.0 / (span * self._count),
            "doubtful": doubtful,
            "better": better,
            "strangers": STRANGERS,
            "noise": NOISE,
            "margin": MARGIN,
        }
        self._open(rows, columns)

    def beside(self) -> Self:
        """Return what decides in another lane, about the same pictures."""
        other = copy(self)
        other._open(*self._change.shape[1:])
        return other

    def settle(self, lanes: int) -> None:
        """Give back the memory that only more lanes would need."""
        self._pictures.settle(lanes)

    def _open(self, rows: int, columns: int) -> None:
        """Make what belongs to one lane: scratch, and the decision with its counts."""
        operators = self._operators
        self._change = operators.zeros(self._ways, rows, columns)
        self._sums = operators.zeros(self._ways, self._blocks)
        self._spreads = operators.zeros(self._ways, self._parts)
        self.decision = operators.device.empty((COUNTS + len(VERDICTS),), np.int32)
        operators.device.clear(self.decision, operators.stream)
        self._seen = operators.device.pinned(self.decision.shape, np.int32)
        self._seen.fill(0)

    @property
    def verdicts(self) -> Counter[Verdict]:
        """What was decided as far as the device has come, how often; asks without waiting."""
        counts = zip(VERDICTS, self._seen[COUNTS:].tolist(), strict=True)
        return Counter({verdict: count for verdict, count in counts if count > 0})

    def see(self, picture: View) -> None:
        """Take one plane of the next picture, not smaller than the small ones."""
        self._operators.resize("resize_area", picture, self._pictures.advance())

    def decide(self, flow: View, again: DeviceArray, *, is_new_pair: bool) -> None:
        """Compare the last two pictures along the motion, and standing still; decide.

        Parameters
        ----------
        flow : float32 (4, h, w)
        again : float32 (5, h, w), as it was found the second time; any memory, never read, where it is found once
        is_new_pair : whether nothing was decided between these two yet: which motion serves is decided too
        """
        small = self._pictures[0]
        self._operators.run(
            "between_change",
            (small.width, small.height, self._ways),
            first=self._pictures[1],
            second=small,
            flow=flow,
            again=again,
            change=self._change,
            sums=self._sums,
            width=small.width,
            height=small.height,
            flow_width=flow.width,
            flow_height=flow.height,
            scale=self._scale,
        )
        self._operators.run(
            "between_spread",
            (THREADS, self._parts, self._ways),
            change=self._change,
            sums=self._sums,
            spreads=self._spreads,
            count=self._count,
            blocks=self._blocks,
        )
        self._operators.run(
            "between_decide",
            (1, 1, 1),
            spreads=self._spreads,
            decision=self.decision,
            parts=self._parts,
            is_first=int(is_new_pair),
            was_found_again=int(self._ways == 3),
            **self._bounds,
        )
        self._operators.device.download(self.decision, self._seen, self._operators.stream)
