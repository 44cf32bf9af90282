"""Films with every peculiarity, made here, read as frames of the chain."""

import gc
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import ConfigError, DecodeError, InternalError
from engine.media.layout import LAYOUTS
from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.types import FrameFlags, Matrix, PixelFormat, Range
from tests.support.films import (
    NTSC_FILM,
    Extras,
    Shape,
    coded_picture,
    damaged,
    moving_scene,
    truncated,
    weave,
    write_film,
)

GRAY, RGB = PixelFormat.GRAY, PixelFormat.RGB


def read(source, format=GRAY, **settings):
    """Return the reader, closed, with times and copies of all pixels."""
    with FilmReader(source, settings=InputSettings(**settings), format=format) as reader:
        times, pixels = [], []
        for frame in reader.frames():
            assert frame.index == len(times)
            assert frame.format is format
            assert frame.pixels.shape == reader.spec.pixels_shape
            assert 0.0 <= frame.pixels.min() <= frame.pixels.max() <= 1.0
            times.append(frame.time)
            pixels.append(frame.pixels.copy())
            frame.release()
        assert reader._pool.on_loan == 0
    assert all(before < after for before, after in zip(times, times[1:], strict=False))
    return reader, times, pixels


def scene(count=10, width=64, height=48, **kind):
    return moving_scene(width, height, count, **kind)


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
    ("number", "matrix"), [(1, Matrix.BT709), (6, Matrix.BT601), (9, Matrix.BT2020), (2, Matrix.BT601)]
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
    }
    assert pixels[0] == pytest.approx(red[matrix, span], abs=1e-4)


@pytest.mark.parametrize("top_first", [True, False])
def test_fields_come_out_in_the_order_they_were_shot(tmp_path, top_first):
    moments = []
    for moment in range(16):
        picture = np.full((48, 96, 3), 30, np.uint8)
        picture[:, 8 + 4 * moment : 16 + 4 * moment] = 220
        moments.append(picture)
    path = _interlaced(tmp_path / "i.mp4", moments, top_first=top_first)
    reader, times, pixels = read(path, field_rate=True)
    assert reader.info.video.is_interlaced
    assert reader.spec.rate == 50
    assert times == [Fraction(number, 50) for number in range(16)]
    columns = np.arange(96)
    centres = [
        float((picture[0].mean(0) - 0.06).clip(0) @ columns / (picture[0].mean(0) - 0.06).clip(0).sum())
        for picture in pixels
    ]
    steps = np.diff(centres)[1:-1]
    assert steps.min() > 2.0
    assert steps.max() < 6.0


def test_interlaced_film_is_deinterlaced_and_progressive_film_untouched(tmp_path):
    interlaced = _interlaced(tmp_path / "i.mp4", list(scene(12)), top_first=True)
    reader, times, pixels = read(interlaced)
    _, _, untouched = read(interlaced, deinterlace="never")
    assert times == [Fraction(number, 25) for number in range(6)]
    assert reader.spec.rate == 25
    assert _combing(pixels[3]) < 0.5 * _combing(untouched[3])
    progressive = write_film(tmp_path / "p.mp4", scene(6), rate=25)
    _, _, automatic = read(progressive)
    _, _, never = read(progressive, deinterlace="never")
    assert all(np.array_equal(first, second) for first, second in zip(automatic, never, strict=True))
    _, _, always = read(progressive, deinterlace="always")
    assert not np.array_equal(always[3], never[3])


def test_interlaced_film_that_is_also_turned(tmp_path):
    path = _interlaced(tmp_path / "i.mp4", list(scene(12)), top_first=True, shape=Shape(rotation=90))
    reader, times, _ = read(path, field_rate=True)
    assert (reader.spec.width, reader.spec.height, len(times)) == (48, 64, 12)


@pytest.mark.parametrize(("begins", "rate", "count"), [("interlaced", 50, 32), ("progressive", 25, 16)])
def test_mixed_film_keeps_an_even_rate(tmp_path, begins, rate, count):
    def part(name, start, field_order):
        pictures = list(weave(list(scene(16)), top_first=True)) if field_order else scene(8)
        times = [Fraction(start + number, 25) for number in range(8)]
        quick = {"bf": "0", "g": "4"}
        path = tmp_path / name
        write_film(path, pictures, rate=25, codec="mpeg2video", times=times, options=quick, field_order=field_order)
        return path.read_bytes()

    orders = ("tff", None) if begins == "interlaced" else (None, "tff")
    path = tmp_path / "mixed.ts"
    path.write_bytes(part("a.ts", 0, orders[0]) + part("b.ts", 8, orders[1]))
    reader, times, _ = read(path, field_rate=True)
    assert reader.spec.rate == rate
    assert len(times) >= count - 2  # of two MPEG-TS parts put together FFmpeg drops a picture at the seam
    assert times == [times[0] + Fraction(number, rate) for number in range(len(times))]
    assert (reader.losses.repaired_times, reader.losses.missing_frames) == (0, 0)


def _interlaced(path, moments, *, top_first, **more):
    woven = weave(moments, top_first=top_first)
    return write_film(path, woven, rate=25, field_order="tff" if top_first else "bff", options={"crf": "10"}, **more)


def _combing(pixels):
    rows = pixels[0]
    return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())


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


