"""How each of FFmpeg's pixel formats lays samples in memory: one table, made from the rules of their names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypedDict, Unpack, cast

import av
import numpy as np
import numpy.typing as npt

Family = Literal["yuv", "gray", "rgb"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Where the samples of Y', Cb, Cr, R', G' or B' lie.

    plane : number of the plane
    step : samples from one to the next
    offset : samples before the first
    """

    plane: int
    step: int = 1
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A pixel format.

    family : what its components are: Y'CbCr, Y' alone, R'G'B'
    components : in the order Y'CbCr or R'G'B'; alpha is left out
    bits : significant bits of a sample
    shift : unused low bits below them (P010 keeps 10 bits in the upper part of 16)
    sample : dtype of a sample, little or big endian
    shift_x, shift_y : log2 of the chroma's subsampling
    is_full_range : the name itself means full range
    """

    family: Family
    components: tuple[Component, ...]
    bits: int = 8
    shift: int = 0
    sample: str = "u1"
    shift_x: int = 0
    shift_y: int = 0
    is_full_range: bool = False

    def size(self, component: int, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of a component in a picture of `width` × `height`."""
        if self.family == "yuv" and component > 0:
            return -(-height >> self.shift_y), -(-width >> self.shift_x)
        return height, width


class _Depth(TypedDict, total=False):
    bits: int
    shift: int
    sample: str
    is_full_range: bool


def coded_format(picture: av.VideoFrame) -> str:
    """Return the pixel format of a picture's samples, also where they lie on a device."""
    on_device = picture.sw_format
    return picture.format.name if on_device is None else on_device.name


def samples(frame: av.VideoFrame, layout: Layout, component: int) -> npt.NDArray[np.uint8 | np.uint16]:
    """View the samples of one component, (rows, columns) or, where others lie between, (rows, columns, step).

    The view is into the frame's memory, for reading and writing; big-endian samples appear byte-swapped, so that OpenCV
    takes them (`Layout.sample` says so). Of the third axis only `Component.offset` belongs to the component.
    """
    place = layout.components[component]
    plane = frame.planes[place.plane]
    memory = memoryview(cast(bytearray, plane))
    rows, columns = layout.size(component, frame.width, frame.height)
    dtype = np.dtype(layout.sample.replace(">", "<"))
    pitch = plane.line_size
    first = 0 if pitch > 0 else -(rows - 1) * pitch
    if place.step == 1:
        return np.ndarray((rows, columns), dtype, memory, first, (pitch, dtype.itemsize))
    strides = (pitch, place.step * dtype.itemsize, dtype.itemsize)
    return np.ndarray((rows, columns, place.step), dtype, memory, first, strides)


def _planar(names: str) -> tuple[Component, ...]:
    """Return the components of a format whose planes come in the order of `names`."""
    wanted = "rgb" if "r" in names else "yuv"
    return tuple(Component(plane=names.index(name)) for name in wanted if name in names)


