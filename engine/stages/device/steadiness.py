"""Keeps colour steady on a device: the twin of `engine/stages/steadiness.py`, by carry.cu and anchor.cu."""

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.dense_motion import FINEST_SCALE
from engine.stages.device.motion import DeviceMotion
from engine.stages.steadiness import BLOCKS, REFERENCE_SCALE
from kernels.catalogue import catalogue

KERNELS = ("luma_change", "mean_change", "flow_seen", "anchor_blocks", "anchor_gate", "carry_trust", "carry_chroma")


class _Lender:
    """A picture that lends its colours, and what is needed to find them in another.

    Parameters
    ----------
    operators : of the stage's stream
    size, fine_size : (height, width) of luma, and of chroma
    finest : of the motion, as of `DenseMotion`

    Attributes
    ----------
    motion : between it and the picture seen; `back` leads from there to it, `forth` from it to there
    luma, sure : (1, *size); `sure` is how far its colours are a reference's, 0..1
    ab : (2, *fine_size)
    is_there : whether there is such a picture
    """

    def __init__(self, operators: Operators, size: tuple[int, int], fine_size: tuple[int, int], finest: int) -> None:
        self._operators = operators
        self.motion = DeviceMotion(operators, *size, reduction=1, finest=finest)
        self.back, self.forth = view(self.motion.backward), view(self.motion.forward)
        self.luma, self.sure = (view(operators.zeros(1, *size)) for _ in range(2))
        self.ab = view(operators.zeros(2, *fine_size))
        self.is_there = False

    def take(self, luma: View, ab: DeviceArray) -> None:
        """Be this picture."""
        self._operators.copy(luma.array, self.luma.array)
        self._operators.copy(ab, self.ab.array)
        self.is_there = True


class DeviceSteadiness:
    """Blends each picture's chroma with that of the one before and of a reference, within one shot; as `Steadiness`.

    Whether a reference shows the picture itself is decided on the device: nobody waits for it.

    Parameters
    ----------
    operators : of the stage's stream
    size : (height, width) of luma; at least `dense_motion.LEAST_SIDE` each
    fine_size : (height, width) of chroma
    strength : weight of the chroma carried over where the motion explains everything, 0 to 1
    """

    def __init__(
        self, operators: Operators, size: tuple[int, int], fine_size: tuple[int, int], strength: float
    ) -> None:
        self._operators, self._strength = operators, strength
        operators.prepare(*KERNELS)
        self._sizes = size, fine_size
        self._before = _Lender(operators, size, fine_size, FINEST_SCALE)
        self._reference: _Lender | None = None
        self._size = {"width": size[1], "height": size[0]}
        self._grid = {**self._size, "pitch": self._before.back.pitch, "plane": self._before.back.plane}
        plane = (1, *size)
        self._change, self._seen, self._trust, self._sure = (view(operators.zeros(*plane)) for _ in range(4))
        self._all_sure = operators.constant(np.ones(plane, np.float32))
        columns, rows, _ = catalogue()["luma_change"].grid((size[1], size[0], 1))
        self._sums, self._mean = operators.zeros(columns * rows), operators.zeros(1)
        self._blocks = operators.zeros(2, BLOCKS * BLOCKS)
        self._is_judged = True

    def expect_reference(self) -> None:
        """Make what a reference takes beforehand, so that nothing is made while film runs."""
        if self._reference is None:
            self._reference = _Lender(self._operators, *self._sizes, REFERENCE_SCALE)

    def reset(self) -> None:
        """Begin a shot."""
        self._before.is_there = False
        if self._reference is not None:
            self._reference.is_there = False

    def anchor(self, luma: View, ab: DeviceArray) -> None:
        """Take a reference: if the next picture shows the same, the shot has these colours from there on."""
        self.expect_reference()
        assert self._reference is not None
        self._reference.take(luma, ab)
        self._reference.motion.see(luma)
        self._operators.copy(self._all_sure, self._reference.sure.array)
        self._is_judged = False

    def steady(self, luma: View, ab: DeviceArray) -> None:
        """Blend a picture's chroma, in place, with what came before.

        Parameters
        ----------
        luma : one plane of `size`, Y' in [0, 1]
        ab : float32 (2, `fine_size`), in any numbers
        """
        self._operators.device.clear(self._sure.array, self._operators.stream)
        self._before.motion.see(luma)
        if self._before.is_there:
            self._borrow(self._before, luma, ab, self._strength)
        reference = self._reference
        if reference is not None and reference.is_there:
            if self._is_judged:
                reference.motion.see_instead(luma)
            else:
                reference.motion.see(luma)
            self._borrow(reference, luma, ab, 0.0)
        self._before.take(luma, ab)
        self._before.sure, self._sure = self._sure, self._before.sure

    def _borrow(self, lender: _Lender, luma: View, ab: DeviceArray, strength: float) -> None:
        """Blend chroma with what a picture lends; what is sure of that adds to `_sure`."""
        lender.motion.find()
        self._see(lender, luma)
        self._judge(lender, luma)
        self._find_trust(lender, luma, strength)
        self._carry(lender, view(ab))

    def _see(self, lender: _Lender, luma: View) -> None:
        """Find how far what the motion leads to can be seen."""
        ways = {"there": lender.back, "back": lender.forth}
        self._operators.run("flow_seen", luma.area, **ways, seen=self._seen, **self._grid)

    def _judge(self, lender: _Lender, luma: View) -> None:
        """See nothing of a lender that, along the motion, is another picture; of a reference that begins so, never."""
        gated = [self._seen]
        if lender is self._reference and not self._is_judged:
            gated.append(lender.sure)
            self._is_judged = True
        self._operators.run(
            "anchor_blocks",
            (catalogue()["anchor_blocks"].block[0], self._blocks.shape[1], 1),
            luma=luma,
            reference=lender.luma,
            flow=lender.back,
            blocks=self._blocks,
            luma_pitch=luma.pitch,
            **self._grid,
        )
        told = {"blocks": self._blocks, "least": int(lender is self._reference), **self._size}
        for plane in gated:
            self._operators.run("anchor_gate", plane.area, gated=plane, pitch=plane.pitch, **told)

    def _find_trust(self, lender: _Lender, luma: View, strength: float) -> None:
        """Find the weight of what the motion back to a picture carries, and how far all is sure by now."""
        run = self._operators.run
        run(
            "luma_change",
            luma.area,
            luma=luma,
            before=lender.luma,
            change=self._change,
            sums=self._sums,
            flow=lender.back,
            luma_pitch=luma.pitch,
            **self._grid,
        )
        blocks, pixels = self._sums.shape[0], luma.width * luma.height
        threads = catalogue()["mean_change"].block
        run("mean_change", threads, sums=self._sums, mean=self._mean, blocks=blocks, pixels=pixels)
        run(
            "carry_trust",
            luma.area,
            change=self._change,
            mean=self._mean,
            seen=self._seen,
            sure_before=lender.sure,
            sure_already=self._sure,
            flow=lender.back,
            trust=self._trust,
            sure=self._sure,
            strength=strength,
            **self._grid,
        )

    def _carry(self, lender: _Lender, ab: View) -> None:
        """Mix chroma with the lender's, along the motion, by the weight."""
        back = lender.back
        self._operators.run(
            "carry_chroma",
            ab.area,
            before=lender.ab,
            now=ab,
            flow=back,
            trust=self._trust,
            out=ab,
            width=ab.width,
            height=ab.height,
            planes=ab.planes,
            **ab.strides(),
            flow_width=back.width,
            flow_height=back.height,
            **back.strides("flow_"),
        )
