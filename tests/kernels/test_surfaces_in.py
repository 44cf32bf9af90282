"""What is read from surfaces is what the processor's chain reads from the same pictures."""

import av
import cv2
import numpy as np
import pytest

from engine.media.convert import ToChain
from engine.media.layout import LAYOUTS, samples
from engine.stages.window import write_padded
from engine.types import ColorSpace, Matrix, PixelFormat, Range
from kernels.catalogue import catalogue
from kernels.reference.surfaces import Coding
from kernels.reference.surfaces_in import Target, read_rgb, read_ycbcr
from tests.kernels.conftest import HostBuild
from tests.kernels.surface_formats import COLORS, coding_of, memory_of, scene

HEIGHT, WIDTH = 53, 78
YCBCR = (
    "nv12",
    "p010le",
    "p016le",
    "yuv420p",
    "yuvj420p",
    "yuv420p10le",
    "yuv420p16le",
    "yuv422p12le",
    "yuv444p10le",
    "yuv411p",
    "yuv410p",
    "yuyv422",
    "uyvy422",
)
PACKED = ("rgb24", "bgr24", "rgba", "bgra", "rgb48le", "gbrp", "gbrp10le")


def decoded(pix_fmt: str) -> tuple[av.VideoFrame, list[np.ndarray]]:
    """Return a picture with codes of and beyond the nominal range, and the codes of its components."""
    layout = LAYOUTS[pix_fmt]
    picture = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
    components: list[np.ndarray] = []
    for index, place in enumerate(layout.components):
        rows, columns = layout.size(index, WIDTH, HEIGHT)
        codes = np.rint(scene(index, (1, rows, columns))[0] * ((1 << layout.bits) - 1)).astype(np.int64) << layout.shift
        view = samples(picture, layout, index)
        (view if view.ndim == 2 else view[..., place.offset])[...] = codes
        components.append(codes)
    return picture, components


def on_processor(picture: av.VideoFrame, color: ColorSpace, target: PixelFormat) -> np.ndarray:
    out = np.empty((3 if target is PixelFormat.RGB else 1, HEIGHT, WIDTH), np.float32)
    ToChain(picture.format.name, WIDTH, HEIGHT, color, target)(picture, out)
    return out


def whole(**how) -> Target:
    return Target(size=(HEIGHT, WIDTH), padded=(HEIGHT, WIDTH), **how)


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
@pytest.mark.parametrize("pix_fmt", YCBCR)
def test_ycbcr_becomes_the_same_planes(pix_fmt, color):
    picture, components = decoded(pix_fmt)
    coding = coding_of(pix_fmt, color, HEIGHT)
    rgb = read_ycbcr(components, coding, whole())
    np.testing.assert_allclose(rgb, on_processor(picture, color, PixelFormat.RGB), rtol=0, atol=2e-6)
    luma = read_ycbcr(components[:1], coding, whole())
    np.testing.assert_allclose(luma, on_processor(picture, color, PixelFormat.GRAY), rtol=0, atol=1e-6)


@pytest.mark.parametrize("range", list(Range))
@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le"])
def test_grey_becomes_the_same_planes(pix_fmt, range):
    color = ColorSpace(matrix=Matrix.BT601, range=range)
    picture, components = decoded(pix_fmt)
    coding = coding_of(pix_fmt, color, HEIGHT)
    luma = read_ycbcr(components, coding, whole())
    np.testing.assert_allclose(luma, on_processor(picture, color, PixelFormat.GRAY), rtol=0, atol=1e-6)
    rgb = read_rgb(components * 3, coding.black, coding.luma_span, None, whole())
    np.testing.assert_allclose(rgb, on_processor(picture, color, PixelFormat.RGB), rtol=0, atol=1e-6)


