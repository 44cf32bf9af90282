"""The film writer: exact times, joined segments, resuming, refusals, errors, memory."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.errors import ConfigError, EncodeError, ResumeError, TimestampError
from engine.media import durable
from engine.media.output import WriteJob, Writer
from engine.media.segmented_writer import SegmentedWriter, work_folder
from engine.media.writer import open_writer, recorded_threads, unfinished_work
from engine.settings import OutputSettings
from engine.types import FrameSpec
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

PAIRS = [
    ("a.mp4", "h264"),
    ("a.mkv", "h264"),
    ("a.mov", "h264"),
    ("a.ts", "h264"),
    ("a.nut", "h264"),
    ("b.mp4", "h265"),
    ("b.mkv", "h265"),
    ("c.mp4", "av1"),
    ("c.mkv", "av1"),
    ("c.webm", "av1"),
    ("d.mov", "prores"),
    ("d.mkv", "prores"),
    ("e.mkv", "ffv1"),
]
UNEVEN = [Fraction(n, 1000) for n in (0, 41, 100, 101, 300, 333, 700, 701, 702, 1250, 1300, 1400, 2000, 2040, 2100)]


def job_for(codec: str | None = None, **changes: object) -> WriteJob:
    return WriteJob(settings=OutputSettings(codec=codec), **changes)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("name", "codec"), [p for p in PAIRS if p[0] in ("a.mp4", "b.mkv", "c.webm", "d.mov", "e.mkv")]
)
def test_resumed_run_gives_the_same_file(name: str, codec: str, tmp_path: Path) -> None:
    shots = Shots(spec_of(), [30, 10, 25, 26])
    whole, broken = tmp_path / f"whole-{name}", tmp_path / name
    write_shots(whole, shots, job_for(codec))
    abandon(broken, shots, job_for(codec), after=80)
    assert not broken.exists()
    writer = write_shots(broken, shots, job_for(codec, resume=True))
    assert writer.report.frames_kept == 65
    assert picture_hashes(broken) == picture_hashes(whole)
    assert picture_times(broken) == picture_times(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, f"whole-{name}"])


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


def test_killed_process_is_resumed(tmp_path: Path) -> None:
    """SIGKILL in the middle of a real process; the main team does it twenty times with the whole program."""
    target = tmp_path / "film.mp4"
    script = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from engine.media.output import WriteJob, Writer
        from engine.media.writer import open_writer
        from tests.support.tracks import Shots, spec_of
        shots = Shots(spec_of(), [30, 30, 30])
        writer = open_writer(Path({str(target)!r}), WriteJob())
        writer.open(shots.spec)
        for number, frame in enumerate(shots.frames()):
            writer.write(frame)
            if number == 70:
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert run_python(script).returncode == -signal.SIGKILL
    assert not target.exists()
    shots = Shots(spec_of(), [30, 30, 30])
    writer = write_shots(target, shots, WriteJob(resume=True))
    assert writer.report.frames_kept == 60
    write_shots(tmp_path / "whole.mp4", shots)
    assert picture_hashes(target) == picture_hashes(tmp_path / "whole.mp4")


def test_resuming_with_nothing_to_resume_begins_anew(tmp_path: Path) -> None:
    writer = write_shots(tmp_path / "a.mp4", Shots(spec_of(), [5]), job_for(resume=True))
    assert writer.report.frames == 5


def test_resuming_after_the_last_frame_joins_what_is_there(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [30, 30, 1])
    abandon(tmp_path / "a.mp4", shots, job_for(), after=61)
    shots_left = Shots(spec_of(Fraction(24)), [30, 30])
    writer = write_shots(tmp_path / "a.mp4", shots_left, job_for(resume=True))
    assert writer.report.frames == writer.report.frames_kept == 60
    assert len(picture_times(tmp_path / "a.mp4")) == 60


def test_resuming_differently_says_what_changed(tmp_path: Path) -> None:
    target, shots = tmp_path / "a.mp4", Shots(spec_of(Fraction(24)), [30, 30])
    abandon(target, shots, job_for(), after=50)
    other = WriteJob(settings=OutputSettings(quality=60), resume=True)
    with pytest.raises(ResumeError, match=r"settings.output.quality: 75, now 60.* --overwrite instead of --resume"):
        write_shots(target, shots, other)
    with pytest.raises(ResumeError, match=r"threads.enhance: None, now 2"):
        write_shots(target, shots, job_for(resume=True, threads={"enhance": 2}))
    assert write_shots(target, shots, job_for(resume=True)).report.frames_kept == 30


def test_threads_of_the_unfinished_run_are_known(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [30, 30])
    assert recorded_threads(tmp_path / "a.mp4") is None
    abandon(tmp_path / "a.mp4", shots, job_for(threads={"enhance": 1}), after=50)
    assert recorded_threads(tmp_path / "a.mp4") == {"enhance": 1}
    assert unfinished_work(tmp_path / "a.mp4") == tmp_path / "a.mp4.part"
    assert unfinished_work("-") is None


def test_existing_target_is_refused_and_survives(tmp_path: Path) -> None:
    target, shots = tmp_path / "a.mp4", Shots(spec_of(), [5])
    target.write_text("precious")
    with pytest.raises(ConfigError, match=r"a.mp4: exists already; give --overwrite"):
        open_writer(target, job_for())
    writer = open_writer(target, job_for(overwrite=True))
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    assert target.read_text() == "precious"
    writer.finish()
    assert len(picture_times(target)) == 5


def test_the_film_itself_is_never_the_target(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"the only print")
    with pytest.raises(ConfigError, match="is the film itself"):
        open_writer(tmp_path / "." / "in.mp4", job_for(source=tmp_path / "in.mp4", overwrite=True))


def test_unfinished_work_is_not_thrown_away_unasked(tmp_path: Path) -> None:
    target, shots = tmp_path / "a.mp4", Shots(spec_of(Fraction(24)), [30, 30])
    abandon(target, shots, job_for(), after=50)
    with pytest.raises(ConfigError, match=r"a.mp4.part; give --resume to go on with it, or --overwrite"):
        open_writer(target, job_for())
    assert write_shots(target, shots, job_for(overwrite=True)).report.frames_kept == 0


def test_two_runs_cannot_write_the_same_film(tmp_path: Path) -> None:
    shots = Shots(spec_of(), [5])
    first = open_writer(tmp_path / "a.mp4", job_for())
    first.open(shots.spec)
    second = open_writer(tmp_path / "a.mp4", job_for(overwrite=True))
    with pytest.raises(EncodeError, match="another run is writing there"):
        second.open(shots.spec)
    second.abort()
    first.abort()
    assert not list(tmp_path.iterdir())


def test_aborting_leaves_nothing_that_cannot_be_resumed(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [30, 30])
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(shots.spec)
    for frame in list(shots.frames())[:3]:
        writer.write(frame)
    writer.abort()
    assert not list(tmp_path.iterdir())
    writer = abandon(tmp_path / "b.mp4", shots, job_for(), after=50)
    assert isinstance(writer, SegmentedWriter)
    assert writer.can_resume
    assert sorted(p.name for p in (tmp_path / "b.mp4.part").iterdir()) == ["000000.mp4", "journal.jsonl", "lock"]


def test_missing_folder_and_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncodeError, match=r"there is no folder .*/nowhere; make it first"):
        open_writer(tmp_path / "nowhere" / "a.mp4", job_for())
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(EncodeError, match="no permission to write in"):
        open_writer(tmp_path / "a.mp4", job_for())


def test_film_without_frames(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(spec_of())
    with pytest.raises(EncodeError, match="not a single frame came"):
        writer.finish()
    writer.abort()
    assert not list(tmp_path.iterdir())


def test_full_disk_while_coding(tmp_path: Path) -> None:
    """A limit on file size stands in for a full disk: the same way through FFmpeg, another errno."""
    script = textwrap.dedent(f"""
        import resource, signal
        from pathlib import Path
        from engine.errors import EncodeError
        from engine.media.output import WriteJob, Writer
        from engine.media.writer import open_writer
        from engine.settings import OutputSettings
        from tests.support.tracks import Shots, spec_of
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        shots = Shots(spec_of(), [40, 400])
        writer = open_writer(Path({str(tmp_path / "a.mkv")!r}), WriteJob(settings=OutputSettings(codec="ffv1")))
        writer.open(shots.spec)
        try:
            for frame in shots.frames():
                writer.write(frame)
            writer.finish()
        except EncodeError as error:
            print("EncodeError:", error)
            writer.abort()
        print("on loan:", shots.pool.on_loan)
    """)
    result = run_python(script)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("EncodeError: ")
    assert "a.mkv: cannot be written: the file is larger than" in lines[0]
    assert lines[1:] == ["on loan: 0"]
    assert result.stderr == ""
    assert not (tmp_path / "a.mkv").exists()


@pytest.mark.parametrize("where", ["publish", "join"])
def test_full_disk_while_finishing(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target, shots = tmp_path / "a.mp4", Shots(spec_of(Fraction(24)), [30, 30])
    writer = open_writer(target, job_for())
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    with monkeypatch.context() as patch:
        patch.setattr(f"engine.media.segmented_writer.{where}", fail)
        with pytest.raises(EncodeError, match=r"a.mp4: cannot be written: the disk is full; free some space"):
            writer.finish()
    writer.abort()
    assert not target.exists()
    assert write_shots(target, shots, job_for(resume=True)).report.frames_kept == 60


def test_times_off_the_grid_are_refused(tmp_path: Path) -> None:
    spec = FrameSpec(**{**fields_of(spec_of(Fraction(24))), "time_base": Fraction(1, 1000)})
    shots = Shots(spec, [1], times=[Fraction(41, 1000)])
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(spec)
    with pytest.raises(TimestampError, match="wanted a whole number"):
        writer.write(next(shots.frames()))
    writer.abort()
    assert shots.pool.on_loan == 0


def test_times_must_increase(tmp_path: Path) -> None:
    shots = Shots(spec_of(Fraction(24)), [2])
    writer = open_writer(tmp_path / "a.mp4", job_for())
    writer.open(shots.spec)
    writer.write(next(shots.frames()))
    with pytest.raises(TimestampError, match="not later than the frame before"):
        writer.write(next(shots.frames()))
    writer.abort()


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


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **environment}
    return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, env=environment)


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


def abandon(target: Path, shots: Shots, job: WriteJob, *, after: int) -> object:
    """Write some frames and stop in the middle of a shot."""
    writer = open_writer(target, job)
    writer.open(shots.spec)
    for number, frame in enumerate(shots.frames()):
        if number == after:
            frame.release()
            break
        writer.write(frame)
    writer.abort()
    return writer


def fields_of(spec: FrameSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__slots__}


@pytest.mark.parametrize("where", ["segments", "mux"])
def test_a_full_disk_is_noticed_even_when_only_the_last_fragment_is_lost(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = durable.WatchedFile
    monkeypatch.setattr(f"engine.media.{where}.WatchedFile", lambda path: real(path.parent / "full"))
    target = tmp_path / "film.mp4"
    shots = Shots(spec_of(Fraction(24)), [6])
    writer = open_writer(target, job_for())
    writer.open(shots.spec)
    (work_folder(target) / "full").symlink_to("/dev/full")
    with pytest.raises(EncodeError, match="the disk is full"):
        write_all(writer, shots)
    writer.abort()
    assert not target.exists()


def write_all(writer: Writer, shots: Shots) -> None:
    for frame in shots.frames():
        writer.write(frame)
    writer.finish()
