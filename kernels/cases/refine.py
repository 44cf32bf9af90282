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


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _pair(element, "one pixel", (1, 1), 1.0)
    yield _pair(element, "odd size, padded rows", (19, 43), 3.0)
    yield _pair(element, "flows beyond every edge", (9, 33), 1e3)
    yield _equations("one pixel", (1, 1), 1.0, 100.0)
    yield _equations("odd size, padded rows", (21, 39), 2.0, 100.0)
    yield _equations("all still, all flat", (8, 9), 0.0, 0.0)
    yield _relax("one pixel", (1, 1), 0)
    yield _relax("odd size, padded rows", (19, 67), 0)
    yield _relax("the other half", (18, 66), 1)
    yield _relax("one row", (1, 35), 1)


def _planes(made: Array) -> Array:
    return padded(made, made.shape[2] + 5, made.shape[1] + 2)


def _layout(size: tuple[int, int]) -> dict[str, int]:
    pitch = size[1] + 5
    return {"width": size[1], "height": size[0], "flow_pitch": pitch, "plane": pitch * (size[0] + 2)}


def _flow(seed: int, size: tuple[int, int], spread: float) -> Array:
    return (np.random.default_rng(seed).normal(size=(2, *size)) * spread).astype(np.float32)


def _pair(element: Element, label: str, size: tuple[int, int], spread: float) -> Case:
    origin, goal = picture(1, size, element), picture(2, size, element)
    flow = _flow(3, size, spread)
    return Case(
        kernel="refine_pair",
        label=label,
        arguments={
            "origin": _planes(origin[None]),
            "goal": _planes(goal[None]),
            "flow": _planes(flow),
            "pair": _planes(np.full((2, *size), SENTINEL, np.float32)),
            "pitch": size[1] + 5,
            **_layout(size),
        },
        domain=(size[1], size[0], 1),
        expected={"pair": _planes(refine.refine_pair(origin, goal, flow))},
        tolerance=255 * 1e-5,  # in codes
    )


def _equations(label: str, size: tuple[int, int], spread: float, codes: float) -> Case:
    pair = (_flow(4, size, codes / 3) + np.array([0, 128])[:, None, None]).astype(np.float32)
    flow = _flow(5, size, spread)
    expected = refine.refine_equations(pair, flow)
    return Case(
        kernel="refine_equations",
        label=label,
        arguments={
            "pair": _planes(pair),
            "flow": _planes(flow),
            "equations": _planes(np.full((6, *size), SENTINEL, np.float32)),
            **_layout(size),
        },
        domain=(size[1], size[0], 1),
        expected={"equations": _planes(expected)},
        tolerance=1e-5 * max(1.0, float(np.abs(expected).max())),  # smoothness weighs up to 20000
    )


def _relax(label: str, size: tuple[int, int], parity: int) -> Case:
    pair = (_flow(6, size, 20.0) + np.array([0, 128])[:, None, None]).astype(np.float32)
    flow = _flow(7, size, 2.0)
    equations = refine.refine_equations(pair, flow)
    return Case(
        kernel="refine_relax",
        label=label,
        arguments={
            "equations": _planes(equations),
            "flow": _planes(flow),
            **_layout(size),
            "parity": parity,
            "overshoot": refine.OVERSHOOT,
        },
        domain=((size[1] + 1) // 2, size[0], 1),
        expected={"flow": _planes(refine.refine_relax(equations, flow, parity, refine.OVERSHOOT))},
        tolerance=5e-5,  # the equations are known to 1e-6 of what they weigh
    )
