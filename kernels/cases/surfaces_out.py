"""Cases of surfaces_out.cu."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import WIDE
from kernels.cases.materials import half_step, padded, picture
from kernels.cases.surface_memory import (
    BOTTOM_LEFT,
    BT601,
    BT2020,
    EMPTY,
    MIDDLE,
    TOP_LEFT,
    Storage,
    coding,
    layout_arguments,
    packed_rgb,
    packed_ycbcr,
    planar,
    planar_ycbcr,
    semi_planar,
)
from kernels.catalogue import Element
from kernels.reference.surfaces import Codes, Coding, Planes
from kernels.reference.surfaces_out import (
    Made,
    rgb_of_lab,
    write_rgb,
    write_rgb_of_lab,
    write_ycbcr,
    write_ycbcr_of_lab,
)

SHARES = {8: 0.001, 10: 0.002, 12: 0.004, 16: 0.03}
"""By bits: bytes that may differ, because a number that lies between two codes may be rounded to either.

A number is off by up to some 2e-7 in another order of arithmetic: that is 0.013 of a code of 16 bits.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Depth:
    """How codes are stored: significant bits, unused bits below them, dithered or not."""

    bits: int = 8
    shift: int = 0
    dithered: bool = True


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield from _ycbcr_cases(element)
    yield from _rgb_cases(element)
    yield from _lab_cases(element)


def _ycbcr_cases(element: Element) -> Iterator[Case]:
    size = (23, 37)
    rgb, plain = _picture(element, 3, size), Made(size=size)
    video, deep = coding(8, weights=BT601), coding(10, weights=BT2020, siting=TOP_LEFT)
    nv12 = semi_planar(*size, video, sample_bytes=1)
    bytes_8, bytes_10, half = _Depth(), _Depth(bits=10, dithered=False), _Depth(bits=10, shift=6, dithered=False)
    yield _ycbcr(element, "RGB to NV12, dithered", rgb, plain, video, nv12, bytes_8)
    yield _ycbcr(element, "RGB to NV12, not dithered", rgb, plain, video, nv12, _Depth(dithered=False))
    storage = semi_planar(*size, deep, sample_bytes=2)
    yield _ycbcr(element, "RGB to P010, BT.2020, top left", rgb, plain, deep, storage, half)
    for label, how, depth in (
        ("YUV420P, full range, middle", coding(8, full=True, siting=MIDDLE), bytes_8),
        ("YUV420P10, bottom left", coding(10, siting=BOTTOM_LEFT), bytes_10),
        ("YUV422P12", coding(12, shifts=(1, 0)), _Depth(bits=12, dithered=False)),
        ("YUV444P16", coding(16, shifts=(0, 0)), _Depth(bits=16, dithered=False)),
    ):
        storage = planar_ycbcr(*size, how, sample_bytes=1 if depth.bits == 8 else 2)
        yield _ycbcr(element, f"RGB to {label}", rgb, plain, how, storage, depth)
    packed = coding(8, weights=BT601, shifts=(1, 0))
    for order in ("yuyv", "uyvy"):  # of an odd width, whose last pair has a luma sample that nobody writes
        storage = packed_ycbcr(*size, order)
        yield _ycbcr(element, f"RGB to {order.upper()}", rgb, plain, packed, storage, bytes_8)
    luma = _picture(element, 1, size)
    yield _ycbcr(element, "luma to NV12: neutral chroma", luma, plain, video, nv12, bytes_8)
    full = coding(8, full=True, shifts=(0, 0))
    yield _ycbcr(element, "luma to grey", luma, plain, full, planar(*size, sample_bytes=1), bytes_8, luma_only=True)
    yield _ycbcr(element, "RGB to grey", rgb, plain, full, planar(*size, sample_bytes=1), bytes_8, luma_only=True)
    beyond = (rgb.astype(np.float32) * 1.5 - 0.25).astype(element)
    beyond[:, 3, 5], beyond[1, 8, 9], beyond[2, 0, 0], beyond[0, -1, -1] = np.nan, np.nan, np.inf, -np.inf
    yield _ycbcr(element, "beyond 0..1 and no numbers", beyond, plain, video, nv12, bytes_8)
    made = Made(size=size, gain=0.5, bias=0.5)
    signed = (rgb.astype(np.float32) * 2 - 1).astype(element)
    yield _ycbcr(element, "a model's output in -1..1", signed, made, video, nv12, bytes_8)
    for label, made in (
        ("halved by area", Made(size=(12, 18), area=True)),
        ("to two thirds by area", Made(size=(15, 25), area=True)),
        ("larger, linear", Made(size=(30, 41))),
    ):
        storage = semi_planar(*made.size, video, sample_bytes=1)
        yield _ycbcr(element, f"RGB to NV12, {label}", rgb, made, video, storage, bytes_8)
    one = semi_planar(1, 1, video, sample_bytes=1)
    pixel = _picture(element, 3, (1, 1))
    yield _ycbcr(element, "one pixel", pixel, Made(size=(1, 1)), video, one, bytes_8)