@pytest.mark.parametrize("pix_fmt", PACKED)
def test_rgb_becomes_the_same_planes(pix_fmt):
    color = ColorSpace(matrix=Matrix.RGB, range=Range.FULL)
    picture, components = decoded(pix_fmt)
    coding = coding_of(pix_fmt, color, HEIGHT)
    rgb = read_rgb(components, coding.black, coding.luma_span, None, whole())
    np.testing.assert_allclose(rgb, on_processor(picture, color, PixelFormat.RGB), rtol=0, atol=1e-6)
    luma = read_rgb(components, coding.black, coding.luma_span, coding.luma_weights, whole())
    np.testing.assert_allclose(luma, on_processor(picture, color, PixelFormat.GRAY), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "area"), [((53, 78), False), ((31, 44), False), ((75, 120), False), ((16, 23), True), ((40, 77), True)]
)
def test_a_models_input_is_what_the_steps_one_by_one_make(size, area):
    color, gain, bias = COLORS["BT.601 left"], (2.0, 3.0, 4.0), (-1.0, -0.5, 0.25)
    picture, components = decoded("nv12")
    planes = on_processor(picture, color, PixelFormat.RGB)
    padded = (-(-size[0] // 16) * 16, -(-size[1] // 16) * 16)
    wanted = np.empty((3, *padded), np.float32)
    for plane, out, scale, offset in zip(planes, wanted, gain, bias, strict=True):
        how = cv2.INTER_AREA if area else cv2.INTER_LINEAR
        write_padded(cv2.resize(plane, size[::-1], interpolation=how) * scale + offset, out)
    target = Target(size=size, padded=padded, reflect=True, area=area, gain=gain, bias=bias)
    made = read_ycbcr(components, coding_of("nv12", color, HEIGHT), target)
    # OpenCV keeps places in float: at column 78 a share is off by up to 78 × 2⁻²⁴ × 2
    np.testing.assert_allclose(made, wanted, rtol=0, atol=3e-5)


def arguments_of(picture: av.VideoFrame, coding: Coding) -> dict[str, np.ndarray | int | float]:
    """Return what the kernel of a format is launched with to fill planes of R'G'B' of the picture's own size."""
    surface, places = memory_of(picture)
    size = {"width": WIDTH, "height": HEIGHT, "out_width": WIDTH, "out_height": HEIGHT}
    common = {
        **size,
        "surface": surface,
        "out": np.zeros((3, HEIGHT, WIDTH), np.float32),
        "sample_bytes": np.dtype(LAYOUTS[picture.format.name].sample).itemsize,
        "area": 0,
        "padded_width": WIDTH,
        "padded_height": HEIGHT,
        "reflect": 0,
        "planes": 3,
        "pitch": WIDTH,
        "plane": WIDTH * HEIGHT,
        "black": coding.black,
        **{f"gain_{n}": 1.0 for n in range(3)},
        **{f"bias_{n}": 0.0 for n in range(3)},
    }
    first, second, third = places
    if LAYOUTS[picture.format.name].family == "rgb":
        red, green, blue = coding.luma_weights
        return common | {
            "red_at": first[0],
            "green_at": second[0],
            "blue_at": third[0],
            "step": first[1],
            "pitch_bytes": first[2],
            "code_gain": 1 / coding.luma_span,
            "red_weight": red,
            "green_weight": green,
            "blue_weight": blue,
        }
    matrix = coding.rgb_matrix
    return common | {
        "luma_at": first[0],
        "luma_step": first[1],
        "luma_pitch_bytes": first[2],
        "cb_at": second[0],
        "cr_at": third[0],
        "chroma_step": second[1],
        "chroma_pitch_bytes": second[2],
        "shift_x": coding.shift_x,
        "shift_y": coding.shift_y,
        "siting_x": coding.siting[0],
        "siting_y": coding.siting[1],
        "luma_gain": 1 / coding.luma_span,
        "neutral": coding.neutral,
        "chroma_gain": 1 / coding.chroma_span,
        "cr_to_red": matrix[0, 2],
        "cb_to_green": matrix[1, 1],
        "cr_to_green": matrix[1, 2],
        "cb_to_blue": matrix[2, 1],
    }


@pytest.mark.parametrize(
    "pix_fmt", ["nv12", "p010le", "yuv420p10le", "yuv410p", "yuyv422", "uyvy422", "bgra", "rgb48le"]
)
def test_the_kernels_read_ffmpegs_own_memory(host_kernels: HostBuild, pix_fmt: str):
    is_rgb = LAYOUTS[pix_fmt].family == "rgb"
    color = ColorSpace(matrix=Matrix.RGB, range=Range.FULL) if is_rgb else COLORS["BT.2020 top left"]
    picture, _ = decoded(pix_fmt)
    kernel = catalogue()["read_rgb" if is_rgb else "read_ycbcr"]
    arguments = arguments_of(picture, coding_of(pix_fmt, color, HEIGHT))
    values = [arguments[parameter.name] for parameter in kernel.parameters]
    host_kernels("surfaces_in", "float32").launch(kernel, (WIDTH, HEIGHT, 1), values)
    wanted = on_processor(picture, color, PixelFormat.RGB)
    np.testing.assert_allclose(arguments["out"], wanted, rtol=0, atol=2e-6)
