"""The source's other tracks in the restored film: kept, converted, or said to be lost; in time with the picture."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.media.mux import MuxReport
from engine.media.output import WriteJob, Writer
from engine.media.provenance import Provenance
from engine.media.writer import open_writer
from engine.settings import OutputSettings
from tests.support.films import Extras, damaged, moving_scene, write_film
from tests.support.tracks import (
    NTSC_FILM,
    Shots,
    picture_times,
    spec_of,
    track_facts,
    write_shots,
    write_sound_film,
)

SUBTITLES = ((Fraction(1, 2), Fraction(3, 2), "A train arrives."), (Fraction(2), Fraction(3), "People alight."))
CHAPTERS = ((Fraction(0), Fraction(3, 2), "One"), (Fraction(3, 2), Fraction(3), "Two"))


def restore(source: Path, target: Path, *, rate: Fraction | None = NTSC_FILM, count: int = 72) -> Writer:
    shots = Shots(spec_of(rate), [count // 2, count - count // 2])
    job = WriteJob(
        source=source, source_rate=NTSC_FILM, settings=OutputSettings(), provenance=Provenance(version="1", source="s")
    )
    return write_shots(target, shots, job)


def make(path: Path, **extras: object) -> Path:
    pictures = moving_scene(96, 64, 72)
    return write_film(path, pictures, rate=NTSC_FILM, extras=Extras(**extras))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.ts", "out.nut"])
def test_sound_is_copied_untouched(target: str, tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", audio=("aac",))
    writer = restore(source, tmp_path / target)
    assert not [n for n in writer.report.notices if "track" in n]
    assert sound_bytes(tmp_path / target)[-40:] == sound_bytes(source)[-40:]


def test_picture_and_sound_end_together(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", audio=("aac",))
    restore(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as film:
        ends = [s.duration * s.time_base for s in film.streams]
    assert abs(ends[0] - ends[1]) < 1 / NTSC_FILM / 2


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("late", ["picture", "sound"])
def test_late_tracks_stay_late(late: str, target: str, tmp_path: Path) -> None:
    """Picture and sound each begin when they begin in the source, whichever comes first."""
    delay = Fraction(7, 10) + Fraction(1, 3000)
    source = tmp_path / "in.mkv"
    write_sound_film(
        source,
        72,
        picture_at=delay if late == "picture" else Fraction(0),
        codec="pcm_s16le",
        sound_at=delay if late == "sound" else Fraction(0),
    )
    shots = Shots(
        spec_of(NTSC_FILM, start=delay if late == "picture" else Fraction(0), time_base=Fraction(1, 720_000_000)), [72]
    )
    write_shots(tmp_path / target, shots, WriteJob(source=source))
    facts = {f.kind: f for f in track_facts(tmp_path / target)}
    wanted = delay if late == "sound" else -delay
    start = first_sound(tmp_path / target) - picture_times(tmp_path / target)[0]
    assert abs(start - wanted) < Fraction(3, 1000)  # Matroska rounds to 1 ms, AAC smears the onset
    assert facts["audio"].packets > 10


def test_sound_of_a_source_that_begins_late_altogether(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    write_sound_film(source, 72, picture_at=Fraction(10), sound_at=Fraction(10), codec="mp2")
    start = picture_times(source)[0]
    shots = Shots(spec_of(NTSC_FILM, start=start, time_base=Fraction(1, 720_000)), [72])
    write_shots(tmp_path / "out.mp4", shots, WriteJob(source=source))
    assert min(picture_times(tmp_path / "out.mp4")[0], first_sample(tmp_path / "out.mp4")) == 0
    before = first_sample(source) - start
    after = first_sample(tmp_path / "out.mp4") - picture_times(tmp_path / "out.mp4")[0]
    assert abs(before - after) < Fraction(1, 40_000)


def test_sound_is_converted_only_where_it_must_be(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", audio=("pcm_s16le", "libopus"))
    writer = restore(source, tmp_path / "out.mp4")
    facts = [f for f in track_facts(tmp_path / "out.mp4") if f.kind == "audio"]
    assert [f.codec for f in facts] == ["aac", "opus"]
    assert [n for n in writer.report.notices if "converted" in n] == [
        "track 1 (audio, pcm_s16le): converted to aac, since mp4 files cannot hold it"
    ]
    assert abs(facts[0].end - Fraction(72) / NTSC_FILM) < Fraction(1, 40)
    assert abs(tone_pitch(tmp_path / "out.mp4") - 220) < 5


def test_webm_takes_opus(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", audio=("aac",), audio_rate=44100)
    restore(source, tmp_path / "out.webm")
    facts = [f for f in track_facts(tmp_path / "out.webm") if f.kind == "audio"]
    assert [f.codec for f in facts] == ["opus"]
    assert abs(tone_pitch(tmp_path / "out.webm") - 220) < 5
    assert abs(first_sample(tmp_path / "out.webm") - picture_times(tmp_path / "out.webm")[0]) < Fraction(2, 1000)


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.mov"])
def test_tracks_keep_their_words_and_roles(target: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    write_sound_film(source, 48, codec="aac", tracks=[("eng", "Narration", 1), ("fra", "Music", 0)])
    restore(source, tmp_path / target, count=48)
    facts = [f for f in track_facts(tmp_path / target) if f.kind == "audio"]
    assert [(f.language, f.title, f.disposition & 1) for f in facts] == [("eng", "Narration", 1), ("fra", "Music", 0)]


@pytest.mark.parametrize(
    ("source", "target", "codec"),
    [
        ("in.mkv", "out.mp4", "mov_text"),
        ("in.mkv", "out.mov", "mov_text"),
        ("in.mkv", "out.mkv", "subrip"),
        ("in.mkv", "out.webm", "webvtt"),
        ("in.mp4", "out.mkv", "subrip"),
        ("in.mp4", "out.mp4", "mov_text"),
    ],
)
def test_subtitles_are_kept_or_converted(source: str, target: str, codec: str, tmp_path: Path) -> None:
    film = make(tmp_path / source, subtitles=SUBTITLES)
    writer = restore(film, tmp_path / target)
    (track,) = [f for f in track_facts(tmp_path / target) if f.kind == "subtitle"]
    assert track.codec == codec
    assert "A train arrives." in "".join(track.texts)
    assert "People alight." in "".join(track.texts)
    assert abs(track.end - 3) < Fraction(2, 1000)
    before = next(f for f in track_facts(film) if f.kind == "subtitle").codec
    assert any("converted to" in n for n in writer.report.notices) == (codec != before)


def test_subtitles_that_do_not_fit_are_said_to_be_lost(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", subtitles=SUBTITLES, chapters=CHAPTERS)
    writer = restore(source, tmp_path / "out.ts")
    assert "track 1 (subtitle, subrip): not kept: mpegts files cannot hold subrip subtitles" in writer.report.notices
    assert "2 chapters: mpegts files cannot hold them" in writer.report.notices


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
def test_chapters(source: str, target: str, tmp_path: Path) -> None:
    writer = restore(make(tmp_path / source, chapters=CHAPTERS), tmp_path / target)
    with av.open(str(tmp_path / target)) as film:
        chapters = film.chapters()
    rows = [(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"]) for c in chapters]
    assert rows == list(CHAPTERS)
    assert not writer.report.notices


def test_attachments(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", attachments=(("notes.txt", "text/plain", b"shot in 1926"),))
    restore(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as film:
        (attachment,) = [s for s in film.streams if s.type == "attachment"]
        assert (attachment.name, attachment.mimetype, attachment.data) == ("notes.txt", "text/plain", b"shot in 1926")
    writer = restore(source, tmp_path / "out.mp4")
    assert [n for n in writer.report.notices if "cannot hold attachments" in n]


@pytest.mark.parametrize("source", ["in.mov", "in.mp4", "in.mkv"])
@pytest.mark.parametrize("target", ["out.mov", "out.mp4", "out.mkv"])
def test_timecode(source: str, target: str, tmp_path: Path) -> None:
    writer = restore(make(tmp_path / source, timecode="01:00:00:12"), tmp_path / target)
    assert timecodes(tmp_path / target) == {"01:00:00:12"}
    assert not writer.report.notices
    doubled = restore(tmp_path / source, tmp_path / f"2x-{target}", rate=2 * NTSC_FILM)
    assert timecodes(tmp_path / f"2x-{target}") == {"01:00:00:24"}
    assert not doubled.report.notices


def test_timecode_needs_a_rate(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mov", timecode="01:00:00:12")
    shots = Shots(spec_of(None), [3], times=[Fraction(n, 10) for n in (0, 1, 3)])
    writer = write_shots(tmp_path / "out.mov", shots, WriteJob(source=source))
    assert writer.report.notices == ["timecode 01:00:00:12: not kept, since the output has no constant rate"]


def test_title_is_kept_and_the_files_own_words_are_not(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", metadata={"title": "Panorama", "date": "1896", "comment": "a print"})
    for target in ("out.mp4", "out.mkv", "out.mov", "out.webm"):
        restore(source, tmp_path / target)
        with av.open(str(tmp_path / target)) as film:
            words = {k.lower(): v for k, v in film.metadata.items()}
        assert words["title"] == "Panorama"
        assert words["comment"].startswith("a print Restored with farshore 1 from s.")


def test_damaged_sound_is_counted_and_not_fatal(tmp_path: Path) -> None:
    source = make(tmp_path / "in.ts", audio=("mp2",))
    bad = damaged(source, seed=3, flips=60, after=0.1)
    restore(bad, tmp_path / "out.webm")
    facts = [f for f in track_facts(tmp_path / "out.webm") if f.kind == "audio"]
    assert facts[0].packets > 20


def test_unreadable_packets_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    write_sound_film(source, 72, codec="aac", spoil=range(20, 30))
    writer = restore(source, tmp_path / "out.webm")
    assert writer.report.damaged_packets == 10
    assert "track 1: 10 damaged packets" in writer.report.notices
    facts = next(f for f in track_facts(tmp_path / "out.webm") if f.kind == "audio")
    assert abs(facts.end - Fraction(72) / NTSC_FILM) < Fraction(1, 20), "the gap is not filled: sound is out of time"


def test_source_that_has_gone_costs_the_sound_not_the_film(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", audio=("aac",))
    shots = Shots(spec_of(), [24])
    writer = open_writer(tmp_path / "out.mp4", WriteJob(source=source))
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    source.unlink()
    writer.finish()
    assert [
        n for n in writer.report.notices if n.startswith("sound, subtitles and chapters are not kept, since in.mp4")
    ]
    assert len(picture_times(tmp_path / "out.mp4")) == 24


@pytest.mark.parametrize(("rate", "channels", "mixed"), [(192_000, 1, False), (48_000, 12, True), (11_025, 6, False)])
def test_unusual_sound_is_fitted_to_the_codec(rate: int, channels: int, mixed: bool, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    write_sound_film(source, 48, codec="pcm_s16le", sample_rate=rate, channels=channels)
    writer = restore(source, tmp_path / "out.mp4", count=48)
    assert any("mixed down to stereo" in n for n in writer.report.notices) == mixed
    (sound,) = [f for f in track_facts(tmp_path / "out.mp4") if f.kind == "audio"]
    assert abs(sound.end - 48 / NTSC_FILM) < Fraction(1, 8)
    assert abs(tone_pitch(tmp_path / "out.mp4", channels=1 if channels == 1 else 2) - 220) < 5


def test_cover_picture(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    write_sound_film(source, 48, codec="aac", cover=True)
    restore(source, tmp_path / "out.mp4", count=48)
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert [int(s.disposition) & 1024 for s in film.streams.video] == [0, 1024]
    writer = restore(source, tmp_path / "out.webm", count=48)
    assert [n for n in writer.report.notices if "no room for a cover" in n]


def test_report_begins_empty() -> None:
    assert MuxReport() == MuxReport(notices=[], damaged_packets=0)


def sound_bytes(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(p)[-60:] for p in film.demux(audio=0) if p.size]


def first_sample(path: Path) -> Fraction:
    """Return when the first sample is heard."""
    with av.open(str(path)) as film:
        frame = next(film.decode(audio=0))
        return frame.pts * Fraction(frame.time_base)


def first_sound(path: Path) -> Fraction:
    """Return when something is heard: coders put silence before it."""
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            loud = np.flatnonzero(samples > (500 if frame.format.name.startswith("s16") else 500 / 32768))
            if len(loud):
                return frame.pts * Fraction(frame.time_base) + Fraction(int(loud[0]), frame.sample_rate)
    raise AssertionError("silence")


def tone_pitch(path: Path, *, channels: int = 1) -> float:
    with av.open(str(path)) as film:
        resampler = av.AudioResampler(format="s16p", layout="mono" if channels == 1 else "stereo", rate=48000)
        samples = np.concatenate([r.to_ndarray()[0] for f in film.decode(audio=0) for r in resampler.resample(f)])
    steady = samples[4800:].astype(float)
    return float(np.abs(np.fft.rfft(steady)).argmax() * 48000 / len(steady))


def timecodes(path: Path) -> set[str]:
    with av.open(str(path)) as film:
        words = [*(s.metadata for s in film.streams), film.metadata]
    return {v for entries in words for k, v in entries.items() if k.lower() == "timecode"}
