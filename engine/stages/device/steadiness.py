"""Keeps colour steady on a device: the twin of `engine/stages/steadiness.py`, by carry.cu and anchor.cu."""

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.stages.device.motion import DeviceMotion
from engine.stages.steadiness import BLOCKS
from kernels.catalogue import catalogue

KERNELS = ("luma_change", "mean_change", "flow_seen", "anchor_blocks", "anchor_gate", "carry_trust", "carry_chroma")


class DeviceSteadiness:
    """Blends each picture's chroma with that of the picture before, within one shot; as `Steadiness`.

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
        self._motion = DeviceMotion(operators, *size, reduction=1)
        self._back, self._forth = view(self._motion.backward), view(self._motion.forward)
        plane = (1, *size)
        self._luma_before, self._change, self._seen, self._trust = (view(operators.zeros(*plane)) for _ in range(4))
        self._sure, self._sure_before = (view(operators.zeros(*plane)) for _ in range(2))
        self._all_sure = operators.constant(np.ones(plane, np.float32))
        columns, rows, _ = catalogue()["luma_change"].grid((size[1], size[0], 1))
        self._sums, self._mean = operators.zeros(columns * rows), operators.zeros(1)
        self._blocks = operators.zeros(2, BLOCKS * BLOCKS)
        self._ab_before = view(operators.zeros(2, *fine_size))
        self._has_before = self._is_anchored = False

    def reset(self) -> None:
        """Begin a shot."""
        self._has_before = self._is_anchored = False

    def anchor(self, luma: View, ab: DeviceArray) -> None:
        """Let a reference stand for the picture before: where the next one shows the same, it takes these colours."""
        self._motion.see(luma)
        self._operators.copy(self._all_sure, self._sure_before.array)
        self._keep(luma, ab)
        self._is_anchored = True

    def steady(self, luma: View, ab: DeviceArray) -> None:
        """Blend a picture's chroma, in place, with what came before.

        Parameters
        ----------
        luma : one plane of `size`, Y' in [0, 1]
        ab : float32 (2, `fine_size`), in any numbers
        """
        self._motion.see(luma)
        if self._has_before:
            self._motion.find()
            self._find_trust(luma)
            self._carry(view(ab))
            self._sure, self._sure_before = self._sure_before, self._sure
        else:
            self._operators.device.clear(self._sure_before.array, self._operators.stream)
        self._keep(luma, ab)
        self._is_anchored = False

    def _keep(self, luma: View, ab: DeviceArray) -> None:
        self._operators.copy(luma.array, self._luma_before.array)
        self._operators.copy(ab, self._ab_before.array)
        self._has_before = True

    def _find_trust(self, luma: View) -> None:
        """Find the weight of what the motion back to the picture before carries, and how far it is sure."""
        run, back, seen = self._operators.run, self._back, self._seen
        size = {"width": luma.width, "height": luma.height}
        grid = {"pitch": back.pitch, "plane": back.plane}
        ways = {"flow": back, "luma_pitch": luma.pitch, **size, **grid}
        run(
            "luma_change",
            luma.area,
            luma=luma,
            before=self._luma_before,
            change=self._change,
            sums=self._sums,
            **ways,
        )
        blocks, pixels = self._sums.shape[0], luma.width * luma.height
        threads = catalogue()["mean_change"].block
        run("mean_change", threads, sums=self._sums, mean=self._mean, blocks=blocks, pixels=pixels)
        run("flow_seen", luma.area, there=back, back=self._forth, seen=seen, **size, **grid)
        if self._is_anchored:
            threads_of_blocks = (catalogue()["anchor_blocks"].block[0], self._blocks.shape[1], 1)
            run(
                "anchor_blocks",
                threads_of_blocks,
                luma=luma,
                reference=self._luma_before,
                blocks=self._blocks,
                **ways,
            )
            run("anchor_gate", seen.area, blocks=self._blocks, seen=seen, pitch=seen.pitch, **size)
        run(
            "carry_trust",
            luma.area,
            change=self._change,
            mean=self._mean,
            seen=seen,
            sure_before=self._sure_before,
            flow=back,
            trust=self._trust,
            sure=self._sure,
            strength=self._strength,
            **size,
            **grid,
        )

    def _carry(self, ab: View) -> None:
        """Mix chroma with that of the picture before, along the motion, by trust."""
        back = self._back
        self._operators.run(
            "carry_chroma",
            ab.area,
            before=self._ab_before,
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
