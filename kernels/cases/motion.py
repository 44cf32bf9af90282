"""Cases of motion.cu."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, half_step, padded, picture
from kernels.catalogue import Element
from kernels.reference import motion
from kernels.reference.sampling import bilinear

Array = npt.NDArray[Any]

WAYS = 2
"""There and back."""


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _smooth(element, "one pixel", (1, 1))
    yield _smooth(element, "mirrored twice", (2, 33))
    yield _smooth(element, "odd size, padded rows", (19, 45))
    yield _start(element, "one patch from one", (8, 8), (8, 8))
    yield _start(element, "odd sizes", (17, 29), (35, 59))
    yield _start(element, "a coarse flow that is not a number", (9, 8), (17, 16), hole=True)
    yield _search(element, "one patch", (8, 8), shift=(0.5, -0.25))
    yield _search(element, "odd size, padded rows", (37, 51), shift=(1.3, -0.8))
    yield _search(element, "other brightness", (29, 24), shift=(-1.6, 0.4), gain=0.7)
    yield _search(element, "one patch too many for a block", (12, 40), shift=(0.0, 0.0))
    yield _search(element, "flat", (19, 27), shift=(0.0, 0.0), contrast=0.0)
    yield _search(element, "every third patch thought beyond the edges", (21, 33), shift=(0.6, 0.6), away=1e6)
    yield _search(element, "pictures that are not numbers here and there", (24, 28), shift=(0.4, 0.3), hole=True)
    yield _densify(element, "one patch", (8, 8), 1.0)
    yield _densify(element, "odd size, padded rows", (39, 53), 2.0)
    yield _densify(element, "one row of patches", (11, 46), 1e3)
    yield _densify(element, "nothing moves", (20, 16), 0.0)
    yield _enlarge(element, "as large as it was", (9, 13), (9, 13))
    yield _enlarge(element, "odd sizes, padded rows", (11, 19), (45, 67))
    yield _enlarge(element, "one vector", (1, 1), (5, 37), ways=1)
    yield _compose(element, "one pixel", (1, 1), 1.0)
    yield _compose(element, "odd size, padded rows", (23, 45), 3.0)
    yield _compose(element, "ways beyond every edge", (17, 33), 1e3)
    yield _compose(element, "ways that are not numbers", (9, 35), np.nan)


def _planes(made: Array, fill: float = SENTINEL) -> Array:
    """Return planes (C, H, W) in rows 5 longer and with 2 more of them."""
    return padded(made, made.shape[2] + 5, made.shape[1] + 2, fill)


def _layout(name: str, size: tuple[int, int]) -> dict[str, int]:
    """Return pitch and plane of such planes."""
    pitch = size[1] + 5
    return {f"{name}_pitch": pitch, f"{name}_plane": pitch * (size[0] + 2)}


def _flow(seed: int, size: tuple[int, int], spread: float, ways: int = 1) -> Array:
    return (np.random.default_rng(seed).normal(size=(2 * ways, *size)) * spread).astype(np.float32)


def _both(first: Array, second: Array, planes: Array, search: Callable[[Array, Array, Array], Array]) -> Array:
    """Return what is found each way, of two planes of each."""
    return np.concatenate([search(first, second, planes[:2]), search(second, first, planes[2:])])


def _pair(
    size: tuple[int, int], element: Element, shift: tuple[float, float], gain: float, contrast: float
) -> tuple[Array, Array]:
    """Return two pictures (H, W); what is at p in the first is at p + shift in the second, times `gain`."""
    height, width = size
    rows, columns = np.indices((height + 4, width + 4), np.float32)
    soft = 0.5 + contrast * np.sin(columns * 0.7 + np.cos(rows * 0.5)) * np.cos(rows * 0.6 - columns * 0.15)
    y, x = np.indices(size, np.float32)
    at = [bilinear(soft[None].astype(np.float32), x + 2 - dx, y + 2 - dy)[0] for dx, dy in ((0.0, 0.0), shift)]
    return at[0].astype(element), (at[1] * gain).astype(element)


def _smooth(element: Element, label: str, size: tuple[int, int]) -> Case:
    source = picture(2, size, element)
    return Case(
        kernel="motion_smooth",
        label=label,
        arguments={
            "picture": _planes(source[None]),
            "out": padded(np.full_like(source, SENTINEL)[None], size[1] + 3, size[0]),
            "width": size[1],
            "height": size[0],
            "pitch": size[1] + 5,
            "out_pitch": size[1] + 3,
        },
        domain=(size[1], size[0], 1),
        expected={"out": padded(motion.motion_smooth(source)[None].astype(element), size[1] + 3, size[0])},
        tolerance=1e-6 + half_step(element),
    )


def _start(element: Element, label: str, coarse: tuple[int, int], size: tuple[int, int], hole: bool = False) -> Case:
    flow = _flow(3, coarse, 4.0, WAYS)
    if hole:
        flow[0, 4, 4] = np.nan
    rows, columns = motion.patch_grid(*size)
    return Case(
        kernel="motion_start",
        label=label,
        arguments={
            "coarse": _planes(flow),
            "start": np.full((2 * WAYS, rows, columns), SENTINEL, np.float32),
            "coarse_width": coarse[1],
            "coarse_height": coarse[0],
            **_layout("coarse", coarse),
            "width": size[1],
            "height": size[0],
            "columns": columns,
            "rows": rows,
        },
        domain=(columns, rows, WAYS),
        expected={"start": np.concatenate([motion.motion_start(way, *size) for way in (flow[:2], flow[2:])])},
        tolerance=2e-5,
    )


def _search(
    element: Element,
    label: str,
    size: tuple[int, int],
    *,
    shift: tuple[float, float],
    gain: float = 1.0,
    contrast: float = 0.4,
    away: float = 0.0,
    hole: bool = False,
) -> Case:
    first, second = _pair(size, element, shift, gain, contrast)
    if hole:
        first[2, 3] = second[size[0] - 3, size[1] - 2] = np.nan
    rows, columns = motion.patch_grid(*size)
    start = _flow(4, (rows, columns), 1.0, WAYS)
    start[:, :, 1::3] += away  # of places beyond an edge many look alike: which one is taken would be chance
    return Case(
        kernel="motion_search",
        label=label,
        arguments={
            "first": _planes(first[None]),
            "second": _planes(second[None]),
            "start": start,
            "found": np.full((2 * WAYS, rows, columns), SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
            "pitch": size[1] + 5,
            "columns": columns,
            "rows": rows,
            "steps": motion.STEPS,
        },
        domain=(motion.PATCH * columns * rows, 1, WAYS),
        expected={"found": _both(first, second, start, partial(motion.motion_search, steps=motion.STEPS))},
        tolerance=1e-4,  # where the difference is least it hardly changes with the place
    )


def _densify(element: Element, label: str, size: tuple[int, int], spread: float) -> Case:
    first, second = _pair(size, element, (0.7, -0.4), 1.0, 0.4)
    rows, columns = motion.patch_grid(*size)
    found = _flow(5, (rows, columns), spread, WAYS)
    return Case(
        kernel="motion_densify",
        label=label,
        arguments={
            "first": _planes(first[None]),
            "second": _planes(second[None]),
            "found": found,
            "flow": _planes(np.full((2 * WAYS, *size), SENTINEL, np.float32)),
            "width": size[1],
            "height": size[0],
            "pitch": size[1] + 5,
            "columns": columns,
            "rows": rows,
            **_layout("flow", size),
        },
        domain=(size[1], size[0], WAYS),
        expected={"flow": _planes(_both(first, second, found, motion.motion_densify))},
        tolerance=2e-5 * max(1.0, spread),
    )


def _enlarge(element: Element, label: str, source: tuple[int, int], size: tuple[int, int], ways: int = WAYS) -> Case:
    flow = _flow(6, source, 5.0, ways)
    return Case(
        kernel="motion_enlarge",
        label=label,
        arguments={
            "flow": _planes(flow),
            "out": _planes(np.full_like(flow, SENTINEL, shape=(2 * ways, *size))),
            "from_width": source[1],
            "from_height": source[0],
            "width": size[1],
            "height": size[0],
            **_layout("flow", source),
            **_layout("out", size),
        },
        domain=(size[1], size[0], ways),
        expected={"out": _planes(np.concatenate([motion.motion_enlarge(way, *size) for way in np.split(flow, ways)]))},
        tolerance=5e-5,
    )


def _compose(element: Element, label: str, size: tuple[int, int], spread: float) -> Case:
    way, step = _flow(7, size, spread), _flow(8, size, 2.0)
    return Case(
        kernel="motion_compose",
        label=label,
        arguments={
            "way": _planes(way),
            "step": _planes(step),
            "out": _planes(np.full((2, *size), SENTINEL, np.float32)),
            "width": size[1],
            "height": size[0],
            **_layout("flow", size),
        },
        domain=(size[1], size[0], 1),
        expected={"out": _planes(motion.motion_compose(way, step))},
        tolerance=1e-5 * max(1.0, spread) if spread == spread else 1e-5,
    )
