"""Motion as it is given to a model that judges it: found between neighbouring frames, seen from a moment between two.

Motion is found in both directions (`dense_motion.py`). Seen from the moment, each direction is a proposal: the way to
both frames of whatever passes there. Where one of them is wrong, for what it follows is hidden in the other frame, the
frames differ along it; so of both proposals and their mean that one counts, place by place, along which frames agree.

Things rarely move evenly. Beside the pair stand the frames before and after it, and the motion there says how what is
seen in the pair speeds up, slows down or turns: its path is a parabola rather than a line (Xu et al., "Quadratic Video
Interpolation", NeurIPS 2019), and at the moment it lies off the line by up to an eighth of its acceleration. Both
neighbours say by how much, and how far they can be believed; the model decides.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np

from engine.stages.dense_motion import DenseMotion, Flow, Picture
from engine.stages.luma import Plane, reduce_by_area
from engine.stages.warp import sample
from engine.types import Planes

CELL = 4
"""Pixels of the pictures per value of the motion."""

HALF = 2
"""Pixels to one of the pictures on which motion is judged: fine texture still tells there, at a quarter of the cost."""

HELD = 3
"""Pairs of neighbours: the one that is asked about, and those before and after it."""

MOTION_PLANES, EVIDENCE_PLANES = 8, 6

NEIGHBOURHOOD = 5
"""Side in cells of what the frames are compared on: along a single cell everything looks alike."""

UNDECIDED, SHARE = 0.005, 0.15
"""By how much more than along the best proposal, of a range of 1 and of what they differ there, frames may differ along
another until it counts 1/e as much."""

MISS_SHARE, MISS = 0.2, 0.3
"""By how much the way there and the way back may miss each other, squared, of both ways' squares and in square cells,
until motion is believed 1/e."""


Item = TypeVar("Item")


class Line(Generic[Item]):
    """The last `HELD` of something, oldest first, None where there is none; their memory is used again.

    Parameters
    ----------
    make : makes memory for one
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._spare = deque(make() for _ in range(HELD + 1))
        self.items: deque[Item | None] = deque([None] * HELD)

    def spare(self) -> Item:
        """Return memory for the next one; it is to be pushed."""
        return self._spare.popleft()

    def push(self, item: Item | None) -> None:
        """Let all move up by one."""
        self.items.append(item)
        oldest = self.items.popleft()
        if oldest is not None:
            self._spare.append(oldest)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture: as motion is found on it, and as it is judged.

    reduced : uint8, of `DenseMotion.size`
    half, small : float32, 0..1, one value for 2x2 and 4x4 pixels
    """

    reduced: Picture
    half: Plane
    small: Plane


@dataclass(slots=True)
class _Pair:
    """Motion between two neighbouring pictures, in cells.

    ways : float32 (2, 2, h, w): where each place of the first lies in the second (x, y), and the other way round
    trust : float32 (2, h, w), how far each of them meets the other, 0..1
    is_even : whether they are as far apart in time as those of the pair before
    """

    ways: Planes
    trust: Planes
    is_even: bool = False


class GivenMotion:
    """Motion between two pictures, seen from moments between them, and what speaks for it.

    The two stand in the middle of four, of which the outer ones may be missing.

    Parameters
    ----------
    height, width : of the pictures; multiples of 4

    Attributes
    ----------
    motion : float32 (1, 8, height / 4, width / 4), pixels: from the moment to the first picture (x, y), to the second;
        then by how much the place that both show lies off, by the picture before them, and by the one after
    evidence : float32 (1, 6, height / 4, width / 4): by how much the pictures differ along the motion, and standing
        still (means of absolute differences); their difference along it, with its sign, and their mean; how far what
        the picture before says, and the one after, can be believed, 0..1
    """

    def __init__(self, height: int, width: int) -> None:
        self._search = DenseMotion(height, width)
        half, self._cells = (height // HALF, width // HALF), (height // CELL, width // CELL)
        self._pictures = Line(
            lambda: _Seen(
                np.zeros(self._search.size, np.uint8), np.zeros(half, np.float32), np.zeros(self._cells, np.float32)
            )
        )
        self._pairs = Line(
            lambda: _Pair(np.zeros((2, 2, *self._cells), np.float32), np.zeros((2, *self._cells), np.float32))
        )
        self._way: Flow = np.zeros((*self._search.size, 2), np.float32)
        self._small_way = np.zeros((*self._cells, 2), np.float32)
        self._bends = np.zeros((2, 3, *self._cells), np.float32)
        self._proposals = np.zeros((3, 4, *self._cells), np.float32)
        self._flow = np.zeros((4, *self._cells), np.float32)
        self._weights = np.zeros((3, *self._cells), np.float32)
        self._sampled = np.zeros((3, *self._cells), np.float32)
        self._least, self._scratch = np.zeros((2, *self._cells), np.float32)
        self._half_flow = np.zeros((4, *half), np.float32)
        self._half_sampled = np.zeros((2, *half), np.float32)
        self._half_change = np.zeros(half, np.float32)
        self.motion = np.zeros((1, MOTION_PLANES, *self._cells), np.float32)
        self.evidence = np.zeros((1, EVIDENCE_PLANES, *self._cells), np.float32)

    def append(self, picture: Plane, *, is_even: bool = True) -> None:
        """Take the next picture of the shot, and find its motion against the one before.

        Parameters
        ----------
        picture : float32 (height, width), 0..1
        is_even : whether it is as far from the one before as that was from the one before it
        """
        seen = self._pictures.spare()
        self._search.reduce(picture, seen.reduced)
        reduce_by_area(picture, seen.half)
        reduce_by_area(seen.half, seen.small)
        last = self._pictures.items[-1]
        pair: _Pair | None = None
        if last is not None:
            pair = self._pairs.spare()
            pair.is_even = is_even
            self._find(last, seen, pair)
        self._turn(seen, pair)

    def finish(self) -> None:
        """Say that the shot has no further picture."""
        self._turn(None, None)

    def clear(self) -> None:
        """Forget the shot."""
        for _ in range(HELD):
            self._turn(None, None)

    def aim(self, timestep: float) -> None:
        """Write `motion` and `evidence` for a moment, in (0, 1), between the second and the third last picture.

        After `finish` these are the shot's last two.
        """
        first, second, _ = self._pictures.items
        pair = self._pairs.items[1]
        assert first is not None
        assert second is not None
        assert pair is not None
        self._propose(pair, timestep)
        self._weigh(first, second)
        self._choose()
        np.multiply(self._flow, CELL, out=self.motion[0, :4])
        self._bend(timestep)
        self._compare(first, second)

    def _turn(self, seen: _Seen | None, pair: _Pair | None) -> None:
        """Let all pictures and pairs move up by one."""
        self._pictures.push(seen)
        self._pairs.push(pair)
        before, now, after = self._pairs.items
        self._bends.fill(0.0)
        if now is None:
            return
        if before is not None and now.is_even:
            self._accelerate(now, 0, before, 1, self._bends[0])
        if after is not None and after.is_even:
            self._accelerate(now, 1, after, 0, self._bends[1])

    def _find(self, first: _Seen, second: _Seen, pair: _Pair) -> None:
        pictures = (first.reduced, second.reduced)
        rows, columns = self._cells
        for number, way in enumerate(pair.ways):
            self._search.find(pictures[number], pictures[1 - number], self._way)
            cv2.resize(self._way, (columns, rows), dst=self._small_way, interpolation=cv2.INTER_AREA)
            for axis, scale in enumerate(self._search.scale):
                np.multiply(self._small_way[..., axis], scale / CELL, out=way[axis])
        for number, trust in enumerate(pair.trust):
            self._believe(pair.ways[number], pair.ways[1 - number], trust)

    def _believe(self, there: Planes, back: Planes, trust: Plane) -> None:
        """Write how far a way there is undone by the way back."""
        x, y = self._sampled[:2]
        for plane, out in zip(back, (x, y), strict=True):
            sample(plane, there[0], there[1], out)
        lengths = (there[0], there[1], x, y)
        trust.fill(0.0)
        for part in lengths:
            cv2.accumulateSquare(part, trust)
        np.multiply(trust, MISS_SHARE, out=trust)
        np.add(trust, MISS, out=trust)
        np.add(x, there[0], out=x)
        np.add(y, there[1], out=y)
        cv2.magnitude(x, y, magnitude=self._scratch)
        np.multiply(self._scratch, self._scratch, out=self._scratch)
        np.divide(self._scratch, trust, out=trust)
        np.negative(trust, out=trust)
        np.exp(trust, out=trust)

    def _accelerate(self, now: _Pair, way: int, other: _Pair, other_way: int, out: Planes) -> None:
        """Write by how much the way out of a picture into the pair and that out of it to the other side do not cancel.

        out : x, y, and how far both are believed
        """
        np.add(now.ways[way], other.ways[other_way], out=out[:2])
        np.multiply(now.trust[way], other.trust[other_way], out=out[2])

    def _propose(self, pair: _Pair, timestep: float) -> None:
        """Write both directions' motion, seen from the moment, and their mean, in cells."""
        forward, backward, mean = self._proposals
        rest = 1.0 - timestep
        for axis in (0, 1):
            np.multiply(pair.ways[0, axis], -timestep, out=forward[axis])
            np.multiply(pair.ways[0, axis], rest, out=forward[2 + axis])
            np.multiply(pair.ways[1, axis], timestep, out=backward[axis])
            np.multiply(pair.ways[1, axis], -rest, out=backward[2 + axis])
        cv2.addWeighted(forward, 0.5, backward, 0.5, 0.0, dst=mean)

    def _weigh(self, first: _Seen, second: _Seen) -> None:
        """Write how much each proposal counts."""
        for proposal, weight in zip(self._proposals, self._weights, strict=True):
            for number, picture in enumerate((first, second)):
                sample(picture.small, proposal[2 * number], proposal[2 * number + 1], self._sampled[number])
            cv2.absdiff(self._sampled[0], self._sampled[1], dst=self._scratch)
            cv2.blur(self._scratch, (NEIGHBOURHOOD, NEIGHBOURHOOD), dst=weight, borderType=cv2.BORDER_REPLICATE)
        np.minimum(self._weights[0], self._weights[1], out=self._least)
        np.minimum(self._least, self._weights[2], out=self._least)
        np.subtract(self._least, self._weights, out=self._weights)
        np.multiply(self._least, SHARE, out=self._least)
        np.add(self._least, UNDECIDED, out=self._least)
        np.divide(self._weights, self._least, out=self._weights)
        np.exp(self._weights, out=self._weights)

    def _choose(self) -> None:
        """Write the proposals' weighted mean."""
        np.add(self._weights[0], self._weights[1], out=self._scratch)
        np.add(self._scratch, self._weights[2], out=self._scratch)
        np.divide(self._weights, self._scratch, out=self._weights)
        self._flow.fill(0.0)
        for proposal, weight in zip(self._proposals, self._weights, strict=True):
            np.multiply(proposal, weight, out=proposal)
            np.add(self._flow, proposal, out=self._flow)

    def _bend(self, timestep: float) -> None:
        """Write how far both neighbours say that the motion lies off, and how far they are believed."""
        scale = 0.5 * timestep * (1.0 - timestep) * CELL
        for side, bend in enumerate(self._bends):
            x, y, trust = (*self.motion[0, 4 + 2 * side : 6 + 2 * side], self.evidence[0, 4 + side])
            for plane, out in zip(bend, (x, y, trust), strict=True):
                sample(plane, self._flow[2 * side], self._flow[2 * side + 1], out)
            np.multiply(x, scale, out=x)
            np.multiply(y, scale, out=y)

    def _compare(self, first: _Seen, second: _Seen) -> None:
        """Write what speaks for and against the motion."""
        apart, still, change, mean = self.evidence[0, :4]
        rows, columns = self._half_change.shape
        np.multiply(self._flow, CELL / HALF, out=self._flow)
        for coarse, fine in zip(self._flow, self._half_flow, strict=True):
            cv2.resize(coarse, (columns, rows), dst=fine, interpolation=cv2.INTER_LINEAR)
        one, other = self._half_sampled
        sample(first.half, self._half_flow[0], self._half_flow[1], one)
        sample(second.half, self._half_flow[2], self._half_flow[3], other)
        for a, b, out in ((one, other, apart), (first.half, second.half, still)):
            cv2.absdiff(a, b, dst=self._half_change)
            reduce_by_area(self._half_change, out)
        cells_one, cells_other = self._sampled[:2]
        reduce_by_area(one, cells_one)
        reduce_by_area(other, cells_other)
        cv2.subtract(cells_one, cells_other, dst=change)
        cv2.addWeighted(cells_one, 0.5, cells_other, 0.5, 0.0, dst=mean)
