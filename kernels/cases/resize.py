"""Cases of resize.cu."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import half_step, picture
from kernels.catalogue import Element
from kernels.reference import resize

Planes = npt.NDArray[np.float32]
Shape = tuple[int, int, int]

BOTH_AXES: Mapping[str, Callable[[Planes, int, int], Planes]] = {
    "resize_area": resize.resize_area,
    "resize_area_enlarge": resize.resize_area_enlarge,
    "resize_bilinear": resize.resize_bilinear,
    "resize_bicubic": resize.resize_bicubic,
}

SHRUNK: tuple[tuple[str, Shape, tuple[int, int], Margins], ...] = (
    ("one pixel", (1, 1, 1), (1, 1), TIGHT),
    ("odd sizes, padded rows", (3, 37, 67), (23, 41), WIDE),
    ("halves", (1, 32, 48), (16, 24), WIDE),
    ("to one pixel", (1, 19, 31), (1, 1), TIGHT),
    ("one axis", (2, 19, 31), (19, 7), WIDE),
    ("the same size", (1, 19, 31), (19, 31), WIDE),
)
GROWN: tuple[tuple[str, Shape, tuple[int, int], Margins], ...] = (
    ("odd sizes, padded rows", (3, 17, 23), (37, 61), WIDE),
    ("doubled", (1, 16, 24), (32, 48), WIDE),
    ("of one pixel", (1, 1, 1), (9, 35), TIGHT),
    ("one axis grows, one shrinks", (1, 31, 17), (11, 40), WIDE),
)


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for kernel in BOTH_AXES:
        kinds = {"resize_area": SHRUNK, "resize_area_enlarge": GROWN}
        for label, shape, size, margins in kinds.get(kernel, SHRUNK + GROWN):
            source = picture(1, shape, element)
            made = BOTH_AXES[kernel](source.astype(np.float32), *size)
            yield _case(kernel, label, source, made.astype(element), margins)
    for label, shape, size, margins in SHRUNK + GROWN:
        source = picture(1, shape, element)
        across = resize.resize_lanczos_across(source.astype(np.float32), size[1])
        yield _case("resize_lanczos_across", label, source, across, margins)
        down = resize.resize_lanczos_down(across, size[0])
        yield _case("resize_lanczos_down", label, across, down.astype(element), margins)


def _case(kernel: str, label: str, source: Planes, made: Planes, margins: Margins) -> Case:
    height, width = made.shape[1:]
    return Case(
        kernel=kernel,
        label=label,
        arguments={
            "picture": margins.put(source),
            "out": margins.empty((made.shape[0], height, width), "float16" if made.dtype == np.float16 else "float32"),
            "from_width": source.shape[2],
            "from_height": source.shape[1],
            "width": width,
            "height": height,
            "planes": source.shape[0],
            **margins.strides(source.shape),
            **margins.strides(made.shape, "out_"),
        },
        domain=(width, height, source.shape[0]),
        expected={"out": margins.put(made)},
        tolerance=1e-5 + half_step("float16" if made.dtype == np.float16 else "float32", 1.5),
    )
