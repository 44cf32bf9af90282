"""Cases of guided.cu. Each kernel is given what the reference of the one before it made."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Array, Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import half_step, picture
from kernels.catalogue import Element
from kernels.reference.guided import box_across, box_down, guide_across, guide_down, guided_chroma

GAIN = 1.7
"""Such that chroma goes beyond both ends of the range."""
SIZES: tuple[tuple[str, tuple[int, int], tuple[int, int], float, Margins], ...] = (
    ("one pixel", (1, 1), (1, 1), 1.0, TIGHT),
    ("odd sizes, padded rows", (23, 37), (41, 75), 1.0, WIDE),
    ("smaller than a window", (3, 2), (9, 5), 1.0, TIGHT),
    ("bright and all but flat", (21, 34), (21, 34), 0.004, WIDE),
)


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for label, size, fine, contrast, margins in SIZES:
        luma = (1 - contrast + picture(1, (1, *size), "float32") * contrast).astype(element)
        ab = (picture(2, (2, *size), "float32") * 2 - 1).astype(element)
        sums = guide_across(luma.astype(np.float32), ab.astype(np.float32))
        arguments: dict[str, Array | int | float] = {
            "luma": margins.put(luma),
            "ab": margins.put(ab),
            "sums": margins.empty((6, *size)),
            "width": size[1],
            "height": size[0],
            **margins.strides(luma.shape, "luma_"),
            **margins.strides(ab.shape, "ab_"),
            **margins.strides(sums.shape),
        }
        yield _case("guide_across", label, arguments, {"sums": margins.put(sums)}, size)
        fits = guide_down(sums)
        arguments |= {"sums": margins.put(sums), "fits": margins.empty((4, *size))}
        # of all but flat luma the variance is a small difference of large numbers
        yield _case("guide_down", label, arguments, {"fits": margins.put(fits)}, size, 1e-3 if contrast < 1 else 2e-5)
        yield from _smooth(element, label, fits, fine, margins)


def _smooth(
    element: Element, label: str, fits: npt.NDArray[np.float32], fine: tuple[int, int], margins: Margins
) -> Iterator[Case]:
    size, across = (fits.shape[1], fits.shape[2]), box_across(fits)
    arguments: dict[str, Array | int | float] = {
        "in": margins.put(fits),
        "out": margins.empty((4, *size)),
        "width": size[1],
        "height": size[0],
        "planes": 4,
        **margins.strides(fits.shape),
    }
    yield _case("box_across", label, arguments, {"out": margins.put(across)}, size, planes=4)
    smooth = box_down(across)
    arguments["in"] = margins.put(across)
    yield _case("box_down", label, arguments, {"out": margins.put(smooth)}, size, planes=4)
    luma = picture(3, (1, *fine), element)
    made = guided_chroma(smooth, luma.astype(np.float32), GAIN, 0.5).astype(element)
    arguments = {
        "fits": margins.put(smooth),
        "luma": margins.put(luma),
        "out": margins.empty((2, *fine), element),
        "fit_width": size[1],
        "fit_height": size[0],
        **margins.strides(smooth.shape, "fit_"),
        "width": fine[1],
        "height": fine[0],
        **margins.strides(luma.shape, "luma_"),
        **margins.strides(made.shape),
        "gain": GAIN,
        "offset": 0.5,
    }
    tolerance = 1e-5 + half_step(element)
    yield _case("guided_chroma", label, arguments, {"out": margins.put(made)}, fine, tolerance)


def _case(
    kernel: str,
    label: str,
    arguments: dict[str, Array | int | float],
    expected: dict[str, npt.NDArray[Any]],
    size: tuple[int, int],
    tolerance: float = 1e-5,
    planes: int = 1,
) -> Case:
    return Case(
        kernel=kernel,
        label=label,
        arguments=dict(arguments),
        domain=(size[1], size[0], planes),
        expected=expected,
        tolerance=tolerance,
    )