def _rgb_cases(element: Element) -> Iterator[Case]:
    size = (19, 41)
    rgb, luma = _picture(element, 3, size), _picture(element, 1, size)
    plain, deep = Made(size=size), _Depth(bits=16, dithered=False)
    for order in ("rgb", "bgr", "bgra", "rgba"):
        yield _rgb(element, order.upper(), rgb, plain, packed_rgb(*size, order), _Depth())
    yield _rgb(element, "luma to BGR", luma, plain, packed_rgb(*size, "bgr"), _Depth(dithered=False))
    yield _rgb(element, "RGB of 16 bits", rgb, plain, packed_rgb(*size, "rgb", sample_bytes=2), deep)
    planes = planar(*size, sample_bytes=2, count=3)
    yield _rgb(element, "planes of 10 bits", rgb, plain, planes, _Depth(bits=10, dithered=False))
    beyond = (rgb.astype(np.float32) * 1.5 - 0.25).astype(element)
    beyond[:, 3, 5], beyond[2, 0, 0] = np.nan, np.inf
    yield _rgb(element, "beyond 0..1 and no numbers", beyond, plain, packed_rgb(*size, "rgb"), _Depth())
    made = Made(size=(9, 20), area=True, gain=0.5, bias=0.5)
    signed = (rgb.astype(np.float32) * 2 - 1).astype(element)
    yield _rgb(element, "a model's output in -1..1, by area", signed, made, packed_rgb(9, 20, "bgra"), _Depth())
    pixel = _picture(element, 3, (1, 1))
    yield _rgb(element, "one pixel", pixel, Made(size=(1, 1)), packed_rgb(1, 1, "rgb"), _Depth())


