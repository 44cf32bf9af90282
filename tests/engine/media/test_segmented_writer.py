"""The film writer: exact times, joined segments, memory."""

import textwrap
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.media.segmented_writer import work_folder
from engine.media.writer import open_writer
from tests.support.segmented import PAIRS, job_for, run_python
from tests.support.tracks import (
    NTSC_60,
    NTSC_FILM,
    Shots,
    picture_hashes,
    picture_times,
    spec_of,
    write_shots,
    write_sound_film,
)

UNEVEN = [Fraction(n, 1000) for n in (0, 41, 100, 101, 300, 333, 700, 701, 702, 1250, 1300, 1400, 2000, 2040, 2100)]


def assert_times(path: Path, wanted: list[Fraction]) -> None:
    times = picture_times(path)
    assert len(times) == len(wanted)
    moved = times[0] - wanted[0] if path.suffix in (".ts", ".nut") else 0  # these move the whole film (documented)
    tolerance = {".mkv": Fraction(1, 2000), ".webm": Fraction(1, 2000), ".ts": Fraction(1, 90000)}.get(path.suffix, 0)
    assert all(abs(time - moved - want) <= tolerance for time, want in zip(times, wanted, strict=True))


@pytest.mark.parametrize(("name", "codec"), PAIRS)
@pytest.mark.parametrize("rate", [NTSC_FILM, Fraction(25), NTSC_60], ids=["23.976", "25", "59.94"])
def test_times_are_exact(name: str, codec: str, rate: Fraction, tmp_path: Path) -> None:
    shots = Shots(spec_of(rate), [7, 40, 30])
    write_shots(tmp_path / name, shots, job_for(codec))
    assert_times(tmp_path / name, shots.times)


@pytest.mark.parametrize(("name", "codec"), PAIRS)
def test_uneven_times_are_exact(name: str, codec: str, tmp_path: Path) -> None:
    shots = Shots(spec_of(None), [5, 7, 3], times=UNEVEN, last_duration=Fraction(1, 8))
    write_shots(tmp_path / name, shots, job_for(codec))
    assert_times(tmp_path / name, shots.times)


@pytest.mark.parametrize("rate", [NTSC_FILM, Fraction(25), NTSC_60, None], ids=["23.976", "25", "59.94", "uneven"])
def test_film_ends_when_its_last_frame_ends(rate: Fraction | None, tmp_path: Path) -> None:
    times = None if rate else UNEVEN
    shots = Shots(spec_of(rate), [5, 7, 3], times=times, last_duration=Fraction(1, 8))
    writer = write_shots(tmp_path / "a.mp4", shots)
    end = shots.times[-1] + (1 / rate if rate else Fraction(1, 8))
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.duration * stream.time_base == end
        assert abs(Fraction(film.duration, av.time_base) - end) < Fraction(1, 100_000)
    assert writer.report.seconds == end
    assert writer.report.frames == 15
    assert writer.report.bytes == (tmp_path / "a.mp4").stat().st_size


def test_packets_of_the_joined_film_are_in_order(tmp_path: Path) -> None:
    shots = Shots(spec_of(), [30, 30, 30, 5])
    write_shots(tmp_path / "a.mp4", shots)
    with av.open(str(tmp_path / "a.mp4")) as film:
        packets = [p for p in film.demux(video=0) if p.size]
    assert all(a.dts < b.dts for a, b in zip(packets, packets[1:], strict=False))
    assert all(p.dts <= p.pts for p in packets)
    assert packets[0].pts == 0
    assert any(p.pts != p.dts + packets[0].pts - packets[0].dts for p in packets), "no frame was reordered: weak test"


def test_flash_cuts_share_a_segment(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [3] * 20)
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    names = sorted(p.name for p in work_folder(tmp_path / "a.mp4").glob("*.mp4"))
    assert names == ["000000.mp4", "000001.mp4"]
    writer.finish()
    assert len(picture_times(tmp_path / "a.mp4")) == 60


def test_coded_pictures_do_not_depend_on_what_memory_held(tmp_path: Path) -> None:
    """x264 0.165 with AVX-512 reads memory that it never wrote; two runs of one film then differ."""
    script = textwrap.dedent(f"""
        from pathlib import Path
        from engine.media.output import WriteJob, Writer
        from tests.support.tracks import Shots, picture_hashes, spec_of, write_shots
        write_shots(Path({str(tmp_path)!r}, "a.mp4"), Shots(spec_of(size=(320, 240)), [30]), WriteJob(overwrite=True))
        print(picture_hashes(Path({str(tmp_path)!r}, "a.mp4")))
    """)
    results = {run_python(script, MALLOC_PERTURB_=str(value)).stdout for value in (0, 90, 165)}
    assert len(results) == 1


def test_segments_hold_the_same_pictures_as_the_film(tmp_path: Path) -> None:
    shots = Shots(spec_of(), [30, 30, 30])
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    kept = [picture_hashes(p) for p in sorted(work_folder(tmp_path / "a.mp4").glob("*.mp4"))]
    writer.finish()
    film = picture_hashes(tmp_path / "a.mp4")
    assert [len(k) for k in kept] == [30, 30]
    assert film[:60] == kept[0] + kept[1]


def test_a_segment_that_was_cut_off_can_be_played(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [240])
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    unfinished = next(work_folder(tmp_path / "a.mp4").glob("*.tmp"))
    copy = tmp_path / "cut.mp4"
    copy.write_bytes(unfinished.read_bytes())
    writer.abort()
    assert len(picture_times(copy)) >= 100


@pytest.mark.parametrize("start", [Fraction(-1, 24), Fraction(10), Fraction(1, 3)])
def test_film_begins_at_zero_wherever_its_source_began(start: Fraction, tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24), start=start, time_base=Fraction(1, 24)), [30, 30])
    write_shots(tmp_path / "a.mp4", shots)
    assert picture_times(tmp_path / "a.mp4") == [Fraction(n, 24) for n in range(60)]


def test_buffers_do_not_grow(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [30, 200])
    write_shots(tmp_path / "a.mp4", shots)
    assert shots.pool.allocated == 2
    assert shots.pool.on_loan == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        source = tmp_path / f"{count}.mp4"
        write_sound_film(source, count, codec="aac")
        script = textwrap.dedent(f"""
            import resource
            from pathlib import Path
            from fractions import Fraction
            from engine.media.output import WriteJob, Writer
            from tests.support.tracks import Shots, spec_of, write_shots
            shots = Shots(spec_of(Fraction(24)), [{count} // 2] * 2)
            write_shots(Path({str(source.with_suffix(".mkv"))!r}), shots, WriteJob(source=Path({str(source)!r})))
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        """)
        return int(run_python(script).stdout)

    assert peak(4000) < 1.05 * peak(400)
