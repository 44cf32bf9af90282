"""Cases of tensors.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Array, Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import SENTINEL, half_step, picture
from kernels.catalogue import Element
from kernels.reference import tensors

KR, KB = 0.299, 0.114
ORDERS: tuple[tuple[str, tuple[int, int, int], tuple[int, int], int, int, list[int]], ...] = (
    ("grey into three planes", (1, 19, 33), (24, 40), 0, 1, [0, 0, 0]),
    ("R G B into B G R", (3, 19, 33), (19, 33), 2, -1, [2, 1, 0]),
    ("much larger than the picture", (3, 3, 2), (17, 35), 0, 1, [0, 1, 2]),
    ("of one pixel", (1, 1, 1), (9, 33), 0, 1, [0]),
)
SIZES: tuple[tuple[str, tuple[int, int], tuple[int, int], Margins], ...] = (
    ("one pixel", (1, 1), (1, 1), TIGHT),
    ("odd size, padded rows", (37, 61), (40, 64), WIDE),
    ("even size", (18, 34), (24, 40), WIDE),
)
LOW, SPAN, BLEND = -1.0, 2.0, 0.7
FROM_MODEL: dict[str, Array | int | float] = {"gain": 1 / SPAN, "offset": -LOW / SPAN, "blend": BLEND}
INTO_MODEL: dict[str, Array | int | float] = {"gain": SPAN, "offset": LOW}
WEIGHTS: dict[str, Array | int | float] = {"kr": KR, "kb": KB}


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for label, shape, size, first, step, order in ORDERS:
        yield _fill(element, label, shape, size, first, step, order)
    for label, size, padded, margins in SIZES:
        rgb = picture(1, (3, *size), element)
        yield from _of_colour(element, label, rgb, padded, margins)
        yield from _taken(element, label, rgb, padded, margins)
        yield from _added(element, label, rgb, padded, margins)
        yield _clipped(element, label, rgb, margins)
    for count in (1, 256, 1000):
        wide = np.append(np.random.default_rng(count).normal(size=count) * 300, [65504.0, 3e-7])[-count:]
        wide = wide.astype(np.float32)
        narrow = tensors.floats_to_reals(wide, element)
        yield _converted("floats_to_reals", wide, narrow)
        yield _converted("reals_to_floats", narrow, tensors.reals_to_floats(narrow))


def _fill(
    element: Element,
    label: str,
    shape: tuple[int, int, int],
    size: tuple[int, int],
    first: int,
    step: int,
    order: list[int],
) -> Case:
    source = picture(1, shape, element)
    made = tensors.tensor_fill(source, size, order, SPAN, LOW).astype(element)
    arguments = _pictures(source, WIDE, "picture") | _tensor(WIDE.empty((len(order), *size), element), made, WIDE)
    arguments |= {"planes": shape[0], "tensor_planes": len(order), "first": first, "step": step, **INTO_MODEL}
    return _case("tensor_fill", label, arguments, {"tensor": WIDE.put(made)}, size, element, planes=len(order))


def _of_colour(
    element: Element, label: str, rgb: npt.NDArray[Any], padded: tuple[int, int], margins: Margins
) -> Iterator[Case]:
    wide, whole = rgb.astype(np.float32), _pictures(rgb, margins, "rgb") | WEIGHTS | INTO_MODEL
    luma = tensors.tensor_fill_luma(wide, padded, KR, KB, SPAN, LOW).astype(element)
    arguments = whole | _tensor(margins.empty((1, *padded), element), luma, margins)
    yield _case("tensor_fill_luma", label, arguments, {"tensor": margins.put(luma)}, padded, element)
    half = ((padded[0] + 1) // 2, (padded[1] + 1) // 2)
    chroma = tensors.tensor_fill_chroma(wide, half, KR, KB, SPAN, LOW).astype(element)
    arguments = whole | _tensor(margins.empty((2, *half), element), chroma, margins)
    yield _case("tensor_fill_chroma", label, arguments, {"tensor": margins.put(chroma)}, half, element)


def _taken(
    element: Element, label: str, film: npt.NDArray[Any], padded: tuple[int, int], margins: Margins
) -> Iterator[Case]:
    size = (film.shape[1], film.shape[2])
    made = (picture(2, (3, *padded), element) * 6 - 3).astype(element)  # beyond both ends
    inner, wide = made[:, : size[0], : size[1]].astype(np.float32), film.astype(np.float32)
    arguments = _pictures(film, margins, "film") | _tensor(margins.put(made), made, margins) | FROM_MODEL | WEIGHTS
    numbers = (1 / SPAN, -LOW / SPAN, BLEND)
    for kernel, out in (
        ("tensor_take", tensors.tensor_take(inner, wide, *numbers)),
        ("tensor_take_luma", tensors.tensor_take_luma(inner, wide[:1], KR, KB, *numbers)),
    ):
        planes = len(out)
        arguments |= {"out": margins.empty((planes, *size), element), "planes": planes}
        yield _case(kernel, label, arguments, {"out": margins.put(out.astype(element))}, size, element, planes=planes)


def _added(
    element: Element, label: str, film: npt.NDArray[Any], padded: tuple[int, int], margins: Margins
) -> Iterator[Case]:
    (height, width), wide = film.shape[1:], film.astype(np.float32)
    half = ((height + 1) // 2, (width + 1) // 2)
    luma = (picture(2, (1, *padded), element) * 2 - 1).astype(element)
    chroma = (picture(3, (2, half[0] + 1, half[1] + 2), element) * 2 - 1).astype(element)
    common = WEIGHTS | FROM_MODEL
    numbers = (KR, KB, 1 / SPAN, -LOW / SPAN, BLEND)
    change = tensors.chroma_change(chroma[:, : half[0], : half[1]].astype(np.float32), wide, *numbers)
    in_memory = {"change": margins.empty((2, *half)), **margins.strides(change.shape, "change_")}
    arguments = _pictures(film, margins, "rgb") | _tensor(margins.put(chroma), chroma, margins) | common | in_memory
    yield _case("chroma_change", label, arguments, {"change": margins.put(change)}, half, "float32")
    arguments = _pictures(film, margins, "film") | _tensor(margins.put(luma), luma, margins) | common
    arguments |= {"chroma": margins.put(change), **margins.strides(change.shape, "chroma_")}
    arguments["out"] = margins.empty((3, height, width), element)
    inner = luma[:, :height, :width].astype(np.float32)
    for kernel, out in (
        ("tensor_add_luma", tensors.tensor_add_luma(inner, wide, *numbers)),
        ("tensor_add_ycbcr", tensors.tensor_add_ycbcr(inner, change, wide, *numbers)),
    ):
        yield _case(kernel, label, arguments, {"out": margins.put(out.astype(element))}, (height, width), element)


def _clipped(element: Element, label: str, source: npt.NDArray[Any], margins: Margins) -> Case:
    source = (source * 4 - 2).astype(element)
    source[0, 0, 0] = np.nan
    arguments = _pictures(source, margins, "in") | {"planes": 3, "low": LOW, "high": LOW + SPAN}
    arguments["out"] = margins.empty((3, source.shape[1], source.shape[2]), element)
    size = (source.shape[1], source.shape[2])
    expected = {"out": margins.put(tensors.tensor_clip(source, LOW, LOW + SPAN).astype(element))}
    return _case("tensor_clip", label, arguments, expected, size, element, planes=3)


def _pictures(planes: npt.NDArray[Any], margins: Margins, name: str) -> dict[str, Array | int | float]:
    """Return what kernels are told of a picture."""
    height, width = planes.shape[1:]
    return {name: margins.put(planes), "width": width, "height": height, **margins.strides(planes.shape)}


def _tensor(memory: npt.NDArray[Any], planes: npt.NDArray[Any], margins: Margins) -> dict[str, Array | int | float]:
    """Return what kernels are told of a tensor."""
    height, width = planes.shape[1:]
    strides = margins.strides(planes.shape, "tensor_")
    return {"tensor": memory, "tensor_width": width, "tensor_height": height, **strides}


def _case(
    kernel: str,
    label: str,
    arguments: dict[str, Array | int | float],
    expected: dict[str, npt.NDArray[Any]],
    size: tuple[int, int],
    element: Element,
    *,
    planes: int = 1,
) -> Case:
    return Case(
        kernel=kernel,
        label=label,
        arguments=dict(arguments),
        domain=(size[1], size[0], planes),
        expected=expected,
        tolerance=1e-5 + half_step(element),
    )


def _converted(kernel: str, source: npt.NDArray[Any], made: npt.NDArray[Any]) -> Case:
    rest = np.full(3, SENTINEL, made.dtype)
    return Case(
        kernel=kernel,
        label=f"{source.size} elements",
        arguments={"in": source, "out": np.full(made.size + 3, SENTINEL, made.dtype), "count": source.size},
        domain=(source.size, 1, 1),
        expected={"out": np.append(made, rest).astype(made.dtype)},
        tolerance=0.0,
    )
