"""What the film writer refuses, and what it leaves when the disk fails."""

import errno
import os
import textwrap
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import ConfigError, EncodeError, TimestampError
from engine.media import durable
from engine.media.output import Writer
from engine.media.segmented_writer import work_folder
from engine.media.writer import open_writer
from engine.types import FrameSpec
from tests.support.segmented import job_for, run_python
from tests.support.tracks import Shots, picture_times, spec_of, write_shots


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
