"""Interlaced and mixed films, made here, come out as one frame for each moment."""

from fractions import Fraction

import numpy as np
import pytest

from tests.support.films import Shape, weave, write_film
from tests.support.reading import read, scene


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
