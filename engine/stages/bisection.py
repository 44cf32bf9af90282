"""Any moment from a model that knows only the middle: halve the interval again and again.

The way of the authors of RIFE v3 (Huang et al., ECCV 2022): the picture in the middle becomes a neighbour itself. The
motion to the two film frames is composed along the way, so that colour can be carried along it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from engine.backends.base import Array
from engine.device.base import DeviceArray
from engine.errors import UnsupportedModelError
from engine.stages.flow_model import FlowModel, still
from engine.stages.warp import sample
from engine.types import Planes

DEPTH = 3
"""Halvings: moments are served to the nearest eighth of an interval, at most 1/16 off (2.6 ms at 24 frames/s)."""

PARTS = 2**DEPTH

FAINT = 1e-3
"""Weight of a way to a film frame that the masks rule out, so that pixels seen in neither have some motion."""

Tensor = TypeVar("Tensor", bound=Array | DeviceArray)


class MiddleModel(Protocol[Tensor]):
    """What a halving asks of a model; attributes as `FlowModel` has them."""

    frame: Tensor | None
    shape: tuple[int, int, int]

    @property
    def first(self) -> Tensor:
        """The picture at the beginning of the interval."""
        ...

    @property
    def second(self) -> Tensor:
        """The picture at its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Generic[Tensor]):
    """A picture on the way.

    picture : float32 (1, C, h, w), as the model sees pictures
    motion : float32 (5, h, w) to the two film frames, in pixels that the model sees; None at the film frames themselves
    """

    picture: Tensor
    motion: Tensor | None


class Halving(Generic[Tensor]):
    """Serves moments between two pictures by repeated halving; keeps one picture per halving and no more.

    Asked in order of time, each picture is made once. A quarter costs two runs, an eighth three, all seven eighths
    seven.

    Parameters
    ----------
    model : of the middle alone
    name : of it, for errors
    zeros : makes memory of a shape

    Raises
    ------
    UnsupportedModelError
        The model makes no picture that could be its own neighbour.
    """

    def __init__(self, model: MiddleModel[Tensor], name: str, zeros: Callable[[tuple[int, ...]], Tensor]) -> None:
        if model.frame is None or model.frame.shape != model.first.shape:
            raise UnsupportedModelError(
                f"model {name}: makes the middle alone and gives no frame of its input's size; wanted one, from which "
                "other moments could be made"
            )
        self._model, shape = model, model.first.shape
        self._nodes = [Node(picture=zeros(shape), motion=zeros(model.shape)) for _ in range(DEPTH)]
        self.begin()

    def begin(self) -> None:
        """Forget the pair before."""
        self._made: list[int | None] = [None] * DEPTH  # the moment that each node holds, in `PARTS` of the interval

    def find(self, timestep: float, make: Callable[[Node[Tensor], Node[Tensor], Node[Tensor]], None]) -> Node[Tensor]:
        """Return the moment nearest to `timestep`.

        `make` writes the last node's picture between those of the first two, and its motion; what it raises goes on.
        """
        ends = {0: self._model.first, PARTS: self._model.second}
        known = {number: Node(picture=picture, motion=None) for number, picture in ends.items()}
        wanted = round(timestep * PARTS)
        for place, (left, middle, right) in enumerate(halvings(wanted)):
            known[middle] = self._nodes[place]
            if self._made[place] != middle:
                self._made[place] = None
                make(known[left], known[right], known[middle])
                self._made[place] = middle
        return known[wanted]


class Bisection:
    """Any moment of a model on the host; parameters and errors are those of `Halving`.

    Attributes
    ----------
    frame : float32 (1, C, h, w), the picture of the last moment found
    """

    def __init__(self, model: FlowModel, name: str) -> None:
        self._model = model
        self._halving = Halving[Array](model, name, lambda shape: np.zeros(shape, np.float32))
        self._step = np.zeros(model.shape, np.float32)
        self._composer = MotionComposer(model.shape, model.seen_cell)
        self.frame: Array | None = model.frame

    def begin(self) -> None:
        """Forget the pair before."""
        self._halving.begin()

    def find(self, timestep: float, out: Planes) -> None:
        """Write the motion from the nearest moment into `out`, as `FlowModel.find`; its picture is then `frame`.

        Raises
        ------
        EngineError
            The backend failed.
        """
        node = self._halving.find(timestep, self._make)
        assert node.motion is not None
        self.frame = node.picture
        if self._model.has_flow:
            np.copyto(out, node.motion)
            self._model.enlarge(out)
        else:
            still(out, timestep)

    def _make(self, left: Node[Array], right: Node[Array], node: Node[Array]) -> None:
        """Make the picture between two others, and its motion to the film frames."""
        assert node.motion is not None
        self._model.run(left.picture, right.picture, 0.5, self._step, node.picture)
        if self._model.has_flow:
            self._composer.compose(self._step, left.motion, right.motion, node.motion)


