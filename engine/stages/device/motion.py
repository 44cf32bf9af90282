"""Motion between two pictures on a device: the twin of `engine/stages/dense_motion.py`, by motion.cu and refine.cu.

`kernels/reference/motion.py` tells what is launched, in which order; it finds what OpenCV's DIS finds within a few
hundredths of a pixel (see its tests).
"""

from engine.device.base import DeviceArray, Graph
from engine.device.operators import Operators, View, view
from engine.stages.dense_motion import FINEST_SCALE, LEAST_SIDE
from kernels.reference.motion import ROUNDS, STEPS, level_sizes, patch_grid
from kernels.reference.refine import OVERSHOOT, RELAXATIONS, TIMES

KERNELS = (
    "motion_smooth",
    "motion_start",
    "motion_search",
    "motion_densify",
    "motion_enlarge",
    "refine_pair",
    "refine_equations",
    "refine_relax",
    "resize_area",
)


class DeviceMotion:
    """Finds motion between the last two pictures seen, both ways.

    The hundreds of small launches of one pair are recorded once and started as one.

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
        self._starts = [view(operators.zeros(2, *patch_grid(*size))) for size in self._levels]
        self._founds = [view(operators.zeros(2, *patch_grid(*size))) for size in self._levels]
        self._flows = [view(operators.zeros(2, *size)) for size in self._levels]
        self._pairs = [view(operators.zeros(2, *size)) for size in self._levels]
        self._equations = [view(operators.zeros(6, *size)) for size in self._levels]
        self._still = view(operators.zeros(2, *patch_grid(*self._levels[-1])))
        self.forward, self.backward = (operators.zeros(2, *self.size) for _ in range(2))
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
        before, now = self._pyramids[1 - newest], self._pyramids[newest]
        self._search(before, now, self.forward)
        self._search(now, before, self.backward)

    def _search(self, origin: list[View], goal: list[View], out: DeviceArray) -> None:
        """Find the motion between two pyramids."""
        run = self._operators.run
        coarser: View | None = None
        for level in reversed(range(len(self._levels))):
            first, second, flow = origin[level], goal[level], self._flows[level]
            start, found = self._starts[level], self._founds[level]
            grid = {"columns": start.width, "rows": start.height}
            if coarser is None:
                begin = self._still
            else:
                begin = start
                run(
                    "motion_start",
                    start.area,
                    coarse=coarser,
                    start=start,
                    coarse_width=coarser.width,
                    coarse_height=coarser.height,
                    **coarser.strides("coarse_"),
                    width=first.width,
                    height=first.height,
                    **grid,
                )
            picture = {"width": first.width, "height": first.height, "pitch": first.pitch, **grid}
            for _ in range(ROUNDS):
                ends = {"origin": first, "goal": second, "start": begin, "found": found}
                run("motion_search", (8, start.width * start.height, 1), **ends, **picture, steps=STEPS)
                begin, found = found, start
            ways = {"found": begin, "flow": flow, "flow_pitch": flow.pitch, "flow_plane": flow.plane}
            run("motion_densify", flow.area, origin=first, goal=second, **ways, **picture)
            self._refine(level, first, second)
            coarser = flow
        assert coarser is not None
        self._operators.enlarge_flow(coarser, view(out))

    def _refine(self, level: int, first: View, second: View) -> None:
        run = self._operators.run
        flow, pair, equations = self._flows[level], self._pairs[level], self._equations[level]
        grid = {"width": flow.width, "height": flow.height, "flow_pitch": flow.pitch, "plane": flow.plane}
        half = ((flow.width + 1) // 2, flow.height, 1)
        for _ in range(TIMES):
            run("refine_pair", flow.area, origin=first, goal=second, flow=flow, pair=pair, pitch=first.pitch, **grid)
            run("refine_equations", flow.area, pair=pair, flow=flow, equations=equations, **grid)
            for _ in range(RELAXATIONS):
                for parity in (0, 1):
                    run(
                        "refine_relax", half, equations=equations, flow=flow, parity=parity, overshoot=OVERSHOOT, **grid
                    )
