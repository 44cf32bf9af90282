"""Motion as it is given to a model that judges it, on a device: the twin of `engine/stages/given_motion.py`."""

from copy import copy
from dataclasses import dataclass
from typing import Self

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.device.motion import DeviceMotion
from engine.stages.given_motion import (
    CELL,
    EVIDENCE_PLANES,
    HALF,
    HELD,
    MISS,
    MISS_SHARE,
    MOTION_PLANES,
    SHARE,
    UNDECIDED,
    Line,
)

COMPARED_PLANES = 4
"""Of the evidence, those that come of comparing the pictures; belief in the pictures around stands behind them."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture as it is judged, one value for 2x2 and 4x4 pixels."""

    half: View
    small: View


@dataclass(slots=True)
class _Pair:
    """Motion between two neighbouring pictures there and back, in pixels, and how far each is undone by the other."""

    ways: View
    trust: View
    is_even: bool = False


class DeviceGivenMotion:
    """Motion between two pictures, seen from moments between them, and what speaks for it.

    Attributes are those of `GivenMotion`; the arrays lie on the device.

    Parameters
    ----------
    operators : of the stage's stream
    height, width : of the pictures; multiples of 4
    """

    def __init__(self, operators: Operators, height: int, width: int) -> None:
        self._operators = operators
        operators.prepare(
            "between_given", "between_believe", "between_aim", "between_bend", "between_compare", "resize_area"
        )
        self._search = DeviceMotion(operators, height, width)
        rows, columns = self._search.size
        self._scale = {"scale_x": width / columns, "scale_y": height / rows}
        self._search_size = {"from_width": columns, "from_height": rows}
        half, cells = (height // HALF, width // HALF), (height // CELL, width // CELL)
        self._size = {"width": cells[1], "height": cells[0]}
        self._pictures = Line(lambda: _Seen(view(operators.zeros(1, *half)), view(operators.zeros(1, *cells))))
        self._pairs = Line(lambda: _Pair(view(operators.zeros(4, *cells)), view(operators.zeros(2, *cells))))
        self.motion: DeviceArray = operators.zeros(1, MOTION_PLANES, *cells)
        self.evidence: DeviceArray = operators.zeros(1, EVIDENCE_PLANES, *cells)

    def beside(self) -> Self:
        """Return the same motion as it is given to the model of another lane.

        What a lane aims with outlasts the other's next picture: memory of a `Line` is written again a turn later.
        """
        other = copy(self)
        other.motion = self._operators.zeros(*self.motion.shape)
        other.evidence = self._operators.zeros(*self.evidence.shape)
        return other

    def append(self, picture: View, *, is_even: bool = True) -> None:
        """Take the next picture of the shot and find its motion; parameters are those of `GivenMotion.append`."""
        seen = self._pictures.spare()
        self._search.see(picture)
        self._operators.resize("resize_area", picture, seen.half)
        self._operators.resize("resize_area", seen.half, seen.small)
        pair: _Pair | None = None
        if self._pictures.items[-1] is not None:
            pair = self._pairs.spare()
            pair.is_even = is_even
            self._find(pair)
        self._pictures.push(seen)
        self._pairs.push(pair)

    def finish(self) -> None:
        """Say that the shot has no further picture."""
        self._pictures.push(None)
        self._pairs.push(None)

    def clear(self) -> None:
        """Forget the shot."""
        for _ in range(HELD):
            self.finish()

    def aim(self, timestep: float) -> None:
        """Write `motion` and `evidence` for a moment; which one `GivenMotion.aim` says."""
        first, second, _ = self._pictures.items
        before, pair, after = self._pairs.items
        assert first is not None
        assert second is not None
        assert pair is not None
        motion, evidence = view(self.motion), view(self.evidence)
        self._operators.run(
            "between_aim",
            motion.area,
            first=first.small,
            second=second.small,
            ways=pair.ways,
            motion=motion,
            **self._size,
            cell=float(CELL),
            timestep=timestep,
            undecided=UNDECIDED,
            share=SHARE,
        )
        has_before, has_after = before is not None and pair.is_even, after is not None and after.is_even
        beside = (before or pair, after or pair)  # of a pair that is not there nothing is read
        self._operators.run(
            "between_bend",
            (motion.width, motion.height, 2),
            before_ways=beside[0].ways,
            before_trust=beside[0].trust,
            ways=pair.ways,
            trust=pair.trust,
            after_ways=beside[1].ways,
            after_trust=beside[1].trust,
            motion=motion,
            belief=evidence.part(COMPARED_PLANES, 2),
            **self._size,
            has_before=int(has_before),
            has_after=int(has_after),
            cell=float(CELL),
            timestep=timestep,
        )
        self._operators.run(
            "between_compare",
            motion.area,
            first=first.half,
            second=second.half,
            motion=motion,
            evidence=evidence,
            **self._size,
            times=CELL // HALF,
            scale=1.0 / HALF,
        )

    def _find(self, pair: _Pair) -> None:
        self._search.find()
        found = {"forward": self._search.forward, "backward": self._search.backward, "given": pair.ways}
        self._operators.run(
            "between_given", pair.ways.domain, **found, **self._search_size, **self._size, **self._scale
        )
        self._operators.run(
            "between_believe",
            pair.trust.domain,
            ways=pair.ways,
            trust=pair.trust,
            **self._size,
            cell=float(CELL),
            share=MISS_SHARE,
            miss=MISS,
        )
