"""Surfaces read on a device are the planes that the processor reads from the same pictures, whichever way up."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import av
import cv2
import numpy as np
import pytest

from engine.device.operators import Operators
from engine.media.color import output_color
from engine.media.convert import ToChain
from engine.media.device.border import Surface
from engine.media.device.reading import SurfaceReader
from engine.media.layout import LAYOUTS, samples
from engine.media.upright import Orientation
from engine.types import ColorSpace, FrameSpec, Matrix, PixelFormat, Range
from tests.kernels.surface_formats import COLORS, scene
from tests.support.simulated_device import SimulatedDevice, host_view

LAID_OUT = [
    "yuv420p", "yuv420p10le", "yuv422p", "yuv422p12le", "yuv444p", "yuv444p16le", "yuv440p", "yuva444p10le", "nv21",
    "nv24", "p210le", "yuyv422", "uyvy422", "yuvj420p", "gray", "gray12le", "ya8", "rgb24", "bgra", "0rgb", "gbrp",
    "gbrp10le", "rgba64le",
]  # fmt: skip
"""One of each family, order, subsampling, depth."""

ORIENTATIONS = [Orientation(is_transposed=bool(n & 4), flips_x=bool(n & 2), flips_y=bool(n & 1)) for n in range(8)]


def surface_of(device: SimulatedDevice, pix_fmt: str, width: int, height: int) -> tuple[av.VideoFrame, Surface, object]:
    """Return a picture with codes of and beyond the nominal range, and a copy of it on the device, rows padded."""
    picture, layout = av.VideoFrame(width, height, pix_fmt), LAYOUTS[pix_fmt]
    for index, place in enumerate(layout.components):
        rows, columns = layout.size(index, width, height)
        codes = np.rint(scene(index, (1, rows, columns))[0] * ((1 << layout.bits) - 1)).astype(np.int64) << layout.shift
        view = samples(picture, layout, index)
        (view if view.ndim == 2 else view[..., place.offset])[...] = codes
    starts = np.cumsum([0, *(plane.buffer_size + 512 for plane in picture.planes)])
    memory = device.empty((int(starts[-1]),), np.uint8)
    for plane, start in zip(picture.planes, starts, strict=False):
        host_view(memory)[start : start + plane.buffer_size] = np.frombuffer(plane, np.uint8)
    places = [(int(start), plane.line_size) for plane, start in zip(picture.planes, starts, strict=False)]
    return picture, Surface(address=memory.pointer, planes=tuple(places), nbytes=memory.nbytes), memory


def both(
    pix_fmt: str,
    color: ColorSpace,
    format: PixelFormat,
    orientation: Orientation,
    *,
    size: tuple[int, int] = (22, 14),
    out: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what device and processor read of a picture of width and height `size`."""
    device = SimulatedDevice()
    picture, surface, memory = surface_of(device, pix_fmt, *size)
    width, height = orientation.size(*size)
    spec = FrameSpec(format=format, width=width, height=height, rate=Fraction(24), time_base=Fraction(1, 24))
    coded = np.empty((spec.pixels_shape[0], size[1], size[0]), np.float32)
    wanted = np.empty(spec.pixels_shape, np.float32)
    ToChain(pix_fmt, *size, color, format)(picture, coded)
    orientation.apply(coded, wanted)
    if out is not None:
        spec = replace(spec, width=out[0], height=out[1])
        how = cv2.INTER_AREA if out[0] < width else cv2.INTER_LINEAR
        wanted = np.stack([cv2.resize(plane, out, interpolation=how) for plane in wanted])
    stream = device.stream()
    read = SurfaceReader(Operators(device, stream), pix_fmt, *size, color, orientation, spec)
    assert read.resizes == (out is not None)
    target = device.empty(spec.pixels_shape, np.float32)
    read(surface, target)
    stream.synchronize()
    assert memory is not None
    return host_view(target).copy(), wanted


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
@pytest.mark.parametrize("pix_fmt", ["nv12", "p010le", "p016le"])
def test_every_depth_colour_and_siting(pix_fmt, color, format):
    made, wanted = both(pix_fmt, color, format, Orientation())
    np.testing.assert_allclose(made, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("pix_fmt", LAID_OUT)
def test_every_layout(pix_fmt, format):
    for orientation in (ORIENTATIONS[0], ORIENTATIONS[6]):
        made, wanted = both(pix_fmt, COLORS["BT.601 left"], format, orientation, size=(21, 13))
        np.testing.assert_allclose(made, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(22, 14), (21, 14), (22, 13), (17, 11)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_and_mirrored_pictures_have_their_chroma_in_the_right_place(orientation, size):
    for pix_fmt, name in product(("nv12", "yuv411p", "yuv410p"), ("BT.601 left", "BT.709 bottom left")):
        made, wanted = both(pix_fmt, COLORS[name], PixelFormat.RGB, orientation, size=size)
        np.testing.assert_allclose(made, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("out", [(11, 10), (33, 20)])
def test_pictures_of_another_size_are_brought_to_the_films(out):
    turned = Orientation(is_transposed=True, flips_x=True)
    made, wanted = both("nv12", COLORS["BT.601 left"], PixelFormat.RGB, turned, size=(14, 22), out=out)
    np.testing.assert_allclose(made, wanted, rtol=0, atol=3e-5)


def test_luma_of_a_film_in_rgb_colours_is_by_its_usual_matrix():
    color = output_color(
        ColorSpace(matrix=Matrix.RGB, range=Range.LIMITED), family="yuv", is_full_range=False, height=14
    )
    made, wanted = both("nv12", color, PixelFormat.GRAY, Orientation())
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-6)