def _lab_cases(element: Element) -> Iterator[Case]:
    for size in ((1, 1), (22, 36), (23, 37)):
        label = f"{size[1]} x {size[0]}"
        luma = _picture(element, 1, size)[0] ** 3  # half of it so dark that L* is linear there
        ab = picture(6, (2, -(-size[0] // 2), -(-size[1] // 2)), element)
        for name, how, depth in (
            ("NV12", coding(8, weights=BT601), _Depth()),
            ("YUV420P, middle", coding(8, full=True, siting=MIDDLE), _Depth()),
            ("P010, top left", coding(10, weights=BT2020, siting=TOP_LEFT), _Depth(bits=10, shift=6, dithered=False)),
            ("YUV422P10", coding(10, shifts=(1, 0)), _Depth(bits=10, dithered=False)),
            ("YUV444P", coding(8, shifts=(0, 0)), _Depth()),
            ("YUYV", coding(8, shifts=(1, 0)), _Depth()),
            ("UYVY", coding(8, full=True, shifts=(1, 0), siting=MIDDLE), _Depth()),
        ):
            make = planar_ycbcr if name.startswith("YUV") else semi_planar
            if name in ("YUYV", "UYVY"):
                storage = packed_ycbcr(*size, name.lower())
            else:
                storage = make(*size, how, sample_bytes=1 if depth.bits == 8 else 2)
            yield _ycbcr_of_lab(element, f"{name}, {label}", luma, ab, how, storage, depth)
        for order in ("rgb", "bgra"):
            yield _codes_of_lab(element, f"{order.upper()}, {label}", luma, ab, packed_rgb(*size, order))
        yield _rgb_of_lab(element, label, luma, ab, coding(8, weights=BT2020))
    luma, ab = _picture(element, 1, (8, 10))[0], picture(7, (2, 4, 5), element)
    luma[2, 3] = luma[7, 9] = ab[0, 2, 2] = np.nan
    luma[4, 4], luma[0, 8] = 1.5, -0.5
    how = coding(8)
    nv12 = semi_planar(8, 10, how, sample_bytes=1)
    yield _ycbcr_of_lab(element, "beyond 0..1 and no numbers", luma, ab, how, nv12, _Depth())
    yield _rgb_of_lab(element, "beyond 0..1 and no numbers", luma, ab, how)


def _ycbcr(
    element: Element,
    label: str,
    planes: Planes,
    made: Made,
    how: Coding,
    storage: Storage,
    depth: _Depth,
    *,
    luma_only: bool = False,
) -> Case:
    codes = write_ycbcr(planes, made, how, luma_only=luma_only, dithered=depth.dithered)
    arguments = {**_of_picture(planes, made), **_ycbcr_storage(storage, how), "components": len(codes)}
    return _case("write_ycbcr", label, storage, depth, made.size, (how.shift_x, how.shift_y), arguments, codes)


def _rgb(element: Element, label: str, planes: Planes, made: Made, storage: Storage, depth: _Depth) -> Case:
    peak = (1 << depth.bits) - 1
    codes = write_rgb(planes, made, peak, dithered=depth.dithered)
    arguments = {**_of_picture(planes, made), **_rgb_storage(storage, peak)}
    return _case("write_rgb", label, storage, depth, made.size, (0, 0), arguments, _with_alpha(codes, storage, peak))


def _ycbcr_of_lab(
    element: Element, label: str, luma: Planes, ab: Planes, how: Coding, storage: Storage, depth: _Depth
) -> Case:
    codes = write_ycbcr_of_lab(luma, ab, how, dithered=depth.dithered)
    arguments = {**_of_lab(luma, ab), **_ycbcr_storage(storage, how)}
    return _case("write_ycbcr_of_lab", label, storage, depth, luma.shape, (how.shift_x, how.shift_y), arguments, codes)


def _codes_of_lab(element: Element, label: str, luma: Planes, ab: Planes, storage: Storage) -> Case:
    how, peak = coding(8), 255
    codes = write_rgb_of_lab(luma, ab, how, peak, dithered=True)
    arguments = {**_of_lab(luma, ab), **_rgb_storage(storage, peak), "kr": how.kr, "kb": how.kb}
    codes = _with_alpha(codes, storage, peak)
    return _case("write_rgb_of_lab", label, storage, _Depth(), luma.shape, (0, 0), arguments, codes)


def _rgb_of_lab(element: Element, label: str, luma: Planes, ab: Planes, how: Coding) -> Case:
    shape = (3, *luma.shape)
    return Case(
        kernel="rgb_of_lab",
        label=label,
        arguments={
            **_of_lab(luma, ab),
            "rgb": WIDE.empty(shape, element),
            **WIDE.strides(shape, "rgb_"),
            "kr": how.kr,
            "kb": how.kb,
        },
        domain=(luma.shape[1], luma.shape[0], 1),
        expected={"rgb": WIDE.put(rgb_of_lab(luma, ab, how).astype(element))},
        tolerance=2e-5 + half_step(element),  # near black R'G'B' rise 13 times as fast as light does
    )


def _case(
    kernel: str,
    label: str,
    storage: Storage,
    depth: _Depth,
    size: tuple[int, ...],
    shifts: tuple[int, int],
    arguments: dict[str, Any],
    codes: Sequence[Codes],
) -> Case:
    surface = np.full(storage.size, EMPTY, np.uint8)
    arguments |= {
        "surface": surface,
        "sample_bytes": storage.sample_bytes,
        "code_shift": depth.shift,
        "dither": int(depth.dithered),
    }
    rows, columns = (-(-length >> shift) for length, shift in zip(size, reversed(shifts), strict=True))
    return Case(
        kernel=kernel,
        label=label,
        arguments=arguments,
        domain=(columns, rows, 1),
        expected={"surface": storage.with_codes([plane << depth.shift for plane in codes], surface)},
        tolerance=0.0,
        share=SHARES[depth.bits],
    )


def _of_picture(planes: Planes, made: Made) -> dict[str, Any]:
    count, height, width = planes.shape
    pitch, rows = width + 5, height + 3
    return {
        "picture": padded(planes, pitch, rows, np.nan),
        "planes": count,
        "width": width,
        "height": height,
        "pitch": pitch,
        "plane": pitch * rows,
        "gain": made.gain,
        "bias": made.bias,
        "area": int(made.area),
        "out_width": made.size[1],
        "out_height": made.size[0],
    }


def _of_lab(luma: Planes, ab: Planes) -> dict[str, Any]:
    (height, width), (rows, columns) = luma.shape, ab.shape[1:]
    return {
        "picture": padded(luma[None], width + 5, height + 3, np.nan),
        "ab": padded(ab, columns + 3, rows + 1, np.nan),
        "width": width,
        "height": height,
        "pitch": width + 5,
        "ab_pitch": columns + 3,
        "ab_plane": (columns + 3) * (rows + 1),
    }


def _ycbcr_storage(storage: Storage, how: Coding) -> dict[str, Any]:
    return {
        **layout_arguments(storage.places, how),
        "kr": how.kr,
        "kb": how.kb,
        "luma_span": how.luma_span,
        "black": how.black,
        "chroma_span": how.chroma_span,
        "neutral": how.neutral,
        "chroma_low": how.chroma_low,
        "chroma_high": how.chroma_high,
    }


def _rgb_storage(storage: Storage, peak: int) -> dict[str, Any]:
    red, green, blue, *alpha = storage.places
    return {
        "red_at": red.at,
        "green_at": green.at,
        "blue_at": blue.at,
        "alpha_at": alpha[0].at if alpha else -1,
        "step": red.step,
        "pitch_bytes": red.pitch,
        "peak": float(peak),
    }


def _with_alpha(codes: Sequence[Codes], storage: Storage, peak: int) -> list[Codes]:
    return [*codes, *(np.full_like(codes[0], peak) for _ in storage.places[3:])]


def _picture(element: Element, planes: int, size: tuple[int, int]) -> npt.NDArray[Any]:
    return picture(5, (planes, *size), element)
