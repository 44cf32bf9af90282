"""A reference is taken for the film itself where the processor's chain takes it for that."""

import numpy as np
import pytest

from engine.stages import steadiness
from engine.stages.steadiness import Steadiness
from kernels.reference import anchor
from kernels.reference.anchor import anchor_blocks, anchor_gate
from tests.kernels.surface_formats import scene

SIZE = (67, 98)


class Judge(Steadiness):
    def says(self, luma: np.ndarray, reference: np.ndarray, flow: np.ndarray) -> bool:
        self.anchor(reference[0], np.zeros((2, *SIZE), np.float32))
        np.copyto(self._back, flow.transpose(1, 2, 0))
        return self._shows_the_same(self._reference, luma[0], least=1)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("flat", [0, 40, SIZE[1]])
def test_the_same_references_pass_as_on_the_processor(share: float, flat: int):
    luma, other = scene(1, (1, *SIZE)), scene(2, (1, *SIZE))
    luma[:, :, :flat] = 0.4
    reference = luma.copy()
    reference[:, int((1 - share) * SIZE[0]) :] = other[:, int((1 - share) * SIZE[0]) :]
    flow = np.random.default_rng(4).normal(size=(2, *SIZE)).astype(np.float32) * 0.05
    gated = anchor_gate(anchor_blocks(luma, reference, flow), np.ones((1, *SIZE), np.float32), 1)
    assert bool(gated.all()) == Judge(SIZE, SIZE, 0.8).says(luma, reference, flow)
    assert gated.all() == gated.any()


def test_the_numbers_are_the_processors():
    ours = (anchor.SPLITS, anchor.LEAST_DEVIATION, anchor.LIKENESS, anchor.ALIKE_SHARE)
    theirs = (steadiness.BLOCKS, steadiness.LEAST_DEVIATION, steadiness.LIKENESS, steadiness.ALIKE_SHARE)
    assert ours == theirs
