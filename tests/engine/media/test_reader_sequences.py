"""Image sequences: folders, patterns, single pictures."""

from fractions import Fraction

import numpy as np
import pytest

from engine.errors import DecodeError
from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.types import Matrix, PixelFormat, Range
from tests.support.films import coded_picture, moving_scene, write_sequence

RGB = PixelFormat.RGB


def read(source, format=RGB, rate=24):
    with FilmReader(source, settings=InputSettings(rate=Fraction(rate)), format=format) as reader:
        frames = [(frame.time, frame.pixels.copy()) for frame in reader.frames()]
    return reader, [time for time, _ in frames], [pixels for _, pixels in frames]


@pytest.mark.parametrize(
    ("extension", "pix_fmt", "bits"),
    [
        ("png", "rgb24", 8),
        ("png", "rgb48be", 16),
        ("png", "gray16be", 16),
        ("tiff", "rgb48le", 16),
        ("tiff", "gray", 8),
        ("dpx", "gbrp10be", 10),
        ("dpx", "gbrp12le", 12),
        ("dpx", "rgb48le", 16),
        ("bmp", "bgr24", 8),
        ("ppm", "rgb48be", 16),
        ("pgm", "gray16be", 16),
    ],
)
def test_pictures_keep_their_depth(tmp_path, extension, pix_fmt, bits):
    scene = list(moving_scene(48, 32, 3))
    write_sequence(tmp_path, scene, extension=extension, pix_fmt=pix_fmt)
    reader, times, pixels = read(tmp_path)
    assert reader.spec.bit_depth == bits
    assert times == [0, Fraction(1, 24), Fraction(1, 12)]
    if not pix_fmt.startswith("gray"):
        assert (reader.spec.color.matrix, reader.spec.color.range) == (Matrix.RGB, Range.FULL)
        made_by_swscale = 1.0 / 255  # it is that coarse from 8 to 16 bits; exactness is the next test's matter
        assert np.abs(pixels[1].transpose(1, 2, 0) - scene[1] / 255).max() <= made_by_swscale


@pytest.mark.parametrize(
    ("extension", "pix_fmt", "peak"),
    [("png", "gray16be", 65535), ("tiff", "gray16le", 65535), ("dpx", "gbrp10be", 1023), ("png", "rgb48be", 65535)],
)
def test_deep_ramps_come_back_with_their_codes(tmp_path, extension, pix_fmt, peak):
    ramp = np.linspace(0, peak, 255 * 16).round().astype(int).reshape(16, 255)
    planes = [ramp] * 3 if pix_fmt.startswith("gbrp") else [ramp]
    write_sequence(tmp_path, [coded_picture(planes, pix_fmt)], extension=extension, pix_fmt=pix_fmt)
    _, _, (pixels,) = read(tmp_path)
    shown = pixels.transpose(1, 2, 0).reshape(16, -1) if pix_fmt.startswith("rgb") else pixels[0]
    assert np.abs(shown * peak - ramp).max() < 0.01


def test_jpegs_are_full_range_and_centre_sited(tmp_path):
    write_sequence(tmp_path, moving_scene(48, 32, 2), extension="jpg", pix_fmt="yuvj420p")
    reader, _, _ = read(tmp_path)
    assert (reader.spec.color.range, reader.spec.color.chroma_location) == (Range.FULL, 2)


def test_folders_are_counted_as_people_count(tmp_path):
    for number, level in ((10, 200), (2, 100), (1, 50)):
        picture = np.full((8, 8, 3), level, np.uint8)
        write_sequence(tmp_path, [picture], start=number, pattern="f{}")
    _, _, pixels = read(tmp_path)
    assert [round(float(each.mean()) * 255) for each in pixels] == [50, 100, 200]
    _, _, pixels = read(tmp_path / "f*.png")
    assert len(pixels) == 3


def test_numbers_of_a_pattern_are_times_and_gaps_are_missing_frames(tmp_path):
    paths = write_sequence(tmp_path, moving_scene(16, 16, 6), start=86)
    paths[2].unlink()
    reader, times, _ = read(tmp_path / "frame-%05d.png", rate=25)
    assert times == [Fraction(number, 25) for number in (0, 1, 3, 4, 5)]
    assert reader.losses.missing_frames == 1
    assert reader.info.duration == Fraction(6, 25)


def test_a_damaged_picture_is_counted_and_the_rest_is_read(tmp_path):
    paths = write_sequence(tmp_path, moving_scene(16, 16, 5))
    paths[3].write_bytes(b"no picture")
    reader, times, _ = read(tmp_path)
    assert [time * 24 for time in times] == [0, 1, 2, 4]
    assert reader.losses.undecodable_packets == 1
    paths[0].write_bytes(b"")
    assert len(read(tmp_path)[1]) == 3


def test_one_picture_is_a_film_of_one_frame(tmp_path):
    (path,) = write_sequence(tmp_path, moving_scene(33, 17, 1), extension="tiff")
    reader, times, _ = read(path)
    assert (reader.spec.width, reader.spec.height, times) == (33, 17, [0])


def test_a_picture_is_what_its_bytes_say(tmp_path):
    (path,) = write_sequence(tmp_path, moving_scene(33, 17, 1), extension="png")
    renamed = path.rename(path.with_suffix(".jpg"))
    reader, _, _ = read(renamed)
    assert reader.info.video.codec == "png"


def test_pictures_of_another_size_are_brought_to_the_first(tmp_path):
    write_sequence(tmp_path, moving_scene(32, 24, 2), start=1)
    write_sequence(tmp_path, moving_scene(40, 30, 2), start=3)
    reader, times, _ = read(tmp_path)
    assert len(times) == 4
    assert reader.losses.resized_frames == 2


def test_a_folder_of_broken_pictures_is_refused(tmp_path):
    for path in write_sequence(tmp_path, moving_scene(16, 16, 2)):
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DecodeError, match="frame-00001.png: "):
        FilmReader(tmp_path)
