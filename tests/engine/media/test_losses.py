"""What a film lacks is counted and said; whole films lose nothing."""

from fractions import Fraction

import pytest

from engine.media.reader import FilmReader
from engine.types import FrameFlags
from tests.support.films import Extras, damaged, truncated, write_film
from tests.support.reading import GRAY, read, scene


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
