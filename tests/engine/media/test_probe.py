"""What containers say, and whether a film is grey."""

import json
from fractions import Fraction

import numpy as np
import pytest

from engine.media.grey import SPREAD_OF_GREY, is_grey, is_grey_film, measure_film
from engine.media.probe import probe
from tests.support.films import NTSC_FILM, Extras, Shape, moving_scene, write_film, write_sequence

CHAPTERS = ((Fraction(0), Fraction(1, 4), "Arrival"), (Fraction(1, 4), Fraction(1, 2), "Departure"))
SUBTITLES = ((Fraction(0), Fraction(1, 4), "A train."),)


def scene(count=12, **kind):
    return moving_scene(64, 48, count, **kind)


def tinted(picture):
    """Tone a grey picture like sepia: colour follows from brightness, not in proportion."""
    luma = picture.mean(-1, keepdims=True) / 255
    return np.rint(255 * luma ** np.array([0.8, 1.0, 1.4])).astype(np.uint8)


def test_everything_in_a_matroska_file_is_told(tmp_path):
    extras = Extras(
        audio=("aac", "libopus"),
        subtitles=SUBTITLES,
        chapters=CHAPTERS,
        attachments=(("card.txt", "text/plain", b"Lumiere"),),
        metadata={"title": "La Ciotat"},
    )
    shape = Shape(sample_aspect=Fraction(16, 11), matrix=6, range=1, transfer=6, primaries=6)
    info = probe(write_film(tmp_path / "a.mkv", scene(), rate=NTSC_FILM, extras=extras, shape=shape))
    video = info.video
    assert info.container == "matroska,webm"
    assert (video.codec, video.width, video.height, video.pix_fmt) == ("h264", 64, 48, "yuv420p")
    assert (video.rate, video.average_rate, video.is_variable_rate) == (NTSC_FILM, NTSC_FILM, False)
    assert (video.sample_aspect, video.bit_depth, video.is_interlaced) == (Fraction(16, 11), 8, False)
    assert (video.matrix, video.range, video.transfer, video.primaries) == (6, 1, 6, 6)
    assert [(track.codec, track.sample_rate, track.channels) for track in info.audio] == [
        ("aac", 48000, 1),
        ("opus", 48000, 1),
    ]
    assert [(track.kind, track.codec) for track in info.subtitles] == [("subtitle", "srt")]
    assert [(each.start, each.end, each.title) for each in info.chapters] == list(CHAPTERS)
    assert [(each.name, each.mime_type, each.size) for each in info.attachments] == [("card.txt", "text/plain", 7)]
    assert {key.lower(): value for key, value in info.metadata.items()}["title"] == "La Ciotat"


def test_timecode_rotation_and_frames_of_a_quicktime_film(tmp_path):
    extras = Extras(audio=("pcm_s16le",), timecode="01:00:00:00")
    path = write_film(
        tmp_path / "a.mov",
        scene(),
        rate=25,
        codec="prores_ks",
        pix_fmt="yuv422p10le",
        extras=extras,
        shape=Shape(rotation=270, horizontal_flip=True),
    )
    info = probe(path)
    assert info.timecode == "01:00:00:00"
    assert (info.video.rotation, info.video.is_mirrored, info.video.frames) == (270, True, 12)
    assert info.video.bit_depth == 10
    assert info.video.duration == info.duration == Fraction(12, 25)
    assert "tmcd" in [track.codec for track in info.data]
    assert info.size_bytes == path.stat().st_size


def test_interlacing_and_varying_rates_are_told(tmp_path):
    info = probe(write_film(tmp_path / "i.mkv", scene(), rate=25, field_order="bff"))
    assert info.video.is_interlaced
    told = [Fraction(each, 1000) for each in (0, 40, 100, 130, 300, 310, 500, 533, 600, 900, 1000, 1700)]
    assert probe(
        write_film(tmp_path / "v.mkv", scene(), times=told, time_base=Fraction(1, 1000))
    ).video.is_variable_rate


def test_sequences_are_told_too(tmp_path):
    write_sequence(tmp_path, scene(3), pix_fmt="rgb48be")
    info = probe(tmp_path)
    assert (info.container, info.video.codec, info.video.frames, info.video.bit_depth) == (
        "image sequence",
        "png",
        3,
        16,
    )


def test_json_is_plain(tmp_path):
    info = probe(write_film(tmp_path / "a.mp4", scene(), rate=NTSC_FILM, extras=Extras(chapters=CHAPTERS)))
    plain = json.loads(json.dumps(info.to_json()))
    assert plain["video"]["rate"] == "24000/1001"
    assert plain["chapters"][0] == {"start": "0", "end": "1/4", "title": "Arrival"}
    assert plain["timecode"] is None


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda picture: picture, False),
        (lambda picture: np.repeat(picture.mean(-1, keepdims=True), 3, -1).astype(np.uint8), True),
        (tinted, True),
        (lambda picture: (0.15 * picture + 0.85 * picture.mean(-1, keepdims=True)).astype(np.uint8), False),
    ],
    ids=["colour", "grey", "sepia", "faded colour"],
)
def test_grey_film_is_told_from_coloured_film(tmp_path, change, wanted):
    path = write_film(tmp_path / "a.mp4", [change(picture) for picture in scene(30)])
    assert is_grey_film(path) is wanted
    assert len(measure_film(path)) == 9
    write_sequence(tmp_path / "frames", [change(picture) for picture in scene(4)])
    assert is_grey_film(tmp_path / "frames") is wanted


def test_a_film_coded_as_luma_is_grey(tmp_path):
    assert is_grey_film(write_film(tmp_path / "a.mkv", scene(3), codec="ffv1", pix_fmt="gray"))


def test_one_strange_sample_of_many_does_not_make_a_film_coloured():
    assert is_grey([0.0] * 8 + [0.1])
    assert not is_grey([0.0] * 7 + [0.1] * 2)
    assert not is_grey([0.0, 2 * SPREAD_OF_GREY])
