"""Motion between two pictures on a device: the twin of `engine/stages/dense_motion.py`, by motion.cu and refine.cu.

`kernels/reference/motion.py` tells what is launched, in which order; it finds what OpenCV's DIS finds within a few
hundredths of a pixel (see its tests). Every launch goes both ways: what bounds it is their number (decision 49).
"""

from engine.device.base import Graph
from engine.device.operators import Operators, View, view
from engine.stages.dense_motion import FINEST_SCALE, LEAST_SIDE
from kernels.reference.motion import PATCH, ROUNDS, STEPS, level_sizes, patch_grid
from kernels.reference.refine import OVERSHOOT, TIMES

KERNELS = (
    "motion_smooth",
    "motion_start",
    "motion_search",
    "motion_densify",
    "motion_enlarge",
    "refine_equations",
    "refine_relax",
    "resize_area",
)

WAYS = 2
"""From the picture before to the newest one, and back."""

EQUATION_PLANES = 6
"""Of each way: what `refine_equations` writes."""


class DeviceMotion:
    """Finds motion between the last two pictures seen, both ways.

    The launches of one pair are recorded once and started as one.

    Parameters
    ----------
    operators : of the stage's stream
    height, width : of the pictures
    reduction : pixels of them, in each direction, to one of the motion; 1: motion is told at full size
    finest : as of `DenseMotion`
    is_grainy : blur what grain there is in pictures of the motion's size first

    Attributes
    ----------
    size : height and width of the motion
    forward, backward : float32 (2, *size), x and y in its own pixels: from the picture before to the newest one, and
        back from that; written by `find`
    """

    def __init__(
        self,
        operators: Operators,
        height: int,
        width: int,
        reduction: int = 2,
        *,
        finest: int = FINEST_SCALE,
        is_grainy: bool = False,
    ) -> None:
        self._operators = operators
        operators.prepare(*KERNELS)
        self.size = (max(height // reduction, LEAST_SIDE), max(width // reduction, LEAST_SIDE))
        self._levels = level_sizes(*self.size, finest)
        self._reduced = [view(operators.zeros(1, *self.size)) for _ in range(2)] if is_grainy else []
        self._pyramids = [[view(operators.zeros(1, *size)) for size in self._levels] for _ in range(2)]
        grids = [patch_grid(*size) for size in self._levels]
        self._starts, self._founds = ([view(operators.zeros(2 * WAYS, *grid)) for grid in grids] for _ in range(2))
        self._flows, self._relaxed = (
            [view(operators.zeros(2 * WAYS, *size)) for size in self._levels] for _ in range(2)
        )
        self._equations = [view(operators.zeros(EQUATION_PLANES * WAYS, *size)) for size in self._levels]
        self._still = view(operators.zeros(2 * WAYS, *grids[-1]))
        self._found = operators.zeros(2 * WAYS, *self.size)
        self.forward, self.backward = (
            self._found.view(way * self._found.nbytes // WAYS, (2, *self.size)) for way in range(WAYS)
        )
        self._newest = 0
        self._graphs = [self._record(newest) for newest in (0, 1)]

    def see(self, luma: View) -> None:
        """Make the last picture seen the one before, and `luma` (1 plane, `height` x `width`, in 0..1) the newest."""
        self._newest = 1 - self._newest
        source = self._smooth(luma) if self._reduced else luma
        for level in self._pyramids[self._newest]:
            self._operators.resize("resize_area", source, level)
            source = level

    def see_instead(self, luma: View) -> None:
        """Put `luma` in the place of the newest picture; the one before stays."""
        self._newest = 1 - self._newest
        self.see(luma)

    def _smooth(self, luma: View) -> View:
        """Return a picture in the motion's size, without its grain."""
        reduced, smooth = self._reduced
        self._operators.resize("resize_area", luma, reduced)
        self._operators.run(
            "motion_smooth",
            smooth.area,
            picture=reduced,
            out=smooth,
            width=smooth.width,
            height=smooth.height,
            pitch=reduced.pitch,
            out_pitch=smooth.pitch,
        )
        return smooth

    def find(self) -> None:
        """Write `forward` and `backward`."""
        self._graphs[self._newest].launch(self._operators.stream)

    def _record(self, newest: int) -> Graph:
        """Record the launches for one of the two places of the newest picture.

        They are launched once before, on what is there: what loads at first use must not load while recording.
        """
        self._launch(newest)
        return self._operators.device.record_graph(self._operators.stream, lambda: self._launch(newest))

    def _launch(self, newest: int) -> None:
        """Find the motion between two pyramids, coarse to fine."""
        run = self._operators.run
        coarser: View | None = None
        for level in reversed(range(len(self._levels))):
            pair = {"first": self._pyramids[1 - newest][level], "second": self._pyramids[newest][level]}
            size, flow = pair["first"], self._flows[level]
            start, found = self._starts[level], self._founds[level]
            grid = {"columns": start.width, "rows": start.height}
            if coarser is None:
                begin = self._still
            else:
                begin = start
                run(
                    "motion_start",
                    _both_ways(start),
                    coarse=coarser,
                    start=start,
                    coarse_width=coarser.width,
                    coarse_height=coarser.height,
                    **coarser.strides("coarse_"),
                    width=size.width,
                    height=size.height,
                    **grid,
                )
            picture = {"width": size.width, "height": size.height, "pitch": size.pitch, **grid}
            patches = (PATCH * start.width * start.height, 1, WAYS)
            for _ in range(ROUNDS):
                run("motion_search", patches, **pair, start=begin, found=found, **picture, steps=STEPS)
                begin, found = found, start
            run("motion_densify", _both_ways(flow), **pair, found=begin, flow=flow, **flow.strides("flow_"), **picture)
            coarser = self._refine(level, pair)
        assert coarser is not None
        self._operators.enlarge_flow(coarser, view(self._found))

    def _refine(self, level: int, pair: dict[str, View]) -> View:
        """Return a level's flow, refined."""
        flow, relaxed, equations = self._flows[level], self._relaxed[level], self._equations[level]
        grid = {"width": flow.width, "height": flow.height, "flow_pitch": flow.pitch, "plane": flow.plane}
        pitch, ways = pair["first"].pitch, _both_ways(flow)
        for _ in range(TIMES):
            self._operators.run("refine_equations", ways, **pair, flow=flow, equations=equations, pitch=pitch, **grid)
            told = {"equations": equations, "flow": flow, "out": relaxed}
            self._operators.run("refine_relax", ways, **told, overshoot=OVERSHOOT, **grid)
            flow, relaxed = relaxed, flow
        return flow


def _both_ways(planes: View) -> tuple[int, int, int]:
    """Return a domain: a thread for each pixel, and the ways."""
    return planes.width, planes.height, WAYS