def test_a_film_cut_off_delivers_what_it_has_and_says_so(tmp_path):
    whole = write_film(tmp_path / "a.mp4", scene(20), container_options={"movflags": "faststart"})
    reader, times, _ = read(truncated(whole, 0.6))
    assert 3 < len(times) < 20
    assert reader.losses
    assert reader.losses.is_truncated
    assert reader.losses.missing_frames > 0
    assert reader.losses.summary().startswith("the film is cut off, ")


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "mpeg4")])
def test_other_containers_cut_off(tmp_path, name, codec):
    whole = write_film(tmp_path / name, scene(60), codec=codec)
    reader, times, _ = read(truncated(whole, 0.8))
    assert 1 < len(times) < 60
    assert reader.losses.is_truncated


def test_whole_films_lose_nothing(tmp_path):
    extras = Extras(audio=("aac",))
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx265"), ("a.ts", "mpeg2video"), ("a.webm", "libvpx-vp9")):
        path = write_film(tmp_path / name, scene(20), codec=codec, extras=Extras() if name == "a.webm" else extras)
        reader, times, _ = read(path)
        assert (len(times), bool(reader.losses), reader.losses.summary()) == (20, False, "")


def test_a_trimmed_film_is_whole(tmp_path):
    told = [Fraction(number - 10, 24) for number in range(40)]
    options, container_options = {"g": "4", "bf": "0"}, {"avoid_negative_ts": "disabled"}
    path = write_film(tmp_path / "a.mp4", scene(40), times=told, options=options, container_options=container_options)
    reader, times, _ = read(path)
    assert times == told[10:]
    assert not reader.losses


def test_a_film_in_fragments_is_whole_or_cut_off(tmp_path):
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    whole = write_film(tmp_path / "a.mp4", scene(40), options={"g": "10"}, container_options=fragments)
    reader, times, _ = read(whole)
    assert (len(times), bool(reader.losses), reader.spec.rate) == (40, False, 24)
    reader, times, _ = read(truncated(whole, 0.6))
    assert 10 <= len(times) < 40


def test_damage_is_counted_and_flagged(tmp_path):
    path = damaged(write_film(tmp_path / "a.mkv", scene(12), codec="ffv1"), seed=3, flips=40, after=0.3)
    with FilmReader(path, format=GRAY) as reader:
        flags = [frame.flags for frame in reader.frames()]
    assert reader.losses
    assert reader.losses.corrupt_frames == sum(FrameFlags.CORRUPT in each for each in flags)


def test_a_film_read_from_a_stream(tmp_path):
    path = write_film(tmp_path / "a.y4m", scene(), rate=NTSC_FILM, codec="rawvideo", format="yuv4mpegpipe")
    with path.open("rb") as file:
        reader, times, pixels = read(file)
    _, _, expected = read(path)
    assert reader.spec.rate == NTSC_FILM
    assert times == [number / NTSC_FILM for number in range(10)]
    assert all(np.array_equal(first, second) for first, second in zip(pixels, expected, strict=True))


def test_stdin_is_read_as_a_pipe(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.y4m", scene(4), rate=24, codec="rawvideo", format="yuv4mpegpipe")
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Pipe(file), "isatty": lambda self: False})())
        reader, times, _ = read("-")
        assert reader.info.name == "stdin"
        assert len(times) == 4


class Pipe:
    """A binary stream that cannot be sought."""

    def __init__(self, file):
        self._file = file

    def read(self, count=-1):
        """Read as a pipe does."""
        return self._file.read(count)

    def readable(self):
        """Say yes."""
        return True

    def seekable(self):
        """Say no."""
        return False


@pytest.mark.parametrize("color", [True, False])
def test_a_stream_is_judged_grey_by_its_first_pictures_and_none_is_lost(tmp_path, color):
    path = write_film(tmp_path / "a.mkv", scene(20, color=color))
    with path.open("rb") as file, FilmReader(Pipe(file)) as reader:
        assert reader.is_grey is not color
        reader.deliver(GRAY)
        times = [frame.time for frame in reader.frames()]
    assert times == [Fraction(number, 24) for number in range(20)]


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


REFUSALS = {
    "no such file": lambda folder: folder / "none.mp4",
    "empty": lambda folder: _written(folder / "empty.mp4", b""),
    "damaged or no film": lambda folder: _written(folder / "text.mp4", b"Dear Sir or Madam,\n" * 200),
    "no pictures there; wanted": lambda folder: folder,
    "no file fits the pattern": lambda folder: folder / "frame-%05d.png",
    "no pictures there": lambda folder: folder / "*.png",
    "got audio; wanted a film": lambda folder: _tone(folder / "tone.wav"),
    "no picture format": lambda folder: _written(folder / "letter.png", b"Dear Sir or Madam,\n"),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_what_is_no_film_is_refused_in_one_line_with_a_cure(tmp_path, words):
    source = REFUSALS[words](tmp_path)
    with pytest.raises(DecodeError) as caught:
        FilmReader(source, format=GRAY)
    message = str(caught.value)
    assert words in message
    assert ";" in message
    assert "\n" not in message
    assert message.startswith(str(source))


def test_stdin_that_is_a_terminal_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    with pytest.raises(DecodeError, match="wanted a film piped in"):
        FilmReader("-", format=GRAY)


def test_a_film_of_which_nothing_decodes_is_refused(tmp_path):
    path = write_film(tmp_path / "a.mp4", scene(5), container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(bytes(data))
    with pytest.raises(DecodeError, match="not one picture could be decoded"):
        FilmReader(path, format=GRAY)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _tone(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
