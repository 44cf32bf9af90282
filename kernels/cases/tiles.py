"""Cases of tiles.cu."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import picture
from kernels.catalogue import Element
from kernels.reference.tiles import tile_cut, tile_fade, tile_put

Shape = tuple[int, int, int]


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _cut(element, "one pixel", (1, 1, 1), (0, 0), (1, 1), TIGHT)
    yield _cut(element, "within the picture, padded rows", (3, 37, 61), (9, 5), (19, 33), WIDE)
    yield _cut(element, "beyond two edges", (2, 37, 61), (50, 30), (16, 40), WIDE)
    yield _cut(element, "beyond all edges", (1, 5, 3), (-7, -9), (24, 40), TIGHT)
    yield _put(element, "one pixel", (1, 1, 1), (1, 1, 1), np.s_[:1, :1], (0, 0), TIGHT)
    yield _put(
        element, "the middle of a tile, padded rows", (3, 37, 61), (3, 19, 33), np.s_[4:15, 6:29], (13, 15), WIDE
    )
    yield _put(element, "into the last corner", (2, 37, 61), (2, 19, 33), np.s_[3:, 8:], (21, 36), WIDE)
    yield _fade(element, "the only tile", (1, 7, 9), (7, 9), (0, 0), (1, 7, 9), (0, 7), (0, 9), 4, TIGHT)
    yield _fade(
        element, "first of four, padded rows", (3, 40, 60), (40, 60), (0, 0), (3, 24, 36), (0, 20), (0, 30), 8, WIDE
    )
    yield _fade(element, "last of four", (3, 40, 60), (40, 60), (16, 24), (3, 24, 36), (20, 40), (30, 60), 8, WIDE)
    yield _fade(
        element,
        "between others, twice the size",
        (2, 80, 90),
        (40, 45),
        (20, 16),
        (2, 50, 60),
        (15, 30),
        (13, 33),
        5,
        WIDE,
    )
    yield _fade(
        element, "half the size, no halo", (1, 20, 30), (40, 60), (10, 8), (1, 8, 12), (20, 36), (16, 40), 0, TIGHT
    )


def _cut(
    element: Element, label: str, shape: Shape, at: tuple[int, int], size: tuple[int, int], margins: Margins
) -> Case:
    source = picture(1, shape, element)
    made = tile_cut(source, *at, *size)
    return Case(
        kernel="tile_cut",
        label=label,
        arguments={
            "picture": margins.put(source),
            "tile": margins.empty((shape[0], *size), element),
            "width": shape[2],
            "height": shape[1],
            **margins.strides(shape),
            "left": at[0],
            "top": at[1],
            "tile_width": size[1],
            "tile_height": size[0],
            "planes": shape[0],
            **margins.strides(made.shape, "tile_"),
        },
        domain=(size[1], size[0], shape[0]),
        expected={"tile": margins.put(made)},
        tolerance=0.0,
    )


def _put(
    element: Element,
    label: str,
    shape: Shape,
    tile_shape: Shape,
    box: tuple[slice, slice],
    at: tuple[int, int],
    margins: Margins,
) -> Case:
    tile, whole = picture(1, tile_shape, element), picture(2, shape, element)
    height, width = tile[0][box].shape
    return Case(
        kernel="tile_put",
        label=label,
        arguments={
            "tile": margins.put(tile),
            "picture": margins.put(whole),
            "width": width,
            "height": height,
            "planes": shape[0],
            "tile_left": box[1].start or 0,
            "tile_top": box[0].start or 0,
            **margins.strides(tile_shape, "tile_"),
            "left": at[1],
            "top": at[0],
            **margins.strides(shape),
        },
        domain=(width, height, shape[0]),
        expected={"picture": margins.put(tile_put(tile, whole, box, at))},
        tolerance=0.0,
    )


def _fade(
    element: Element,
    label: str,
    shape: Shape,
    whole: tuple[int, int],
    at: tuple[int, int],
    tile_shape: Shape,
    rows: tuple[int, int],
    columns: tuple[int, int],
    halo: int,
    margins: Margins,
) -> Case:
    tile, total = picture(1, tile_shape, element), picture(2, shape, "float32")
    wanted: npt.NDArray[np.float32] = tile_fade(tile.astype(np.float32), total, at, whole, rows, columns, halo)
    return Case(
        kernel="tile_fade",
        label=label,
        arguments={
            "tile": margins.put(tile),
            "sum": margins.put(total),
            "width": tile_shape[2],
            "height": tile_shape[1],
            "planes": shape[0],
            **margins.strides(tile_shape, "tile_"),
            "left": at[1],
            "top": at[0],
            "sum_width": shape[2],
            "sum_height": shape[1],
            **margins.strides(shape),
            "whole_width": whole[1],
            "whole_height": whole[0],
            "first_x": columns[0],
            "last_x": columns[1],
            "first_y": rows[0],
            "last_y": rows[1],
            "halo": halo,
        },
        domain=(tile_shape[2], tile_shape[1], shape[0]),
        expected={"sum": margins.put(wanted)},
        tolerance=1e-6,
    )
