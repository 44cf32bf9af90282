"""Cases of film.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, half_step, padded, picture
from kernels.catalogue import Element
from kernels.reference import film

Array = npt.NDArray[Any]

THRESHOLDS = (0.04, 0.08, 0.12)


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _cells(element, "one cell, one neighbour", (16, 16), 2, 0)
    yield _cells(element, "whole cells of an odd size, padded rows", (71, 118), 5, 2)
    yield _cells(element, "frame at the end", (33, 50), 3, 2)
    yield _cells(element, "black against white", (17, 35), 3, 1, ends=True)
    for label, neighbours, rows, columns in (
        ("one cell", 1, 1, 1),
        ("windows cut by every edge", 4, 3, 4),
        ("odd size", 4, 9, 37),
    ):
        yield _gain(label, neighbours, rows, columns)
        yield _level(label, neighbours, rows, columns)
    yield _apply(element, "one gain for all", (19, 37), 1, (1, 1), 1.0)
    yield _apply(element, "odd size, padded rows", (45, 67), 3, (3, 5), 0.7)
    yield _apply(element, "beyond white", (17, 33), 1, (2, 3), 8.0)
    yield _apply(element, "a picture that is not a number here and there", (5, 40), 1, (1, 3), 0.5, hole=True)
    yield _dust(element, "one pixel", (1, 1))
    yield _dust(element, "odd size, padded rows", (29, 67))
    yield _dust(element, "black and white specks", (24, 40), specks=True)
    yield _dust(element, "a picture that is not a number here and there", (9, 33), hole=True)
    yield _columns(element, "one pixel", (1, 1), 1)
    yield _columns(element, "a shorter last strip, padded rows", (45, 131), 16)
    yield _columns(element, "fewer rows than a strip", (5, 17), 32)
    yield _lines("one column", 1, 1, 0)
    yield _lines("odd size", 5, 131, 1)
    yield _lines("all strips vote", 3, 40, 9)


def _cells(
    element: Element, label: str, size: tuple[int, int], frames: int, middle: int, *, ends: bool = False
) -> Case:
    window = picture(1, (frames, *size), element)
    if ends:
        window[:] = (np.arange(frames) % 2)[:, None, None]
    columns, rows = size[1] // film.CELL, size[0] // film.CELL
    pitch, high = size[1] + 3, size[0] + 2
    return Case(
        kernel="flicker_cells",
        label=label,
        arguments={
            "window": padded(window, pitch, high),
            "cells": np.full((2 * (frames - 1), rows, columns), SENTINEL, np.float32),
            "columns": columns,
            "rows": rows,
            "frames": frames,
            "middle": middle,
            "pitch": pitch,
            "plane": pitch * high,
        },
        domain=(columns, rows, frames - 1),
        expected={"cells": film.flicker_cells(window, middle)},
        tolerance=1e-6,
    )


def _made_cells(neighbours: int, rows: int, columns: int) -> Array:
    cells = np.random.default_rng(2).random((2 * neighbours, rows, columns), np.float32)
    cells[:neighbours] -= np.float32(0.5)
    cells[neighbours:, -1] = 0.0  # black: the gain must not run away
    return cells


def _gain(label: str, neighbours: int, rows: int, columns: int) -> Case:
    cells = _made_cells(neighbours, rows, columns)
    return Case(
        kernel="flicker_gain",
        label=label,
        arguments={
            "cells": cells,
            "gain": np.full((rows, columns), SENTINEL, np.float32),
            "columns": columns,
            "rows": rows,
            "neighbours": neighbours,
        },
        domain=(columns, rows, 1),
        expected={"gain": film.flicker_gain(cells)},
        tolerance=1e-5,
    )


def _level(label: str, neighbours: int, rows: int, columns: int) -> Case:
    cells = _made_cells(neighbours, rows, columns)
    return Case(
        kernel="flicker_level",
        label=label,
        arguments={
            "cells": cells,
            "gain": np.full(1, SENTINEL, np.float32),
            "count": rows * columns,
            "neighbours": neighbours,
        },
        domain=(256, 1, 1),
        expected={"gain": film.flicker_level(cells)},
        tolerance=1e-5,
    )


def _apply(
    element: Element,
    label: str,
    size: tuple[int, int],
    planes: int,
    grid: tuple[int, int],
    strength: float,
    *,
    hole: bool = False,
) -> Case:
    source = picture(3, (planes, *size), element)
    if hole:
        source[0, 1, 2] = np.nan
    gain = (np.random.default_rng(4).random(grid) - 0.4).astype(np.float32)
    pitch, high = size[1] + 3, size[0] + 2
    expected = film.flicker_apply(source, gain, strength).astype(element)
    return Case(
        kernel="flicker_apply",
        label=label,
        arguments={
            "picture": padded(source, pitch, high),
            "gain": gain,
            "out": padded(np.full_like(source, SENTINEL), pitch, high),
            "width": size[1],
            "height": size[0],
            "planes": planes,
            "pitch": pitch,
            "plane": pitch * high,
            "columns": grid[1],
            "rows": grid[0],
            "strength": strength,
        },
        domain=(size[1], size[0], planes),
        expected={"out": padded(expected, pitch, high)},
        tolerance=1e-5 + half_step(element),
    )


def _dust(element: Element, label: str, size: tuple[int, int], *, specks: bool = False, hole: bool = False) -> Case:
    before, now, after = (picture(seed, size, element) for seed in (5, 6, 7))
    if specks:
        before[:] = after[:] = now
        now[3::7, 2::9], now[5::7, 4::9] = 0.0, 1.0
    if hole:
        now[2, 3] = np.nan
    pitch, mask_pitch = size[1] + 3, size[1] + 5
    expected = film.film_dust(before, now, after, THRESHOLDS)
    return Case(
        kernel="film_dust",
        label=label,
        arguments={
            "before": padded(before[None], pitch, size[0]),
            "now": padded(now[None], pitch, size[0]),
            "after": padded(after[None], pitch, size[0]),
            "mask": np.full((1, size[0] + 1, mask_pitch), SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
            "pitch": pitch,
            "mask_pitch": mask_pitch,
            "outermost": THRESHOLDS[0],
            "second": THRESHOLDS[1],
            "third": THRESHOLDS[2],
        },
        domain=(size[1], size[0], 1),
        expected={"mask": padded(expected[None], mask_pitch, size[0] + 1)},
        tolerance=1e-5,
    )


def _columns(element: Element, label: str, size: tuple[int, int], strip: int) -> Case:
    source = picture(8, size, element)
    expected = film.scratch_columns(source, strip)
    return Case(
        kernel="scratch_columns",
        label=label,
        arguments={
            "picture": padded(source[None], size[1] + 3, size[0]),
            "means": np.full(expected.shape, SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
            "pitch": size[1] + 3,
            "strip": strip,
        },
        domain=(size[1], len(expected), 1),
        expected={"means": expected},
        tolerance=1e-6,
    )


def _lines(label: str, strips: int, width: int, reach: int) -> Case:
    means = (0.4 + 0.01 * np.random.default_rng(9).random((strips, width))).astype(np.float32)
    means[:, width // 3] += np.float32(0.05)
    means[: strips // 2, width // 2] -= np.float32(0.05)
    return Case(
        kernel="scratch_lines",
        label=label,
        arguments={
            "means": means,
            "lines": np.full((strips, width), SENTINEL, np.float32),
            "width": width,
            "strips": strips,
            "reach": reach,
            "threshold": 0.02,
        },
        domain=(width, strips, 1),
        expected={"lines": film.scratch_lines(means, reach, 0.02)},
        tolerance=1e-5,
    )
