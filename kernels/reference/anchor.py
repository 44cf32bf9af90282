"""Reference of anchor.cu: correlation of blocks, as OpenCV's TM_CCOEFF_NORMED has it for two of one size."""

import numpy as np
import numpy.typing as npt

from kernels.reference.sampling import bilinear

Planes = npt.NDArray[np.float32]

SPLITS = 4
"""Blocks to a side."""
LEAST_DEVIATION = 0.01
"""Of luma, below which a block shows nothing."""
LIKENESS = 0.85
"""Correlation from which a block shows the same."""
ALIKE_SHARE = 0.5
"""Of the blocks that show anything: so many must show the same."""


def anchor_blocks(luma: Planes, reference: Planes, flow: Planes) -> Planes:
    """Return (2, 16): of each block of luma and of a reference along a flow the smaller deviation, and the correlation.

    Parameters
    ----------
    luma, reference : (1, H, W)
    flow : (2, H, W)
    """
    rows, columns = np.indices(luma.shape[1:], np.float32)
    moved = bilinear(reference, columns + flow[0], rows + flow[1])
    numbers: list[tuple[float, float]] = []
    for strips in zip(
        *(np.array_split(planes[0].astype(np.float64), SPLITS, 0) for planes in (luma, moved)), strict=True
    ):
        for block, other in zip(*(np.array_split(strip, SPLITS, 1) for strip in strips), strict=True):
            if block.size == 0:
                numbers.append((0.0, 0.0))
                continue
            away, other_away = block - block.mean(), other - other.mean()
            norm = np.sqrt((away**2).sum() * (other_away**2).sum())
            correlation = float((away * other_away).sum() / norm) if norm > 0 else 0.0
            numbers.append((float(min(block.std(), other.std())), correlation))
    return np.array(numbers, np.float32).T


def anchor_gate(blocks: Planes, gated: Planes, least: int) -> Planes:
    """Return `gated`, or zeros where the blocks say that it is another picture; `least` of them must show anything."""
    shows = blocks[0] >= LEAST_DEVIATION
    alike = shows & (blocks[1] >= LIKENESS)
    return gated if shows.sum() >= least and alike.sum() >= ALIKE_SHARE * shows.sum() else np.zeros_like(gated)
