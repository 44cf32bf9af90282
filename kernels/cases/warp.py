"""Cases of warp.cu."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import half_step, padded, picture
from kernels.catalogue import Element
from kernels.reference.warp import flow_seen, warp_bicubic, warp_bilinear, warp_blend, warp_blend_seen

Planes = npt.NDArray[np.float32]
Shape = tuple[int, int, int]


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for kernel in ("warp_bilinear", "warp_bicubic"):
        yield _warp(kernel, element, "one pixel", 1, 1, 1, 1, 1, 3.0)
        yield _warp(kernel, element, "a row", 1, 1, 37, 37, 1, 2.0)
        yield _warp(kernel, element, "odd size, padded rows", 3, 45, 67, 80, 48, 5.0)
        yield _warp(kernel, element, "flows beyond every edge", 2, 19, 23, 23, 19, 1e6)
        yield _warp(kernel, element, "whole pixels", 1, 33, 35, 40, 33, 0.0)
        yield _warp(kernel, element, "flow that is not a number", 1, 9, 33, 33, 9, np.nan)
    for seen in (False, True):
        yield _blend(element, "one pixel", (1, 1, 1), (1, 1), 1, 1, 1.0, TIGHT, seen=seen)
        yield _blend(element, "a value for each pixel, padded rows", (3, 21, 37), (21, 37), 1, 1, 4.0, WIDE, seen=seen)
        yield _blend(
            element, "a value for 4 x 4 pixels, beyond the picture", (1, 21, 37), (6, 10), 4, 1, 4.0, WIDE, seen=seen
        )
        yield _blend(element, "half-size chroma", (2, 21, 37), (11, 19), 4, 2, 4.0, WIDE, seen=seen)
        yield _blend(
            element, "half-size chroma, a value for each pixel", (2, 21, 37), (41, 73), 1, 2, 4.0, TIGHT, seen=seen
        )
        yield _blend(element, "flows beyond every edge", (1, 19, 23), (5, 6), 4, 1, 1e6, TIGHT, seen=seen)
        yield _blend(element, "flow that is not a number", (1, 9, 33), (9, 33), 1, 1, np.nan, TIGHT, seen=seen)
    for spread, label in (
        (0.4, "short ways"),
        (30.0, "ways out of the picture"),
        (np.nan, "ways that are not numbers"),
    ):
        yield _seen(label, (23, 41), spread, WIDE)
    yield _seen("one pixel", (1, 1), 0.3, TIGHT)
    yield _seen("ways beyond all numbers", (9, 33), 1e30, TIGHT)


def _flow(seed: int, shape: Shape, spread: float) -> Planes:
    return (np.random.default_rng(seed).normal(size=shape) * spread).astype(np.float32)


def _warp(
    kernel: str,
    element: Element,
    label: str,
    planes: int,
    height: int,
    width: int,
    pitch: int,
    rows: int,
    spread: float,
) -> Case:
    source = picture(1, (planes, height, width), element)
    flow = _flow(len(label), (2, height, width), spread)
    out = np.full((planes, rows, pitch), 0.5, element)
    wanted = (warp_bilinear if kernel == "warp_bilinear" else warp_bicubic)(source.astype(np.float32), flow)
    return Case(
        kernel=kernel,
        label=label,
        arguments={
            "picture": padded(source, pitch, rows),
            "flow": padded(flow, pitch, rows),
            "out": out,
            "width": width,
            "height": height,
            "planes": planes,
            "pitch": pitch,
            "plane": pitch * rows,
            "flow_pitch": pitch,
            "flow_plane": pitch * rows,
        },
        domain=(width, height, planes),
        expected={"out": padded(wanted.astype(element), pitch, rows, 0.5)},
        tolerance=1e-5 + half_step(element, 1.5),
    )


def _blend(
    element: Element,
    label: str,
    shape: Shape,
    grid: tuple[int, int],
    cell: int,
    reduction: int,
    spread: float,
    margins: Margins,
    *,
    seen: bool,
) -> Case:
    first, second = (picture(seed, shape, element) for seed in (1, 2))
    flow, weights = _flow(len(label), (4, *grid), spread), picture(3, (2, *grid), "float32")
    pair = (first.astype(np.float32), second.astype(np.float32))
    if seen:
        weights[:, : grid[0] // 2] = 0.0  # nothing is to be seen: only the time decides
        wanted = warp_blend_seen(*pair, flow, weights, 0.25, cell, reduction)
    else:
        wanted = warp_blend(*pair, flow, weights[:1], cell, reduction)
    return Case(
        kernel="warp_blend_seen" if seen else "warp_blend",
        label=label,
        arguments={
            "first": margins.put(first),
            "second": margins.put(second),
            "flow": margins.put(flow),
            "mask": margins.put(weights[:1]),
            "seen": margins.put(weights),
            "out": margins.empty(shape, element),
            "width": shape[2],
            "height": shape[1],
            "planes": shape[0],
            **margins.strides(shape),
            "flow_width": grid[1],
            "flow_height": grid[0],
            **margins.strides(flow.shape, "flow_"),
            "cell": cell,
            "reduction": reduction,
            "timestep": 0.25,
        },
        domain=(shape[2], shape[1], 1),
        expected={"out": margins.put(wanted.astype(element))},
        tolerance=1e-5 + half_step(element),
    )


def _seen(label: str, size: tuple[int, int], spread: float, margins: Margins) -> Case:
    there = _flow(1, (2, *size), spread)
    back = (-there + _flow(2, (2, *size), 0.3)).astype(np.float32)
    return Case(
        kernel="flow_seen",
        label=label,
        arguments={
            "there": margins.put(there),
            "back": margins.put(back),
            "seen": margins.empty((1, *size)),
            "width": size[1],
            "height": size[0],
            **margins.strides(there.shape),
        },
        domain=(size[1], size[0], 1),
        expected={"seen": margins.put(flow_seen(there, back))},
        tolerance=1e-5,
    )
