"""Cases of colour.cu."""

from collections.abc import Iterator

import numpy as np

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import half_step, picture
from kernels.catalogue import Element
from kernels.reference.colour import lab_to_rgb, luma_to_lightness, rgb_to_lab, rgb_to_luma_ab

KR, KB = 0.2126, 0.0722
SIZES: tuple[tuple[str, tuple[int, int], Margins], ...] = (
    ("one pixel", (1, 1), TIGHT),
    ("odd size, padded rows", (37, 61), WIDE),
    ("numbers beyond the range, and none", (19, 33), TIGHT),
)


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for label, size, margins in SIZES:
        rgb = picture(1, (3, *size), element)
        if "beyond" in label:
            rgb = (rgb.astype(np.float32) * 1.6 - 0.3).astype(element)
            rgb[:, 3, :5] = np.nan
        yield _rgb_to_lab(element, label, rgb, margins)
        yield _lab_to_rgb(element, label, rgb, margins)
        yield _rgb_to_luma_ab(element, label, rgb, margins)
        yield _luma_to_lightness(element, label, rgb[:1], margins)


def _rgb_to_lab(element: Element, label: str, rgb: np.ndarray, margins: Margins) -> Case:
    return Case(
        kernel="rgb_to_lab",
        label=label,
        arguments={
            "rgb": margins.put(rgb),
            "lab": TIGHT.empty((3, *rgb.shape[1:]), element),
            "width": rgb.shape[2],
            "height": rgb.shape[1],
            **margins.strides(rgb.shape),
            **TIGHT.strides(rgb.shape, "lab_"),
        },
        domain=(rgb.shape[2], rgb.shape[1], 1),
        expected={"lab": rgb_to_lab(rgb.astype(np.float32)).astype(element)},
        tolerance=1e-5 + half_step(element),
    )


def _lab_to_rgb(element: Element, label: str, lab: np.ndarray, margins: Margins) -> Case:
    return Case(
        kernel="lab_to_rgb",
        label=label,
        arguments={
            "lab": TIGHT.put(lab),
            "rgb": margins.empty((3, *lab.shape[1:]), element),
            "width": lab.shape[2],
            "height": lab.shape[1],
            **margins.strides(lab.shape),
            **TIGHT.strides(lab.shape, "lab_"),
        },
        domain=(lab.shape[2], lab.shape[1], 1),
        expected={"rgb": margins.put(lab_to_rgb(lab.astype(np.float32)).astype(element))},
        tolerance=2e-5 + half_step(element),  # near black R'G'B' rise 13 times as fast as light does
    )


def _rgb_to_luma_ab(element: Element, label: str, rgb: np.ndarray, margins: Margins) -> Case:
    luma, ab = rgb_to_luma_ab(rgb.astype(np.float32), KR, KB)
    return Case(
        kernel="rgb_to_luma_ab",
        label=label,
        arguments={
            "rgb": margins.put(rgb),
            "luma": margins.empty((1, *rgb.shape[1:]), element),
            "ab": margins.empty((2, *ab.shape[1:]), element),
            "width": rgb.shape[2],
            "height": rgb.shape[1],
            **margins.strides(rgb.shape),
            **margins.strides(luma.shape, "luma_"),
            **margins.strides(ab.shape, "ab_"),
            "kr": KR,
            "kb": KB,
        },
        domain=(ab.shape[2], ab.shape[1], 1),
        expected={"luma": margins.put(luma.astype(element)), "ab": margins.put(ab.astype(element))},
        tolerance=1e-5 + half_step(element),
    )


def _luma_to_lightness(element: Element, label: str, luma: np.ndarray, margins: Margins) -> Case:
    return Case(
        kernel="luma_to_lightness",
        label=label,
        arguments={
            "luma": margins.put(luma),
            "lightness": TIGHT.empty((1, *luma.shape[1:]), element),
            "width": luma.shape[2],
            "height": luma.shape[1],
            **margins.strides(luma.shape),
            **TIGHT.strides(luma.shape, "lightness_"),
        },
        domain=(luma.shape[2], luma.shape[1], 1),
        expected={"lightness": luma_to_lightness(luma.astype(np.float32)).astype(element)},
        tolerance=1e-5 + half_step(element),
    )
