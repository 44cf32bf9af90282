"""An unfinished film is continued, kept or left alone; never lost unasked."""

import signal
import textwrap
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import ConfigError, EncodeError, ResumeError
from engine.media.output import WriteJob
from engine.media.segmented_writer import SegmentedWriter
from engine.media.writer import open_writer, recorded_threads, unfinished_work
from engine.settings import OutputSettings
from tests.support.segmented import PAIRS, abandon, job_for, run_python
from tests.support.tracks import Shots, picture_hashes, picture_times, spec_of, write_shots


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
