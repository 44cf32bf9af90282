"""Cases of surfaces_in.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, half_step, padded
from kernels.cases.surface_memory import (
    BOTTOM_LEFT,
    BT601,
    BT2020,
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
from kernels.reference.surfaces import Codes, Coding
from kernels.reference.surfaces_in import Target, read_rgb, read_ycbcr

GAIN, BIAS = (1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)
"""A usual normalisation, by plane."""


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield from _ycbcr_cases(element)
    yield from _rgb_cases(element)


def _ycbcr_cases(element: Element) -> Iterator[Case]:
    video, deep = coding(8, weights=BT601), coding(10, weights=BT2020, siting=TOP_LEFT, unit=64)
    size = (21, 35)
    plain = Target(size=size, padded=size)
    nv12, p010 = semi_planar(*size, video, sample_bytes=1), semi_planar(*size, deep, sample_bytes=2)
    yield _ycbcr(element, "NV12, odd size, codes beyond the range", size, video, nv12, plain)
    yield _ycbcr(element, "NV12, luma alone", size, video, nv12, plain, count=1)
    yield _ycbcr(element, "P010, BT.2020, top left", size, deep, p010, plain)
    one = semi_planar(1, 1, video, sample_bytes=1)
    yield _ycbcr(element, "NV12, one pixel", (1, 1), video, one, Target(size=(1, 1), padded=(1, 1)))
    for label, how in (
        ("YUV420P, full range, middle", coding(8, full=True, siting=MIDDLE)),
        ("YUV420P10, bottom left", coding(10, siting=BOTTOM_LEFT)),
        ("YUV422P12", coding(12, shifts=(1, 0))),
        ("YUV444P16, full range", coding(16, full=True, shifts=(0, 0))),
        ("YUV410P", coding(8, shifts=(2, 2), siting=MIDDLE)),
    ):
        storage = planar_ycbcr(*size, how, sample_bytes=1 if how.neutral == 128 else 2)
        yield _ycbcr(element, label, size, how, storage, plain)
    packed = coding(8, shifts=(1, 0))
    for order in ("yuyv", "uyvy"):
        yield _ycbcr(element, f"{order.upper()}, odd width", size, packed, packed_ycbcr(*size, order), plain)
    grey = planar(*size, sample_bytes=2)
    yield _ycbcr(element, "grey, 16 bits", size, coding(16, full=True), grey, plain, count=1)
    for label, target in (
        ("smaller, linear, padded, normalised", Target(size=(13, 22), padded=(16, 24), gain=GAIN, bias=BIAS)),
        ("larger, linear", Target(size=(40, 50), padded=(40, 50))),
        ("smaller by area, padded, normalised", Target(size=(6, 9), padded=(8, 16), area=True, gain=GAIN, bias=BIAS)),
        ("only narrower, by area", Target(size=(21, 10), padded=(24, 10), area=True)),
        ("reflected", Target(size=(6, 9), padded=(13, 25), area=True, reflect=True)),
        ("padded, in -1..1", Target(size=size, padded=(32, 64), gain=(2.0, 2.0, 2.0), bias=(-1.0, -1.0, -1.0))),
    ):
        yield _ycbcr(element, f"NV12 to a model's input, {label}", size, video, nv12, target)
    luma_input = Target(size=(10, 10), padded=(12, 16), area=True, gain=GAIN, bias=BIAS)
    yield _ycbcr(element, "P010 to a model's luma input", size, deep, p010, luma_input, count=1)


def _rgb_cases(element: Element) -> Iterator[Case]:
    size = (19, 37)
    plain, model = Target(size=size, padded=size), Target(size=(8, 15), padded=(8, 16), area=True, gain=GAIN, bias=BIAS)
    for order in ("rgb", "bgr", "bgra", "argb"):
        yield _rgb(element, f"{order.upper()}, 8 bits", packed_rgb(*size, order), size, 255, plain)
    deep = packed_rgb(*size, "bgr", sample_bytes=2)
    yield _rgb(element, "BGR, 16 bits, to luma", deep, size, 65535, plain, luma=True)
    planes = planar(*size, sample_bytes=2, count=3)
    yield _rgb(element, "planar, 10 bits, dirty upper bits", planes, size, 1023, plain)
    yield _rgb(element, "BGRA to a model's input by area", packed_rgb(*size, "bgra"), size, 255, model)
    yield _rgb(element, "BGRA to a model's luma input", packed_rgb(*size, "bgra"), size, 255, model, luma=True)
    larger = Target(size=(25, 38), padded=(32, 40), reflect=True)
    yield _rgb(element, "RGB, larger, reflected", packed_rgb(*size, "rgb"), size, 255, larger)
    one = Target(size=(1, 1), padded=(4, 3), reflect=True)
    yield _rgb(element, "one pixel, reflected", packed_rgb(1, 1, "rgb"), (1, 1), 255, one)
    once = planar(*size, sample_bytes=1)
    grey = Storage(size=once.size, sample_bytes=1, places=once.places * 3)
    yield _rgb(element, "grey three times", grey, size, 255, plain)


def _ycbcr(
    element: Element,
    label: str,
    size: tuple[int, int],
    how: Coding,
    storage: Storage,
    target: Target,
    *,
    count: int = 3,
) -> Case:
    small = (-(-size[0] >> how.shift_y), -(-size[1] >> how.shift_x))
    components = [_codes(n, size if n == 0 else small, storage.sample_bytes, how.neutral) for n in range(count)]
    matrix = how.rgb_matrix
    arguments = {
        "surface": storage.with_codes(components),
        **layout_arguments(storage.places[:count], how),
        "black": how.black,
        "luma_gain": 1 / how.luma_span,
        "neutral": how.neutral,
        "chroma_gain": 1 / how.chroma_span,
        "cr_to_red": float(matrix[0, 2]),
        "cb_to_green": float(matrix[1, 1]),
        "cr_to_green": float(matrix[1, 2]),
        "cb_to_blue": float(matrix[2, 1]),
    }
    expected = read_ycbcr(components, how, target)
    return _case("read_ycbcr", element, label, size, storage, target, arguments, expected)


def _rgb(
    element: Element,
    label: str,
    storage: Storage,
    size: tuple[int, int],
    peak: int,
    target: Target,
    *,
    luma: bool = False,
) -> Case:
    one_plane = len({place.at for place in storage.places}) == 1
    made = [_codes(n, size, storage.sample_bytes, peak / 2) for n in range(3)]
    components = [made[0]] * 3 if one_plane else made
    weights = coding(8).luma_weights
    red, green, blue = storage.places[:3]
    arguments = {
        "surface": storage.with_codes(components),
        "red_at": red.at,
        "green_at": green.at,
        "blue_at": blue.at,
        "step": red.step,
        "pitch_bytes": red.pitch,
        "black": 0.0,
        "code_gain": 1 / peak,
        "red_weight": float(weights[0]),
        "green_weight": float(weights[1]),
        "blue_weight": float(weights[2]),
    }
    expected = read_rgb(components, 0.0, peak, weights if luma else None, target)
    return _case("read_rgb", element, label, size, storage, target, arguments, expected)


def _case(
    kernel: str,
    element: Element,
    label: str,
    size: tuple[int, int],
    storage: Storage,
    target: Target,
    arguments: dict[str, Any],
    expected: npt.NDArray[Any],
) -> Case:
    planes, (rows, columns) = len(expected), target.padded
    pitch, plane_rows = columns + 3, rows + 2
    arguments |= {
        "out": np.full((planes, plane_rows, pitch), SENTINEL, element),
        "width": size[1],
        "height": size[0],
        "sample_bytes": storage.sample_bytes,
        "area": int(target.area),
        "out_width": target.size[1],
        "out_height": target.size[0],
        "padded_width": columns,
        "padded_height": rows,
        "reflect": int(target.reflect),
        "planes": planes,
        "pitch": pitch,
        "plane": pitch * plane_rows,
        **{f"gain_{n}": gain for n, gain in enumerate(target.gain)},
        **{f"bias_{n}": bias for n, bias in enumerate(target.bias)},
    }
    largest = float(np.abs(expected).max())
    return Case(
        kernel=kernel,
        label=label,
        arguments=arguments,
        domain=(columns, rows, 1),
        expected={"out": padded(expected.astype(element), pitch, plane_rows)},
        tolerance=1e-5 + half_step(element, largest),
    )


def _codes(component: int, size: tuple[int, int], sample_bytes: int, middle: float) -> Codes:
    """Return smooth noise over all codes up to twice the middle one, and both ends of what a sample can hold."""
    rng = np.random.default_rng(component)
    values = rng.random(size)
    codes = ((values + np.roll(values, 1, 0) + np.roll(values, 1, 1)) / 3 * 2 * middle).astype(np.int64)
    codes.reshape(-1)[:: 1 + codes.size // 5] = (1 << 8 * sample_bytes) - 1
    codes.reshape(-1)[-1] = 0
    return codes