def _packed(names: str, *, plane: int = 0) -> tuple[Component, ...]:
    """Return the components of samples that lie side by side in one plane; `.` is one to skip."""
    wanted = "rgb" if "r" in names else "yuv"
    steps = {name: len(names) // names.count(name) for name in wanted if name in names}
    return tuple(Component(plane=plane, step=step, offset=names.index(name) % step) for name, step in steps.items())


_SUBSAMPLING: Mapping[str, tuple[int, int]] = {
    "420": (1, 1),
    "422": (1, 0),
    "444": (0, 0),
    "440": (0, 1),
    "411": (2, 0),
    "410": (2, 2),
}
_SEMI_PLANAR: Mapping[str, tuple[str, str]] = {
    "nv12": ("420", "uv"),
    "nv21": ("420", "vu"),
    "nv16": ("422", "uv"),
    "nv24": ("444", "uv"),
    "nv42": ("444", "vu"),
}
_PACKED_RGB: Mapping[str, str] = {
    "rgb24": "rgb",
    "bgr24": "bgr",
    "rgba": "rgb.",
    "bgra": "bgr.",
    "argb": ".rgb",
    "abgr": ".bgr",
    "rgb0": "rgb.",
    "bgr0": "bgr.",
    "0rgb": ".rgb",
    "0bgr": ".bgr",
}
_PACKED_RGB_16: Mapping[str, str] = {"rgb48": "rgb", "bgr48": "bgr", "rgba64": "rgb.", "bgra64": "bgr."}
_DEPTHS = (9, 10, 12, 14, 16)
_ENDS = (("le", "<u2"), ("be", ">u2"))


def _yuv(components: tuple[Component, ...], subsampling: str, **depth: Unpack[_Depth]) -> Layout:
    shift_x, shift_y = _SUBSAMPLING[subsampling]
    return Layout(family="yuv", components=components, shift_x=shift_x, shift_y=shift_y, **depth)


def _bytes() -> Iterator[tuple[str, Layout]]:
    for name in _SUBSAMPLING:
        yield f"yuv{name}p", _yuv(_planar("yuv"), name)
        yield f"yuva{name}p", _yuv(_planar("yuv"), name)
        yield f"yuvj{name}p", _yuv(_planar("yuv"), name, is_full_range=True)
    for name, (subsampling, order) in _SEMI_PLANAR.items():
        yield name, _yuv((Component(plane=0), *_chroma_pair(order)), subsampling)
    for name in ("yuyv", "uyvy", "yvyu"):
        yield f"{name}422", _yuv(_packed(name), "422")
    for name, order in _PACKED_RGB.items():
        yield name, Layout(family="rgb", components=_packed(order))
    yield "gray", Layout(family="gray", components=_planar("y"))
    yield "ya8", Layout(family="gray", components=_packed("y."))
    yield "gbrp", Layout(family="rgb", components=_planar("gbr"))
    yield "gbrap", Layout(family="rgb", components=_planar("gbr"))


def _words(end: str, sample: str) -> Iterator[tuple[str, Layout]]:
    for bits in _DEPTHS:
        for name in _SUBSAMPLING:
            yield f"yuv{name}p{bits}{end}", _yuv(_planar("yuv"), name, bits=bits, sample=sample)
            yield f"yuva{name}p{bits}{end}", _yuv(_planar("yuv"), name, bits=bits, sample=sample)
        yield f"gray{bits}{end}", Layout(family="gray", components=_planar("y"), bits=bits, sample=sample)
        yield f"gbrp{bits}{end}", Layout(family="rgb", components=_planar("gbr"), bits=bits, sample=sample)
        yield f"gbrap{bits}{end}", Layout(family="rgb", components=_planar("gbr"), bits=bits, sample=sample)
    for digit, name in (("0", "420"), ("2", "422"), ("4", "444")):
        for bits in (10, 12, 16):
            components = (Component(plane=0), *_chroma_pair("uv"))
            yield f"p{digit}{bits}{end}", _yuv(components, name, bits=bits, shift=16 - bits, sample=sample)
    for bits in (10, 12):
        yield f"y2{bits}{end}", _yuv(_packed("yuyv"), "422", bits=bits, shift=16 - bits, sample=sample)
    for name, order in _PACKED_RGB_16.items():
        yield f"{name}{end}", Layout(family="rgb", components=_packed(order), bits=16, sample=sample)
    yield f"ya16{end}", Layout(family="gray", components=_packed("y."), bits=16, sample=sample)


def _chroma_pair(order: str) -> tuple[Component, Component]:
    first, second = (Component(plane=1, step=2, offset=order.index(name)) for name in "uv")
    return first, second


LAYOUTS: Mapping[str, Layout] = dict(chain(_bytes(), *(_words(end, sample) for end, sample in _ENDS)))
"""Every format that is read and written without help, by FFmpeg's name. Names FFmpeg does not have do no harm."""


def layout_or_stand_in(pix_fmt: str) -> tuple[str, Layout]:
    """Return a format and its layout: the format itself where `LAYOUTS` has it, else one that holds it without loss.

    The stand-in is what swscale is asked to convert to: of the same family, in 16 bits wherever there are more than 8.
    """
    if pix_fmt in LAYOUTS:
        return pix_fmt, LAYOUTS[pix_fmt]
    described = av.VideoFormat(pix_fmt, 16, 16)
    colors = [component for component in described.components if not component.is_alpha]
    is_deep = max(component.bits for component in colors) > 8
    if described.is_rgb or described.has_palette or described.is_bayer or pix_fmt.startswith("xyz"):
        stand_in = "gbrp16le" if is_deep else "gbrp"
    elif len(colors) == 1:
        stand_in = "gray16le" if is_deep else "gray"
    else:
        stand_in = "yuv444p16le" if is_deep else "yuv444p"
    return stand_in, LAYOUTS[stand_in]


def bit_depth_of(pix_fmt: str) -> int:
    """Return the significant bits of a format's samples; floats count as 16."""
    if pix_fmt in LAYOUTS:
        return LAYOUTS[pix_fmt].bits
    described = av.VideoFormat(pix_fmt, 16, 16)
    return min(max((component.bits for component in described.components), default=8), 16)
