"""Cases of refine.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, padded, picture
from kernels.catalogue import Element
from kernels.reference import refine

Array = npt.NDArray[Any]

WAYS = 2
"""There and back."""


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _equations(element, "one pixel", (1, 1), 1.0)
    yield _equations(element, "odd size, padded rows", (19, 43), 3.0)
    yield _equations(element, "flows beyond every edge", (9, 33), 1e2)
    yield _equations(element, "all still, all flat", (8, 9), 0.0, is_flat=True)
    yield _relax("one pixel", (1, 1))
    yield _relax("one row", (1, 35))
    yield _relax("one tile", (24, 32))
    yield _relax("smaller than a tile's margin, padded rows", (7, 9))
    yield _relax("tiles cut off at odd sizes, padded rows", (53, 75))
    yield _relax("a flow that is not a number here and there", (27, 41), hole=True)


def _planes(made: Array) -> Array:
    return padded(made, made.shape[2] + 5, made.shape[1] + 2)


def _layout(size: tuple[int, int]) -> dict[str, int]:
    pitch = size[1] + 5
    return {"width": size[1], "height": size[0], "flow_pitch": pitch, "plane": pitch * (size[0] + 2)}


def _flow(seed: int, size: tuple[int, int], spread: float) -> Array:
    """Return planes x and y of each way."""
    return (np.random.default_rng(seed).normal(size=(2 * WAYS, *size)) * spread).astype(np.float32)


def _equations(element: Element, label: str, size: tuple[int, int], spread: float, *, is_flat: bool = False) -> Case:
    first, second = (np.full(size, 0.5, element) if is_flat else picture(seed, size, element) for seed in (1, 2))
    flow = _flow(3, size, spread)
    ways = (first, second, flow[:2]), (second, first, flow[2:])
    expected = np.concatenate([refine.refine_equations(*way) for way in ways])
    return Case(
        kernel="refine_equations",
        label=label,
        arguments={
            "first": _planes(first[None]),
            "second": _planes(second[None]),
            "flow": _planes(flow),
            "equations": _planes(np.full_like(expected, SENTINEL)),
            "pitch": size[1] + 5,
            **_layout(size),
        },
        domain=(size[1], size[0], WAYS),
        expected={"equations": _planes(expected)},
        tolerance=1e-5 * max(1.0, float(np.abs(expected).max())),  # smoothness weighs up to 20000
    )


def _relax(label: str, size: tuple[int, int], *, hole: bool = False) -> Case:
    pictures = picture(4, size, "float32"), picture(5, size, "float32")
    flow = _flow(6, size, 2.0)
    ways = flow[:2], flow[2:]
    equations = [refine.refine_equations(*pictures, way) for way in ways]
    if hole:
        flow[1, size[0] // 2, size[1] // 2] = flow[2, 0, 0] = np.nan
    expected = [refine.refine_relax(*given, refine.OVERSHOOT) for given in zip(equations, ways, strict=True)]
    return Case(
        kernel="refine_relax",
        label=label,
        arguments={
            "equations": _planes(np.concatenate(equations)),
            "flow": _planes(flow),
            "out": _planes(np.full_like(flow, SENTINEL)),
            **_layout(size),
            "overshoot": refine.OVERSHOOT,
        },
        domain=(size[1], size[0], WAYS),
        expected={"out": _planes(np.concatenate(expected))},
        tolerance=5e-5,  # the equations are known to 1e-6 of what they weigh
    )
