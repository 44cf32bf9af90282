"""Codes to numbers and back: exact at every depth, range and matrix, on odd sizes and any memory layout."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from engine.errors import PixelFormatError
from engine.frame import Frame
from engine.media.chroma import SITINGS, Enlarge, Move, Shrink
from engine.media.codes import dither_pattern
from engine.media.color import COEFFICIENTS, FFMPEG_OF_MATRIX
from engine.media.convert import OUTPUT_FORMATS, FromChain, ToChain
from engine.media.layout import LAYOUTS, bit_depth_of, layout_or_stand_in, samples
from engine.types import ColorSpace, FrameSpec, Matrix, PixelFormat, Range
from tests.support.films import coded_picture

LIMITED = ColorSpace(matrix=Matrix.BT601, range=Range.LIMITED)
FULL = ColorSpace(matrix=Matrix.BT601, range=Range.FULL)
KNOWN_FORMATS = sorted(set(LAYOUTS) & set(av.video.format.names))


def to_chain(picture: av.VideoFrame, color: ColorSpace, target: PixelFormat) -> np.ndarray:
    out = np.full((3 if target is PixelFormat.RGB else 1, picture.height, picture.width), np.nan, np.float32)
    ToChain(picture.format.name, picture.width, picture.height, color, target)(picture, out)
    return out


def chain_frame(pixels: np.ndarray, format: PixelFormat, chroma: np.ndarray | None = None) -> Frame:
    pixels = np.ascontiguousarray(pixels, np.float32)
    return Frame(pixels=pixels, chroma=chroma, format=format, pts=0, time_base=Fraction(1, 24), index=0)


def spec_of(frame: Frame, color: ColorSpace) -> FrameSpec:
    return FrameSpec(
        format=frame.format, width=frame.width, height=frame.height, rate=None, time_base=Fraction(1, 24), color=color
    )


def from_chain(frame: Frame, pix_fmt: str, color: ColorSpace, *, dither: bool = True) -> av.VideoFrame:
    out = av.VideoFrame(frame.width, frame.height, pix_fmt)
    FromChain(spec_of(frame, color), pix_fmt, dither=dither)(frame, out)
    return out


def codes_of(picture: av.VideoFrame, component: int) -> np.ndarray:
    layout = LAYOUTS[picture.format.name]
    view = samples(picture, layout, component)
    return view if view.ndim == 2 else view[..., layout.components[component].offset]


def neutral(width: int, height: int, pix_fmt: str) -> list[np.ndarray]:
    layout = LAYOUTS[pix_fmt]
    return [np.full(layout.size(index, width, height), 128 << (layout.bits - 8)) for index in (1, 2)]


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p12le", "yuv444p14le", "yuv420p16le", "yuv420p10be"]
)
@pytest.mark.parametrize("color", [LIMITED, FULL])
def test_luma_codes_are_read_exactly(pix_fmt, color):
    bits = LAYOUTS[pix_fmt].bits
    width, height = 257, 33
    codes = np.linspace(0, (1 << bits) - 1, width * height).round().astype(np.int64).reshape(height, width)
    picture = coded_picture([codes, *neutral(width, height, pix_fmt)], pix_fmt)
    unit = 1 << (bits - 8)
    black, span = (16 * unit, 219 * unit) if color.range is Range.LIMITED else (0, (1 << bits) - 1)
    expected = np.clip((codes - black) / span, 0, 1)
    assert np.abs(to_chain(picture, color, PixelFormat.GRAY)[0] - expected).max() < 1e-6


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray12le", "gray16le", "gray16be"])
def test_grey_formats_are_full_range(pix_fmt):
    peak = (1 << LAYOUTS[pix_fmt].bits) - 1
    codes = np.array([[0, 1, peak // 2, peak - 1, peak]])
    picture = coded_picture([codes], pix_fmt)
    assert to_chain(picture, FULL, PixelFormat.GRAY)[0] == pytest.approx(codes / peak, abs=1e-6)
    assert to_chain(picture, FULL, PixelFormat.RGB)[2] == pytest.approx(codes / peak, abs=1e-6)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p10le", "gray", "gray10le", "gray16le", "yuv444p12le"]
)
@pytest.mark.parametrize("color", [LIMITED, FULL])
def test_luma_that_nothing_changed_comes_out_with_its_codes(pix_fmt, color):
    bits = LAYOUTS[pix_fmt].bits
    low, high = (16 << (bits - 8), 235 << (bits - 8)) if color.range is Range.LIMITED else (0, (1 << bits) - 1)
    codes = np.linspace(low, high, 65 * 67).round().astype(np.int64).reshape(65, 67)
    chroma = [] if pix_fmt.startswith("gray") else neutral(67, 65, pix_fmt)
    pixels = to_chain(coded_picture([codes, *chroma], pix_fmt), color, PixelFormat.GRAY)
    out = from_chain(chain_frame(pixels, PixelFormat.GRAY), pix_fmt, color)
    assert np.array_equal(codes_of(out, 0), codes)
    for component in range(1, len(chroma) + 1):
        assert np.all(codes_of(out, component) == 128 << (bits - 8))


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "rgb48le", "gbrp", "gbrp10le", "gbrp12le", "gbrp16le"])
def test_rgb_formats_come_back_with_their_codes(pix_fmt):
    peak = (1 << LAYOUTS[pix_fmt].bits) - 1
    pixels = np.random.default_rng(1).integers(0, peak + 1, (3, 31, 45)) / peak
    out = from_chain(chain_frame(pixels, PixelFormat.RGB), pix_fmt, FULL)
    again = to_chain(out, ColorSpace(matrix=Matrix.RGB, range=Range.FULL), PixelFormat.RGB)
    assert np.abs(again - pixels).max() < 0.01 / peak


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.BT2020])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le", "yuvj444p", "yuv444p16le"])
def test_colours_agree_with_the_matrix(matrix, pix_fmt):
    rng = np.random.default_rng(2)
    rgb = rng.random((3, 16, 16))
    weights = COEFFICIENTS[matrix]
    luma = weights.kr * rgb[0] + weights.kg * rgb[1] + weights.kb * rgb[2]
    numbers = [luma, (rgb[2] - luma) / weights.cb_scale, (rgb[0] - luma) / weights.cr_scale]
    bits, is_full = LAYOUTS[pix_fmt].bits, pix_fmt.startswith("yuvj")
    unit, peak = 1 << (bits - 8), (1 << bits) - 1
    spans = (peak, peak) if is_full else (219 * unit, 224 * unit)
    zeros = (0, 128 * unit) if is_full else (16 * unit, 128 * unit)
    codes = [np.clip(np.rint(n * spans[i > 0] + zeros[i > 0]), 0, peak) for i, n in enumerate(numbers)]
    color = ColorSpace(matrix=matrix, range=Range.FULL if is_full else Range.LIMITED)
    pixels = to_chain(coded_picture(codes, pix_fmt), color, PixelFormat.RGB)
    assert np.abs(pixels - rgb).max() < 2.5 / (255 * unit)
    out = from_chain(chain_frame(rgb, PixelFormat.RGB), pix_fmt, color, dither=False)
    for component in range(3):
        assert np.abs(codes_of(out, component).astype(int) - codes[component]).max() <= 1


@pytest.mark.parametrize(
    "pix_fmt", ["nv12", "nv21", "p010le", "yuyv422", "uyvy422", "yuv440p", "yuv411p", "yuvj420p", "yuva420p"]
)
def test_memory_layouts_show_the_same_picture(pix_fmt):
    width, height = 32, 16
    layout = LAYOUTS[pix_fmt]
    flat = {0: 90, 1: 60, 2: 200}
    picture = av.VideoFrame(width, height, pix_fmt)
    for component, code in flat.items():
        view = samples(picture, layout, component)
        value = code << (layout.bits - 8 + layout.shift)
        if view.ndim == 2:
            view[...] = value
        else:
            view[..., layout.components[component].offset] = value
    color = ColorSpace(matrix=Matrix.BT709, range=Range.LIMITED)
    pixels = to_chain(picture, color, PixelFormat.RGB)
    weights = COEFFICIENTS[Matrix.BT709]
    luma, cb, cr = (90 - 16) / 219, (60 - 128) / 224, (200 - 128) / 224
    expected = [luma + weights.cr_scale * cr, None, max(0.0, luma + weights.cb_scale * cb)]
    assert pixels[0] == pytest.approx(expected[0], abs=1e-5)
    assert pixels[2] == pytest.approx(expected[2], abs=1e-5)
    green = (luma - weights.kr * expected[0] - weights.kb * (luma + weights.cb_scale * cb)) / weights.kg
    assert pixels[1] == pytest.approx(green, abs=1e-5)


@pytest.mark.parametrize("pix_fmt", KNOWN_FORMATS)
def test_every_layout_of_the_table_is_ffmpegs(pix_fmt):
    described, layout = av.VideoFormat(pix_fmt, 33, 17), LAYOUTS[pix_fmt]
    colors = [component for component in described.components if not component.is_alpha]
    assert [component.bits for component in colors] == [layout.bits] * len(layout.components)
    assert [(component.height, component.width) for component in colors] == [
        layout.size(index, 33, 17) for index in range(len(colors))
    ]
    assert [component.plane for component in colors] == [component.plane for component in layout.components]


RARE_FORMATS = {
    "rgb565le",
    "rgba64be",
    "pal8",
    "monow",
    "ayuv64le",
    "x2rgb10le",
    "gbrpf32le",
    "grayf32le",
    "ya16be",
    "uyyvyy411",
    "xyz12le",
    "vuya",
    "bayer_rggb8",
}


@pytest.mark.parametrize("pix_fmt", sorted(RARE_FORMATS & set(av.video.format.names)))
@pytest.mark.parametrize("target", [PixelFormat.GRAY, PixelFormat.RGB])
def test_rare_formats_go_through_one_that_holds_them(pix_fmt, target):
    _, layout = layout_or_stand_in(pix_fmt)
    assert layout.bits >= min(bit_depth_of(pix_fmt), 16)
    pixels = to_chain(av.VideoFrame(32, 16, pix_fmt), FULL, target)
    assert np.isfinite(pixels).all()


def test_deep_rare_formats_keep_their_depth():
    codes = np.linspace(0, 1023, 512).round().astype(np.int64)[None]
    word = (3 << 30) | (codes << 20) | (codes << 10) | codes
    picture = av.VideoFrame(512, 1, "x2rgb10le")
    np.frombuffer(picture.planes[0], "<u4")[:512] = word[0]
    pixels = to_chain(picture, ColorSpace(matrix=Matrix.RGB, range=Range.FULL), PixelFormat.RGB)
    assert np.abs(pixels[1] - codes / 1023).max() < 0.5 / 1023


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "rgb24", "nv12"])
def test_pictures_stored_bottom_up_are_read_top_down(pix_fmt):
    codes = np.random.default_rng(4).integers(16, 236, (16, 24 * (3 if pix_fmt == "rgb24" else 1)))
    planes = {"yuv420p": [codes, *neutral(24, 16, "yuv420p")], "rgb24": [codes], "nv12": [codes, np.full((8, 24), 128)]}
    picture = coded_picture(planes[pix_fmt], pix_fmt)
    graph = Graph()
    source = graph.add("buffer", f"video_size=24x16:pix_fmt={pix_fmt}:time_base=1/24")
    graph.link_nodes(source, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.vpush(picture)
    flipped = graph.vpull()
    assert flipped.planes[0].line_size < 0
    for target in (PixelFormat.GRAY, PixelFormat.RGB):
        assert np.array_equal(to_chain(flipped, FULL, target), to_chain(picture, FULL, target)[:, ::-1])


@pytest.mark.parametrize("size", [(433, 321), (1, 1), (2, 3), (7, 2)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p", "rgb24", "gray", "gbrp16le"])
@pytest.mark.parametrize("format", list(PixelFormat))
def test_odd_sizes_in_every_combination(size, pix_fmt, format):
    width, height = size
    rng = np.random.default_rng(3)
    pixels = rng.random((3 if format is PixelFormat.RGB else 1, height, width), np.float32)
    half = (2, (height + 1) // 2, (width + 1) // 2)
    frame = chain_frame(pixels, format, rng.random(half, np.float32) if format is PixelFormat.LAB else None)
    out = from_chain(frame, pix_fmt, LIMITED)
    color = FromChain(spec_of(frame, LIMITED), pix_fmt).color
    assert np.isfinite(to_chain(out, color, PixelFormat.RGB)).all()
    if format is not PixelFormat.RGB and pix_fmt not in ("rgb24", "gbrp16le"):
        again = to_chain(out, color, PixelFormat.GRAY)
        assert np.abs(again - pixels).max() <= 1.01 / 219


def test_numbers_outside_the_range_are_clipped_on_the_way_out():
    pixels = np.array([[[-3.0, -0.01, 0.0, 1.0, 1.01, 7.0]]])
    frame = chain_frame(pixels, PixelFormat.GRAY)
    assert codes_of(from_chain(frame, "yuv420p", LIMITED), 0).tolist() == [[16, 16, 16, 235, 235, 235]]
    assert codes_of(from_chain(frame, "yuv420p10le", FULL), 0).tolist() == [[0, 0, 0, 1023, 1023, 1023]]
    assert codes_of(from_chain(frame, "gray16le", FULL), 0).tolist() == [[0, 0, 0, 65535, 65535, 65535]]


def test_lab_frames_keep_the_films_own_luma():
    luma = np.linspace(16, 235, 64 * 48).round().reshape(48, 64)
    frame = chain_frame((luma - 16)[None] / 219, PixelFormat.LAB, np.full((2, 24, 32), 0.7, np.float32))
    assert np.array_equal(codes_of(from_chain(frame, "yuv420p", LIMITED), 0), luma)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "rgb24"])
def test_lab_colours_are_the_colours_meant(pix_fmt):
    # mid grey luma with ab (20, -30): R'G'B' by CIE formulas worked out with colour-science
    luma, a, b = 0.5, 20.0, -30.0
    chroma = np.empty((2, 8, 8), np.float32)
    chroma[0], chroma[1] = (a + 128) / 255, (b + 128) / 255
    frame = chain_frame(np.full((1, 16, 16), luma), PixelFormat.LAB, chroma)
    out = from_chain(frame, pix_fmt, LIMITED, dither=False)
    color = FromChain(spec_of(frame, LIMITED), pix_fmt).color
    rgb = to_chain(out, color, PixelFormat.RGB)[:, 8, 8]
    reference = _srgb_of_lab(53.389, a, b)
    weights = COEFFICIENTS[Matrix.BT601]
    own = weights.kr * reference[0] + weights.kg * reference[1] + weights.kb * reference[2]
    assert rgb == pytest.approx(reference - own + luma, abs=0.006)


def _srgb_of_lab(light: float, a: float, b: float) -> np.ndarray:
    fy = (light + 16) / 116
    xyz = np.array([0.95047, 1.0, 1.08883]) * np.array([(fy + a / 500) ** 3, fy**3, (fy - b / 200) ** 3])
    linear = (
        np.linalg.inv(
            np.array(
                [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
            )
        )
        @ xyz
    )
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("location", sorted(SITINGS))
def test_enlarged_chroma_stands_where_its_siting_says(location):
    siting = SITINGS[location]
    rows, columns = np.mgrid[0:6, 0:9].astype(np.float32)
    ramp = 10 * (2 * rows + siting[1]) + (2 * columns + siting[0])
    out = np.empty((12, 18), np.float32)
    Enlarge(12, 18, shift_x=1, shift_y=1, siting=siting)(ramp, out)
    wanted = 10 * np.arange(12)[:, None] + np.arange(18)[None, :]
    assert np.abs(out - wanted)[1:-1, 1:-1].max() < 1e-4


@pytest.mark.parametrize("location", sorted(SITINGS))
def test_shrunk_chroma_stands_where_its_siting_says(location):
    siting = SITINGS[location]
    ramp = (10 * np.arange(12)[:, None] + np.arange(18)[None, :]).astype(np.float32)
    out = np.empty((6, 9), np.float32)
    Shrink(12, 18, shift_x=1, shift_y=1, siting=siting)(ramp, out)
    rows, columns = np.mgrid[0:6, 0:9]
    wanted = 10 * (2 * rows + siting[1]) + (2 * columns + siting[0])
    assert np.abs(out - wanted)[1:-1, 1:-1].max() < 1e-4


def test_moved_chroma_goes_from_the_middle_to_the_left():
    middle = np.broadcast_to(2 * np.arange(9, dtype=np.float32) + 0.5, (4, 9)).copy()
    out = np.empty_like(middle)
    Move(shift_x=1, shift_y=1, siting=SITINGS[1])(middle, out)
    assert out[:, 1:] == pytest.approx(np.broadcast_to(2 * np.arange(1, 9), (4, 8)))


def test_dither_spreads_what_lies_between_codes_and_keeps_codes():
    pattern = dither_pattern(16, 24)
    assert np.abs(pattern).max() < 0.5
    assert abs(pattern.mean()) < 1e-6
    between = from_chain(chain_frame(np.full((1, 16, 16), 100.25 / 255), PixelFormat.GRAY), "gray", FULL)
    assert codes_of(between, 0).mean() == pytest.approx(100.25)
    plain = from_chain(chain_frame(np.full((1, 16, 16), 100.25 / 255), PixelFormat.GRAY), "gray", FULL, dither=False)
    assert np.all(codes_of(plain, 0) == 100)


def test_lines_padded_in_memory_are_respected():
    picture = av.VideoFrame(33, 5, "yuv420p")
    assert picture.planes[0].line_size > 33
    frame = chain_frame(np.tile(np.linspace(0, 1, 33), (5, 1))[None], PixelFormat.GRAY)
    FromChain(spec_of(frame, FULL), "yuv420p")(frame, picture)
    assert to_chain(picture, FULL, PixelFormat.GRAY) == pytest.approx(frame.pixels, abs=1 / 255)


def test_what_cannot_be_filled_is_refused_by_name():
    frame = chain_frame(np.zeros((1, 4, 4)), PixelFormat.GRAY)
    with pytest.raises(PixelFormatError, match=r"'nv12'; wanted one of yuv420p, "):
        FromChain(spec_of(frame, FULL), "nv12")
    with pytest.raises(PixelFormatError, match="wanted gray or rgb"):
        ToChain("yuv420p", 4, 4, FULL, PixelFormat.LAB)


def test_every_output_format_is_one_of_ffmpegs():
    assert set(OUTPUT_FORMATS) <= set(KNOWN_FORMATS)


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.FCC, Matrix.SMPTE240M])
def test_rgb_is_what_ffmpeg_makes_by_the_same_matrix(matrix):
    """To the rounding of swscale's codes, of those whose R'G'B' are within range; another matrix is 1.4 codes off."""
    rng = np.random.default_rng(1)
    planes = [rng.integers(120, 136, (64, 96)), *(rng.integers(68, 189, (64, 96)) for _ in range(2))]
    picture = coded_picture(planes, "yuv444p")
    made = to_chain(picture, ColorSpace(matrix=matrix, range=Range.LIMITED), PixelFormat.RGB)
    its = picture.reformat(
        format="gbrp",
        src_colorspace=FFMPEG_OF_MATRIX[matrix],
        dst_colorspace=FFMPEG_OF_MATRIX[matrix],
        src_color_range=1,
        dst_color_range=2,
    )
    wanted = np.stack([codes_of(its, component) for component in range(3)])
    assert np.abs(made * 255 - wanted).max() < 0.55
