"""Films with every peculiarity, made here, read as frames of the chain."""

import gc
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from engine.errors import ConfigError, InternalError
from engine.media.layout import LAYOUTS
from engine.media.reader import FilmReader
from engine.types import Matrix, PixelFormat, Range
from tests.support.films import NTSC_FILM, Shape, coded_picture, write_film
from tests.support.reading import GRAY, RGB, read, scene


@pytest.mark.parametrize(
    "rate", [NTSC_FILM, Fraction(30000, 1001), Fraction(16), Fraction(18), Fraction(50), Fraction(2997, 100)]
)
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.mov", "prores_ks"), ("a.avi", "mpeg4")]
)
def test_rates_are_exact_in_every_container(tmp_path, rate, name, codec):
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    reader, times, _ = read(write_film(tmp_path / name, scene(25), rate=rate, codec=codec, pix_fmt=pix_fmt))
    exact = Fraction(30000, 1001) if rate == Fraction(2997, 100) else rate
    assert reader.spec.rate == exact
    assert times == [number / exact for number in range(25)]
    assert not reader.losses


def test_mpeg_transport_streams_keep_their_first_time(tmp_path):
    reader, times, _ = read(write_film(tmp_path / "a.ts", scene(25), rate=NTSC_FILM, codec="mpeg2video"))
    assert reader.spec.rate == NTSC_FILM
    assert reader.spec.start == times[0] > 0
    assert times == [times[0] + number / NTSC_FILM for number in range(25)]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_a_variable_rate_keeps_every_time(tmp_path, name):
    told = [Fraction(each, 1000) for each in (0, 40, 100, 130, 300, 310, 500, 533, 600, 900)]
    reader, times, _ = read(write_film(tmp_path / name, scene(), times=told, time_base=Fraction(1, 1000)))
    assert reader.spec.rate is None
    assert times == told
    assert all((time / reader.spec.time_base).denominator == 1 for time in times)


@pytest.mark.parametrize("start", [Fraction(-12, 25), Fraction(62, 25)])
def test_a_first_time_that_is_not_zero_is_kept(tmp_path, start):
    told = [start + Fraction(number, 25) for number in range(10)]
    options = {"avoid_negative_ts": "disabled"}
    path = write_film(tmp_path / "a.ts", scene(), rate=25, codec="mpeg2video", times=told, container_options=options)
    reader, times, _ = read(path)
    assert reader.spec.start == start
    assert times == told


def test_missing_times_follow_from_the_rate(tmp_path):
    reader, times, _ = read(write_film(tmp_path / "a.h264", scene(), rate=24, format="h264"))
    assert times == [Fraction(number, 24) for number in range(10)]
    assert reader.losses.derived_times == 10
    assert not reader.losses


def test_frames_know_their_duration_and_when_decoding_began(tmp_path):
    with FilmReader(write_film(tmp_path / "a.mkv", scene(3), rate=NTSC_FILM), format=GRAY) as reader:
        frames = list(reader.frames())
    assert [frame.duration for frame in frames] == [1 / NTSC_FILM] * 3
    assert 0 < frames[0].first_ns < frames[1].first_ns


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("format", [GRAY, RGB])
def test_pictures_come_upright(tmp_path, rotation, flip, format):
    (picture,) = scene(1, 64, 40)
    shape = Shape(rotation=rotation, horizontal_flip=flip, sample_aspect=Fraction(4, 3))
    path = write_film(tmp_path / "a.mp4", [picture], shape=shape, options={"crf": "1"})
    plain = write_film(tmp_path / "p.mp4", [picture], options={"crf": "1"})
    reader, _, (pixels,) = read(path, format)
    _, _, (coded,) = read(plain, format)
    turned = np.rot90(coded, rotation // 90, axes=(1, 2))
    assert np.array_equal(pixels, turned[:, :, ::-1] if flip else turned)
    sideways = rotation in (90, 270)
    assert (reader.spec.width, reader.spec.height) == ((40, 64) if sideways else (64, 40))
    assert reader.spec.sample_aspect == (Fraction(3, 4) if sideways else Fraction(4, 3))


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv420p"), ("ffv1", "gray"), ("libx264", "yuv444p"), ("ffv1", "yuv420p10le")]
)
def test_odd_sizes(tmp_path, codec, pix_fmt):
    path = write_film(tmp_path / "a.mkv", scene(2, 433, 321), codec=codec, pix_fmt=pix_fmt)
    reader, times, _ = read(path, RGB)
    assert (reader.spec.width, reader.spec.height, len(times)) == (433, 321, 2)


@pytest.mark.parametrize(
    ("pix_fmt", "codec"),
    [
        ("yuv420p", "ffv1"),
        ("yuv422p10le", "ffv1"),
        ("yuv420p12le", "ffv1"),
        ("gray", "ffv1"),
        ("gray10le", "ffv1"),
        ("gray16le", "ffv1"),
        ("yuv420p10le", "libx265"),
    ],
)
def test_ramps_come_back_within_half_a_code(tmp_path, pix_fmt, codec):
    layout = LAYOUTS[pix_fmt]
    peak = (1 << layout.bits) - 1
    is_grey = layout.family == "gray"
    low, span = (0, peak) if is_grey else (16 << (layout.bits - 8), 219 << (layout.bits - 8))
    codes = np.tile(np.linspace(low, low + span, 128).round().astype(int), (64, 1))
    chroma = [] if is_grey else [np.full(layout.size(i, 128, 64), 128 << (layout.bits - 8)) for i in (1, 2)]
    options = {"x265-params": "lossless=1:log-level=none"} if codec == "libx265" else None
    path = write_film(
        tmp_path / "a.mkv", [coded_picture([codes, *chroma], pix_fmt)], codec=codec, pix_fmt=pix_fmt, options=options
    )
    reader, _, (pixels,) = read(path)
    assert reader.spec.bit_depth == layout.bits
    assert np.abs(pixels[0] * span + low - codes).max() < 0.01


