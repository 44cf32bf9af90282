"""Cases of anchor.cu."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import SENTINEL, picture
from kernels.catalogue import Element
from kernels.reference.anchor import LIKENESS, SPLITS, anchor_blocks, anchor_gate

Planes = npt.NDArray[np.float32]
COUNT = SPLITS * SPLITS


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _blocks(element, "a pixel per block", (4, 4), 0.0, TIGHT)
    yield _blocks(element, "odd size, padded rows", (67, 121), 1.5, WIDE)
    yield _blocks(element, "fewer rows than blocks", (3, 41), 0.5, TIGHT)
    yield _blocks(element, "more pixels per block than threads", (80, 96), 3.0, WIDE, level=0.9)
    yield _gate("all alike", np.full(COUNT, 0.2), np.full(COUNT, 0.99), (9, 33), WIDE)
    half = np.where(np.arange(COUNT) < COUNT // 2, 0.95, LIKENESS - 0.05)
    yield _gate("just enough alike", np.full(COUNT, 0.2), half, (8, 32), TIGHT)
    yield _gate("one too few", np.full(COUNT, 0.2), np.roll(half, 3) - 0.2 * np.eye(COUNT)[5], (7, 45), WIDE)
    yield _gate("only what shows something counts", np.where(half > 0.9, 0.2, 0.001), half, (9, 33), TIGHT)
    yield _gate("nothing shows anything", np.zeros(COUNT), np.ones(COUNT), (1, 1), TIGHT)
    yield _gate("nothing need show anything", np.zeros(COUNT), np.ones(COUNT), (3, 40), TIGHT, least=0)
    yield _gate("blocks that are no numbers", np.full(COUNT, 0.2), np.full(COUNT, np.nan), (5, 7), WIDE)


def _blocks(
    element: Element, label: str, size: tuple[int, int], spread: float, margins: Margins, level: float = 0.0
) -> Case:
    """Of pictures that are alike here and not there; `level` makes them bright and of little contrast."""
    luma, other = (picture(seed, (1, *size), "float32") for seed in (1, 2))
    reference = luma + np.linspace(0, 1, size[1], dtype=np.float32) * (other - luma)
    luma, reference = ((level + planes * (1 - level)).astype(element) for planes in (luma, reference))
    flow = (np.random.default_rng(3).normal(size=(2, *size)) * spread).astype(np.float32)
    blocks = anchor_blocks(luma.astype(np.float32), reference.astype(np.float32), flow)
    return Case(
        kernel="anchor_blocks",
        label=label,
        arguments={
            "luma": margins.put(luma),
            "reference": margins.put(reference),
            "flow": margins.put(flow),
            "blocks": np.full((2, COUNT), SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
            **margins.strides(luma.shape, "luma_"),
            **margins.strides(flow.shape),
        },
        domain=(256, COUNT, 1),
        expected={"blocks": blocks},
        tolerance=1e-4,  # a correlation is a quotient of small numbers
    )


def _gate(
    label: str,
    deviations: npt.NDArray[np.float64],
    correlations: npt.NDArray[np.float64],
    size: tuple[int, int],
    margins: Margins,
    least: int = 1,
) -> Case:
    blocks, gated = np.stack([deviations, correlations]).astype(np.float32), picture(1, (1, *size), "float32")
    return Case(
        kernel="anchor_gate",
        label=label,
        arguments={
            "blocks": blocks,
            "gated": margins.put(gated),
            "width": size[1],
            "height": size[0],
            **margins.strides(gated.shape),
            "least": least,
        },
        domain=(size[1], size[0], 1),
        expected={"gated": margins.put(anchor_gate(blocks, gated, least))},
        tolerance=0.0,
    )
