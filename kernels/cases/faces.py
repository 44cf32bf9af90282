"""Cases of faces.cu."""

from collections.abc import Iterator
from math import cos, sin
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import half_step, picture
from kernels.catalogue import Element
from kernels.reference.faces import Affine, face_cut, face_paste, face_take

Shape = tuple[int, int, int]
KR, KB = 0.299, 0.114


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    turned = _turned(0.7, 0.4, 3.3, 4.1)
    yield _cut(element, "one pixel", (1, 1, 1), 1, 1, turned, (1.0, 0.0), TIGHT)
    yield _cut(element, "turned, padded rows", (3, 41, 57), 33, 3, turned, (1.0, 0.0), WIDE)
    yield _cut(element, "grey into three planes, -1 to 1", (1, 41, 57), 33, 3, turned, (2.0, -1.0), WIDE)
    yield _cut(element, "beyond every edge", (3, 9, 7), 40, 3, _turned(1.3, -0.2, -20.0, -15.0), (1.0, 0.0), TIGHT)
    yield _cut(element, "no map", (1, 9, 7), 33, 1, np.full((2, 3), np.nan, np.float32), (1.0, 0.0), TIGHT)
    for label, side, factor, planes, low, gain, margins in (
        ("one pixel of grey", 1, 1, 1, 0.0, 1.0, TIGHT),
        ("colours as they are, padded rows", 37, 1, 3, -1.0, 0.5, WIDE),
        ("grey, reduced by four", 40, 4, 1, -1.0, 0.5, WIDE),
        ("colours, reduced by two", 34, 2, 3, 0.0, 1.0, WIDE),
    ):
        yield _take(element, label, side, factor, planes, low, gain, margins)
    yield _paste(element, "one pixel", (1, 1, 1), (0, 0, 1, 1), 1, turned, TIGHT)
    yield _paste(element, "turned, padded rows", (3, 45, 67), (11, 7, 37, 33), 32, _turned(0.9, 0.3, 1.0, 2.0), WIDE)
    yield _paste(
        element, "grey, the whole picture", (1, 19, 35), (0, 0, 35, 19), 16, _turned(1.5, -0.6, -3.0, 9.0), WIDE
    )
    yield _paste(element, "far beside the face", (1, 9, 33), (0, 0, 33, 9), 16, _turned(1.0, 0.0, 900.0, 0.0), TIGHT)


def _turned(scale: float, angle: float, x: float, y: float) -> Affine:
    along, across = scale * cos(angle), scale * sin(angle)
    return np.array([[along, -across, x], [across, along, y]], np.float32)


def _map(onto: Affine) -> dict[str, float]:
    return dict(zip(("xx", "xy", "x0", "yx", "yy", "y0"), map(float, onto.ravel()), strict=True))


def _cut(
    element: Element,
    label: str,
    shape: Shape,
    side: int,
    planes: int,
    onto: Affine,
    numbers: tuple[float, float],
    margins: Margins,
) -> Case:
    source = picture(1, shape, element)
    made = face_cut(source.astype(np.float32), side, planes, onto, *numbers).astype(element)
    return Case(
        kernel="face_cut",
        label=label,
        arguments={
            "picture": margins.put(source),
            "face": margins.empty((planes, side, side), element),
            "width": shape[2],
            "height": shape[1],
            "planes": shape[0],
            **margins.strides(shape),
            "side": side,
            "face_planes": planes,
            **margins.strides(made.shape, "face_"),
            **_map(onto),
            "gain": numbers[0],
            "offset": numbers[1],
        },
        domain=(side, side, planes),
        expected={"face": margins.put(made)},
        tolerance=2e-5 + half_step(element),
    )


def _take(
    element: Element, label: str, side: int, factor: int, planes: int, low: float, gain: float, margins: Margins
) -> Case:
    source = (picture(1, (3, side, side), "float32") * 1.3 / gain + low - 0.1).astype(element)  # beyond both ends
    made = face_take(source.astype(np.float32), factor, planes, low, gain, KR, KB).astype(element)
    return Case(
        kernel="face_take",
        label=label,
        arguments={
            "made": margins.put(source),
            "face": margins.empty((planes, *made.shape[1:]), element),
            "side": side // factor,
            "factor": factor,
            "planes": planes,
            **margins.strides(source.shape, "made_"),
            **margins.strides(made.shape),
            "low": low,
            "gain": gain,
            "kr": KR,
            "kb": KB,
        },
        domain=(side // factor, side // factor, planes),
        expected={"face": margins.put(made)},
        tolerance=1e-5 + half_step(element),
    )


def _paste(
    element: Element,
    label: str,
    shape: Shape,
    box: tuple[int, int, int, int],
    side: int,
    onto: Affine,
    margins: Margins,
) -> Case:
    left, top, width, height = box
    face, film, out = (picture(seed, (shape[0], *size), element) for seed, size in _sizes(side, shape))
    mask, taken = (picture(seed, (1, *size), "float32") for seed, size in _sizes(side, shape)[:2])
    taken *= 0.4
    inner = np.s_[:, top : top + height, left : left + width]
    made, filled = out.astype(np.float32), taken.copy()
    made[inner], filled[inner] = face_paste(
        face.astype(np.float32), mask, film[inner].astype(np.float32), taken[inner], made[inner], onto, 0.75
    )
    return Case(
        kernel="face_paste",
        label=label,
        arguments={
            "face": margins.put(face),
            "mask": mask,
            "film": margins.put(film),
            "taken": margins.put(taken),
            "out": margins.put(out),
            "width": width,
            "height": height,
            "left": left,
            "top": top,
            "planes": shape[0],
            **margins.strides(shape),
            "taken_pitch": margins.strides(shape)["pitch"],
            "side": side,
            **margins.strides(face.shape, "face_"),
            **_map(onto),
            "strength": 0.75,
        },
        domain=(width, height, 1),
        expected=_expected(margins, made.astype(element), filled),
        tolerance=2e-5 + half_step(element),
    )


def _sizes(side: int, shape: Shape) -> list[tuple[int, tuple[int, int]]]:
    """Return seeds and sizes of a face and of two pictures."""
    return [(1, (side, side)), (2, shape[1:]), (3, shape[1:])]


def _expected(margins: Margins, out: npt.NDArray[Any], taken: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    return {"out": margins.put(out), "taken": margins.put(taken)}
