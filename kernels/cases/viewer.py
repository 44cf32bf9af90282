"""Cases of viewer.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, half_step, padded, picture
from kernels.catalogue import Element
from kernels.reference.viewer import Drawing, Mask, compare, draw_counter, draw_label

NEUTRAL = 128 / 255
"""a* or b* of grey, as LAB frames hold it."""


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield from _compare_cases(element)
    yield from _label_cases(element)
    yield from _counter_cases(element)


def _compare_cases(element: Element) -> Iterator[Case]:
    yield _compare(element, "wipe, odd size", (3, 3, 21), (3, 21, 37), film_columns=18, line_columns=2)
    yield _compare(element, "wipe with nothing of the film", (1, 1, 9), (1, 9, 33), film_columns=0, line_columns=2)
    yield _compare(element, "wipe with the film alone", (1, 1, 9), (1, 9, 33), film_columns=33, line_columns=2)
    yield _compare(element, "side by side", (3, 3, 21), (3, 21, 37), film_columns=37, picture_from=37)
    yield _compare(element, "chroma side by side, odd", (2, 2, 11), (2, 11, 19), film_columns=18, picture_from=18)
    yield _compare(element, "a grey film beside R'G'B'", (3, 1, 9), (3, 9, 35), film_columns=16, line_columns=2)
    yield _compare(element, "one row for a film's chroma", (2, 1, 1), (2, 9, 20), film_columns=8, line_columns=1)
    yield _compare(element, "one pixel", (1, 1, 1), (1, 1, 1), film_columns=1)


def _label_cases(element: Element) -> Iterator[Case]:
    for label, planes, size, left, top, step, plate in (
        ("white on a dark rim, odd size", 3, (45, 67), 11, 20, 1, 0.05),
        ("without a plate", 1, (45, 67), 12, 20, 1, 0.95),
        ("at half size", 2, (23, 33), 5, 10, 2, NEUTRAL),
        ("beyond the right and lower edge", 1, (20, 40), 25, 15, 1, 0.05),
        ("beyond the left and upper edge", 1, (20, 40), -8, -3, 1, 0.05),
        ("outside", 1, (20, 40), 40, 20, 1, 0.05),
        ("one pixel", 1, (1, 1), 0, 0, 1, 0.05),
    ):
        letters, shade = _masks(11, 33)
        ink = NEUTRAL if step == 2 else 0.95
        drawing = Drawing(
            letters=letters, shade=shade, ink=ink, plate=plate, opacity=0.85, left=left, top=top, step=step
        )
        yield _label(element, label, picture(3, (planes, *size), element), drawing)


def _counter_cases(element: Element) -> Iterator[Case]:
    for label, number, cells, left, step in (
        ("0", 0, 1, 3, 1),
        ("leading zeros", 1907, 7, 3, 1),
        ("the largest number", 2**32 - 1, 10, 3, 1),
        ("its last digits", 1234567890, 4, 3, 1),
        ("at half size, odd digits", 9081726354, 6, 2, 2),
        ("beyond the right edge", 345678, 6, 70, 1),
    ):
        letters, shade = _masks(9, 10 * 7)
        ink, plate = (NEUTRAL, NEUTRAL) if step == 2 else (1.0, 0.0)
        drawing = Drawing(letters=letters, shade=shade, ink=ink, plate=plate, opacity=0.75, left=left, top=5, step=step)
        yield _counter(element, label, picture(4, (2, 18, 95), element), drawing, number % 2**32, cells)


def _compare(
    element: Element,
    label: str,
    film: tuple[int, int, int],
    size: tuple[int, int, int],
    *,
    film_columns: int,
    line_columns: int = 0,
    picture_from: int = 0,
) -> Case:
    planes, height, columns = size
    width, row_count = picture_from + columns, film[2]
    seen = (picture(1, (film[1], row_count, columns), element).astype(np.float32) * 1.5 - 0.25).astype(element)
    if seen.size > 100:
        seen[0, 0, 3], seen[0, 0, 4], seen[0, -1, 2] = np.nan, np.inf, -np.inf
    restored = picture(2, size, element)
    expected = compare(
        seen,
        restored,
        width=width,
        film_columns=film_columns,
        line_columns=line_columns,
        line=1.0,
        picture_from=picture_from,
    )
    pitch, rows = width + 3, height + 1
    film_pitch, picture_pitch = columns + 5, columns + 2
    return Case(
        kernel="compare",
        label=label,
        arguments={
            "film": padded(seen, film_pitch, row_count + 1, np.nan),
            "picture": padded(restored, picture_pitch, height + 1, np.nan),
            "out": np.full((planes, rows, pitch), SENTINEL, element),
            "width": width,
            "height": height,
            "planes": planes,
            "film_columns": film_columns,
            "line_columns": line_columns,
            "picture_from": picture_from,
            "line": 1.0,
            "film_pitch": film_pitch if row_count == height else 0,
            "film_plane": film_pitch * (row_count + 1) if film[1] == planes else 0,
            "picture_pitch": picture_pitch,
            "picture_plane": picture_pitch * (height + 1),
            "pitch": pitch,
            "plane": pitch * rows,
        },
        domain=(width, height, planes),
        expected={"out": padded(expected.astype(element), pitch, rows)},
        tolerance=0.0,
    )


def _label(element: Element, label: str, below: npt.NDArray[Any], drawing: Drawing) -> Case:
    rows, columns = drawing.letters.shape
    arguments = {"columns": columns}
    size = (-(-columns // drawing.step), -(-rows // drawing.step))
    return _drawn("draw_label", element, label, below, drawing, arguments, size, draw_label(below, drawing))


def _counter(element: Element, label: str, below: npt.NDArray[Any], drawing: Drawing, number: int, cells: int) -> Case:
    rows, columns = drawing.letters.shape
    arguments = {"number": number, "cells": cells, "glyph_columns": columns // 10}
    size = (-(-cells * (columns // 10) // drawing.step), -(-rows // drawing.step))
    expected = draw_counter(below, drawing, number, cells)
    return _drawn("draw_counter", element, label, below, drawing, arguments, size, expected)


def _drawn(
    kernel: str,
    element: Element,
    label: str,
    below: npt.NDArray[Any],
    drawing: Drawing,
    arguments: dict[str, int],
    size: tuple[int, int],
    expected: npt.NDArray[Any],
) -> Case:
    planes, height, width = below.shape
    (mask_rows, mask_columns), pitch, rows = drawing.letters.shape, width + 3, height + 2
    masks = {"letters": drawing.letters, "shade": drawing.shade}
    return Case(
        kernel=kernel,
        label=label,
        arguments={
            **{name: padded(mask[None], mask_columns + 2, mask_rows, np.nan) for name, mask in masks.items()},
            "picture": padded(below, pitch, rows),
            "width": width,
            "height": height,
            "planes": planes,
            "left": drawing.left,
            "top": drawing.top,
            "step": drawing.step,
            "rows": mask_rows,
            "mask_pitch": mask_columns + 2,
            "ink": drawing.ink,
            "plate": drawing.plate,
            "opacity": drawing.opacity,
            "pitch": pitch,
            "plane": pitch * rows,
            **arguments,
        },
        domain=(*size, planes),
        expected={"picture": padded(expected.astype(element), pitch, rows)},
        tolerance=1e-6 + half_step(element),
    )


def _masks(rows: int, columns: int) -> tuple[Mask, Mask]:
    """Return letters and a shade that covers them."""
    letters = picture(8, (rows, columns), "float32") ** 2
    return letters, np.sqrt(letters)