@pytest.mark.parametrize(
    ("number", "matrix"), [(1, Matrix.BT709), (6, Matrix.BT601), (9, Matrix.BT2020), (2, Matrix.BT601), (4, Matrix.FCC)]
)
@pytest.mark.parametrize(("tag", "span"), [(1, Range.LIMITED), (2, Range.FULL)])
def test_colours_mean_what_the_film_says(tmp_path, number, matrix, tag, span):
    shape = Shape(matrix=number, range=tag, transfer=1, primaries=1)
    luma, cb, cr = 120, 90, 180
    planes = [np.full((48, 64), luma), np.full((48, 64), cb), np.full((48, 64), cr)]
    picture = coded_picture(planes, "yuv444p", shape=shape)
    options = {"qp": "0", "preset": "ultrafast"}
    path = write_film(tmp_path / "a.mp4", [picture], pix_fmt="yuv444p", shape=shape, options=options)
    reader, _, (pixels,) = read(path, RGB)
    assert (reader.spec.color.matrix, reader.spec.color.range) == (matrix, span)
    assert (reader.spec.color.primaries, reader.spec.color.transfer) == (1, 1)
    red = {  # worked out by hand from H.273: R' = Y' + 2 (1 - kr) Cr
        (Matrix.BT709, Range.LIMITED): (120 - 16) / 219 + 1.5748 * 52 / 224,
        (Matrix.BT601, Range.LIMITED): (120 - 16) / 219 + 1.402 * 52 / 224,
        (Matrix.BT2020, Range.LIMITED): (120 - 16) / 219 + 1.4746 * 52 / 224,
        (Matrix.BT709, Range.FULL): 120 / 255 + 1.5748 * 52 / 255,
        (Matrix.BT601, Range.FULL): 120 / 255 + 1.402 * 52 / 255,
        (Matrix.BT2020, Range.FULL): 120 / 255 + 1.4746 * 52 / 255,
        (Matrix.FCC, Range.LIMITED): (120 - 16) / 219 + 1.4 * 52 / 224,
        (Matrix.FCC, Range.FULL): 120 / 255 + 1.4 * 52 / 255,
    }
    assert pixels[0] == pytest.approx(red[matrix, span], abs=1e-4)


def test_a_mid_film_change_of_size_is_brought_to_the_first(tmp_path):
    path = tmp_path / "two.ts"
    small = write_film(tmp_path / "s.ts", scene(6, 64, 48), rate=25, codec="mpeg2video")
    large = write_film(tmp_path / "l.ts", scene(6, 96, 64), rate=25, codec="mpeg2video")
    path.write_bytes(small.read_bytes() + large.read_bytes())
    reader, times, pixels = read(path)
    assert reader.losses.resized_frames >= 4
    assert "of another size" in reader.losses.summary()
    assert {picture.shape for picture in pixels} == {(1, 48, 64)}
    assert len(times) >= 10


def test_the_format_can_be_chosen_until_frames_are_read(tmp_path):
    with FilmReader(write_film(tmp_path / "a.mp4", scene(2))) as reader:
        assert reader.spec.format is RGB
        assert not reader.has_no_chroma
        reader.deliver(GRAY)
        assert reader.spec.format is GRAY
        next(reader.frames()).release()
        with pytest.raises(InternalError, match="after frames had been read"):
            reader.deliver(RGB)
        with pytest.raises(ConfigError, match="wanted gray or rgb"):
            reader.deliver(PixelFormat.LAB)
    with FilmReader(write_film(tmp_path / "g.mkv", scene(2), codec="ffv1", pix_fmt="gray")) as reader:
        assert reader.has_no_chroma
        assert reader.is_grey
        assert reader.spec.format is GRAY


def test_grey_frames_of_an_rgb_film_are_luma_of_a_named_matrix(tmp_path):
    path = write_film(tmp_path / "a.mkv", scene(1), codec="ffv1", pix_fmt="gbrp10le")
    reader, _, (grey,) = read(path)
    _, _, (rgb,) = read(path, RGB)
    assert (reader.spec.color.matrix, reader.spec.color.range) == (Matrix.BT601, Range.LIMITED)
    assert np.abs(grey[0] - np.tensordot([0.299, 0.587, 0.114], rgb, 1)).max() < 1e-5


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_nothing_grows_over_200_frames(tmp_path, name):
    path = write_film(tmp_path / name, scene(400), rate=25, shape=Shape(rotation=90))
    gc.disable()  # what waits for the collector is growth too: a frame's memory is large
    tracemalloc.start()
    try:
        with FilmReader(path, format=GRAY, threads=1) as reader:
            frames = reader.frames()
            for _ in range(100):
                next(frames).release()
            allocated, before = reader._pool.allocated, tracemalloc.take_snapshot()
            for _ in range(200):
                next(frames).release()
            after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
        gc.enable()
    grown = [each for each in after.compare_to(before, "filename") if "/engine/" in each.traceback[0].filename]
    assert sum(each.size_diff for each in grown) < 4096
    assert reader._pool.allocated == allocated


def test_buffers_that_are_held_stay_as_they_are(tmp_path):
    with FilmReader(write_film(tmp_path / "a.mp4", scene(8)), format=GRAY) as reader:
        held = [(frame, frame.pixels.copy()) for frame in reader.frames()]
        assert reader._pool.on_loan == 8
    for frame, copy in held:
        assert np.array_equal(frame.pixels, copy)
        frame.release()