def halvings(wanted: int) -> Iterator[tuple[int, int, int]]:
    """Yield each halving on the way to a moment, in `PARTS` of the interval: left end, middle, right end."""
    left, right, middle = 0, PARTS, 0
    while middle != wanted:
        middle = (left + right) // 2
        yield left, middle, right
        left, right = (left, middle) if wanted < middle else (middle, right)


def nearest_moment(timestep: float) -> float:
    """Return the moment that `Bisection` serves for `timestep`; 0 and 1 are the film frames themselves."""
    return round(timestep * PARTS) / PARTS


class MotionComposer:
    """Scratch for following motion through a picture to the two beyond it.

    Parameters
    ----------
    shape : (5, h, w) of the motions
    cell : pixels of the flow's unit per value
    """

    def __init__(self, shape: tuple[int, int, int], cell: int) -> None:
        size = shape[1:]
        self._cell = cell
        self._distance = np.empty((2, *size), np.float32)
        self._carried = np.empty((2, 5, *size), np.float32)
        self._shares, self._weights = np.empty((2, 2, *size), np.float32)
        self._total, self._product = np.empty((2, *size), np.float32)

    def compose(self, step: Planes, left: Planes | None, right: Planes | None, out: Planes) -> None:
        """Write the motion to the film's first and second frame.

        Both neighbours know a way to a film frame; the ways are averaged by how much each adds to the picture: its own
        weight in the step times the film frame's weight in it.

        Parameters
        ----------
        step : float32 (5, h, w), flow to the left and the right neighbour, and the left one's weight
        left, right : float32 (5, h, w), the neighbours' own motion; None: it is the film's first, or second, frame
        out : float32 (5, h, w); aliases none of the others
        """
        np.copyto(self._shares[0], step[4])
        np.subtract(1.0, step[4], out=self._shares[1])
        for side, motion in enumerate((left, right)):
            self._carry(step[2 * side : 2 * side + 2], motion, side)
        for end in (0, 1):
            self._average(end, (left, right), out[2 * end : 2 * end + 2])
        np.multiply(self._shares[0], self._carried[0, 4], out=out[4])
        np.multiply(self._shares[1], self._carried[1, 4], out=self._product)
        np.add(out[4], self._product, out=out[4])

    def _carry(self, flow: Planes, motion: Planes | None, side: int) -> None:
        """Put the motion by way of one neighbour into `_carried`."""
        carried = self._carried[side]
        if motion is None:
            carried[:4] = 0.0
            carried[4] = 1.0 - side
        else:
            np.multiply(flow, 1.0 / self._cell, out=self._distance)
            for plane, target in zip(motion, carried, strict=True):
                sample(plane, self._distance[0], self._distance[1], target)
        for axis in range(4):
            np.add(carried[axis], flow[axis % 2], out=carried[axis])

    def _average(self, end: int, sides: tuple[Planes | None, Planes | None], out: Planes) -> None:
        """Write the flow to the film frame `end` (0 or 1), averaged over both neighbours, into `out` (2, h, w)."""
        for side, motion in enumerate(sides):
            weight = self._weights[side]
            if motion is None and side != end:
                weight.fill(0.0)  # the film's other frame lies behind nothing here
                continue
            if end == 0:
                np.copyto(weight, self._carried[side, 4])
            else:
                np.subtract(1.0, self._carried[side, 4], out=weight)
            np.multiply(weight, self._shares[side], out=weight)
            np.add(weight, FAINT, out=weight)
        np.add(self._weights[0], self._weights[1], out=self._total)
        for axis in (0, 1):
            np.multiply(self._weights[0], self._carried[0, 2 * end + axis], out=out[axis])
            np.multiply(self._weights[1], self._carried[1, 2 * end + axis], out=self._product)
            np.add(out[axis], self._product, out=out[axis])
            np.divide(out[axis], self._total, out=out[axis])
