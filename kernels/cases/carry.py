"""Cases of carry.cu."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import SENTINEL, half_step, picture
from kernels.catalogue import Element, catalogue
from kernels.reference.carry import carry_chroma, carry_trust, luma_change, mean_change

Planes = npt.NDArray[np.float32]


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _change(element, "one pixel", (1, 1), 0.5, TIGHT)
    yield _change(element, "odd size, padded rows", (37, 61), 2.0, WIDE)
    yield _change(element, "whole blocks", (16, 64), 0.0, TIGHT)
    for count in (1, 255, 1000):
        yield _mean(count)
    for label, size, strength, margins in (
        ("one pixel", (1, 1), 0.8, TIGHT),
        ("odd size, padded rows", (37, 61), 0.8, WIDE),
        ("smaller than the window", (2, 3), 1.0, TIGHT),
        ("no strength: what is sure counts still", (19, 33), 0.0, WIDE),
    ):
        yield _trust(label, size, strength, margins)
    yield _chroma(element, "one pixel", (2, 1, 1), (1, 1), 0.3, TIGHT)
    yield _chroma(element, "finer than the flow, padded rows", (2, 37, 61), (21, 34), 2.0, WIDE)
    yield _chroma(element, "coarser than the flow", (2, 19, 33), (32, 40), 2.0, WIDE)
    yield _chroma(element, "flow that is not a number", (1, 9, 33), (9, 33), np.nan, TIGHT)


def _flow(size: tuple[int, int], spread: float) -> Planes:
    return (np.random.default_rng(size[0]).normal(size=(2, *size)) * spread).astype(np.float32)


def _change(element: Element, label: str, size: tuple[int, int], spread: float, margins: Margins) -> Case:
    luma, before, flow = picture(1, (1, *size), element), picture(2, (1, *size), element), _flow(size, spread)
    x, y, _ = catalogue()["luma_change"].block
    change, sums = luma_change(luma.astype(np.float32), before.astype(np.float32), flow, (x, y))
    return Case(
        kernel="luma_change",
        label=label,
        arguments={
            "luma": margins.put(luma),
            "before": margins.put(before),
            "flow": margins.put(flow),
            "change": margins.empty((1, *size)),
            "sums": np.full(sums.size + 2, SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
            **margins.strides(luma.shape, "luma_"),
            **margins.strides(flow.shape),
        },
        domain=(size[1], size[0], 1),
        expected={"change": margins.put(change), "sums": np.append(sums, [SENTINEL] * 2).astype(np.float32)},
        tolerance=1e-5,
    )


def _mean(count: int) -> Case:
    sums = np.random.default_rng(count).normal(size=count).astype(np.float32)
    return Case(
        kernel="mean_change",
        label=f"of {count} blocks",
        arguments={"sums": sums, "mean": np.full(1, SENTINEL, np.float32), "blocks": count, "pixels": 200 * count},
        domain=(256, 1, 1),
        expected={"mean": mean_change(sums, 200 * count)},
        tolerance=1e-6,
    )


def _trust(label: str, size: tuple[int, int], strength: float, margins: Margins) -> Case:
    change = ((picture(1, (1, *size), "float32") - 0.5) * 0.3).astype(np.float32)
    seen, sure_before, sure_already = (picture(seed, (1, *size), "float32") for seed in (2, 3, 4))
    sure_already *= np.float32(0.5)
    flow, mean = _flow(size, 1.5), np.array([0.02], np.float32)
    trust, sure = carry_trust(change, 0.02, seen, sure_before, sure_already, flow, strength)
    return Case(
        kernel="carry_trust",
        label=label,
        arguments={
            "change": margins.put(change),
            "mean": mean,
            "seen": margins.put(seen),
            "sure_before": margins.put(sure_before),
            "sure_already": margins.put(sure_already),
            "flow": margins.put(flow),
            "trust": margins.empty((1, *size)),
            "sure": margins.empty((1, *size)),
            "width": size[1],
            "height": size[0],
            **margins.strides(flow.shape),
            "strength": strength,
        },
        domain=(size[1], size[0], 1),
        expected={"trust": margins.put(trust), "sure": margins.put(sure)},
        tolerance=1e-5,
    )


def _chroma(
    element: Element, label: str, shape: tuple[int, int, int], grid: tuple[int, int], spread: float, margins: Margins
) -> Case:
    before, now = picture(1, shape, element), picture(2, shape, element)
    flow, trust = _flow(grid, spread), picture(3, (1, *grid), "float32")
    made = carry_chroma(before.astype(np.float32), now.astype(np.float32), flow, trust).astype(element)
    return Case(
        kernel="carry_chroma",
        label=label,
        arguments={
            "before": margins.put(before),
            "now": margins.put(now),
            "flow": margins.put(flow),
            "trust": margins.put(trust),
            "out": margins.empty(shape, element),
            "width": shape[2],
            "height": shape[1],
            "planes": shape[0],
            **margins.strides(shape),
            "flow_width": grid[1],
            "flow_height": grid[0],
            **margins.strides(flow.shape, "flow_"),
        },
        domain=(shape[2], shape[1], 1),
        expected={"out": margins.put(made)},
        tolerance=1e-5 + half_step(element),
    )
