"""Film to film: what the chain as a whole promises."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.errors import ConfigError, DecodeError, Interrupted, ResumeError
from engine.job import Job, JobReport
from engine.media.provenance import read
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from tests.support.films import moving_scene, write_sequence
from tests.support.numbers import number_on
from tests.support.shots import frame_hashes, write_shots

NULL = RuntimeSettings(backend="null")
DOUBLED = Settings(interpolate=InterpolateSettings(factor=Fraction(2)))


def run(source: Path, target: Path, settings: Settings, **options: bool) -> JobReport:
    job = Job(source, target, settings, **options)
    try:
        job.open()
        return job.run()
    finally:
        job.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shots(tmp_path_factory.mktemp("film") / "film.mp4", shots=6, frames=32)


@pytest.fixture(scope="module")
def whole(film: Path) -> list[tuple[Fraction, str]]:
    """Hashes of an uninterrupted run."""
    target = film.with_name("whole.mkv")
    run(film, target, DOUBLED)
    return frame_hashes(target)


def test_a_film_passes_the_whole_chain_and_says_what_was_done(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "restored.mp4"
    report = run(film, target, DOUBLED)
    assert (report.run.frames_in, report.shots, report.repeats) == (192, 6, 0)
    assert report.run.frames_out == 384
    assert not report.losses
    assert not report.run.failures
    times = [time for time, _ in frame_hashes(target)]
    assert times == [Fraction(number, 48) for number in range(384)]
    provenance = read(target)
    assert provenance is not None
    assert [mark.role for mark in provenance.models] == ["enhance", "interpolate", "colorize"]
    assert all(len(mark.sha256) == 64 for mark in provenance.models)
    assert provenance.settings["enhance"]["strength"] == 0.8
    assert not target.with_name("restored.mp4.part").exists()


def test_every_option_of_the_chain_runs_together(film: Path, tmp_path: Path) -> None:
    settings = Settings(
        enhance=EnhanceSettings(upscale=2, strength=0.5),
        interpolate=InterpolateSettings(rate=Fraction(30000, 1001)),
        colorize=ColorizeSettings(mode="always", saturation=1.5),
        output=OutputSettings(compare="side", label=True, counter=True, codec="h265", bit_depth=10),
        runtime=NULL,
    )
    target = tmp_path / "all.mkv"
    job = Job(film, target, settings)
    plan = job.open()
    assert (plan.spec_out.width, plan.spec_out.height) == (384, 128)
    assert plan.spec_out.rate == Fraction(30000, 1001)
    assert plan.stages == ("inspect", "enhance", "interpolate", "colorize", "compare")
    report = job.run()
    assert report.run.frames_out == 240
    assert not report.run.failures


def test_two_runs_make_the_same_frames(film: Path, whole: list[tuple[Fraction, str]], tmp_path: Path) -> None:
    run(film, tmp_path / "again.mkv", DOUBLED)
    assert frame_hashes(tmp_path / "again.mkv") == whole


def test_a_stopped_run_keeps_its_shots_and_goes_on_to_the_same_frames(
    film: Path, whole: list[tuple[Fraction, str]], tmp_path: Path
) -> None:
    target = tmp_path / "stopped.mkv"
    job = Job(film, target, DOUBLED)
    job.open()
    with pytest.raises(Interrupted):
        job.run(lambda progress: job.stop() if progress.frames_out > 150 else None)
    assert not target.exists()
    assert not [thread for thread in threading.enumerate() if thread.name in ("decode", "enhance", "encode")]
    with pytest.raises(ConfigError, match="--resume"):
        run(film, target, DOUBLED)
    with pytest.raises(ResumeError, match="strength"):
        run(film, target, Settings(enhance=EnhanceSettings(strength=0.3), interpolate=DOUBLED.interpolate), resume=True)
    job = Job(film, target, DOUBLED, resume=True)
    plan = job.open()
    assert plan.resumed_from_shot > 0
    report = job.run()
    assert report.frames_kept > 0
    assert report.shots == 6
    assert frame_hashes(target) == whole


def test_a_run_that_goes_on_counts_on(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "counted.mkv"
    settings = Settings(output=OutputSettings(counter=True, codec="ffv1"), runtime=NULL)
    job = Job(film, target, settings)
    job.open()
    with pytest.raises(Interrupted):
        job.run(lambda progress: job.stop() if progress.frames_out > 100 else None)
    assert run(film, target, settings, resume=True).frames_kept > 0
    with av.open(str(target)) as container:
        told = [number_on(picture.to_ndarray()[: picture.height] / 255) for picture in container.decode(video=0)]
    assert told == [f"{number:06d}" for number in range(192)]


def test_killed_at_twenty_random_moments_it_still_makes_the_same_frames(
    film: Path, whole: list[tuple[Fraction, str]], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:  # two at once: all that this takes is time
        found = pool.map(lambda seed: killed_and_resumed(film, whole, tmp_path / str(seed), seed, 10), (2026, 2027))
        assert sum(found) > 0, "no run was killed between its first and its last shot"


def killed_and_resumed(film: Path, whole: list[tuple[Fraction, str]], folder: Path, seed: int, wanted: int) -> int:
    """Kill runs until one ends by itself after so many; return how many were killed between two shots."""
    moments = random.Random(seed)
    folder.mkdir()
    target, work = folder / "killed.mkv", folder / "killed.mkv.part"
    command = [sys.executable, "-m", "engine.cli.main", "restore", str(film), str(target), "--interpolate", "2x"]
    kills = finished = killed_between_shots = 0
    while kills < wanted or not finished:
        child = subprocess.Popen(
            [*command, "--quiet", *(["--resume"] if work.exists() else [])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _, said = child.communicate(timeout=moments.uniform(0.5, 4.0) if kills < wanted else 120.0)
            assert child.returncode == 0, said.decode()
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
            kills += 1
            killed_between_shots += bool(list(work.glob("0*")))
        if target.exists():  # finished, perhaps just before it was killed: under its final name a film is whole
            assert frame_hashes(target) == whole
            target.unlink()
            shutil.rmtree(work, ignore_errors=True)
            finished += 1
    return killed_between_shots


def test_another_backend_is_noticed_when_a_run_goes_on(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "mixed.mkv"
    job = Job(film, target, Settings(runtime=NULL))
    job.open()
    with pytest.raises(Interrupted):
        job.run(lambda progress: job.stop() if progress.frames_out > 60 else None)
    with pytest.raises(ResumeError, match="backend"):
        run(film, target, Settings(), resume=True)


def test_a_job_stopped_before_it_runs_does_not_begin(film: Path, tmp_path: Path) -> None:
    job = Job(film, tmp_path / "never.mp4", Settings(runtime=NULL))
    job.stop()
    job.open()
    with pytest.raises(Interrupted):
        job.run()
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf8_is_told_as_well_as_can_be(film: Path, tmp_path: Path) -> None:
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    shutil.copy(film, source)
    run(source, tmp_path / "told.mp4", Settings(runtime=NULL))
    told = read(tmp_path / "told.mp4")
    assert told is not None
    assert told.source == "caf\ufffd.mp4"


def test_a_trace_that_has_no_folder_is_refused_before_anything_is_done(film: Path, tmp_path: Path) -> None:
    job = Job(film, tmp_path / "x.mp4", Settings(runtime=NULL), trace=tmp_path / "none" / "trace.json")
    with pytest.raises(ConfigError, match="make it first"):
        job.open()
    assert not list(tmp_path.iterdir())


def test_references_are_told_by_name_and_hash_and_a_changed_one_is_noticed(film: Path, tmp_path: Path) -> None:
    picture = write_sequence(tmp_path, moving_scene(96, 64, 1), extension="png", pix_fmt="rgb24")[0]
    settings = Settings(colorize=ColorizeSettings(references=(picture,)), runtime=NULL)
    run(film, tmp_path / "told.mp4", settings)
    told = read(tmp_path / "told.mp4")
    assert told is not None
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert told.settings["colorize"]["references"] == [f"{picture.name} sha256 {digest}"]
    assert str(tmp_path) not in told.to_json()

    job = Job(film, tmp_path / "stopped.mp4", settings)
    job.open()
    with pytest.raises(Interrupted):
        job.run(lambda progress: job.stop() if progress.frames_out > 60 else None)
    picture.write_bytes(picture.read_bytes() + b" ")
    with pytest.raises(ResumeError, match="references"):
        run(film, tmp_path / "stopped.mp4", settings, resume=True)
    with pytest.raises(ConfigError, match="check the path"):
        run(film, tmp_path / "x.mp4", Settings(colorize=ColorizeSettings(references=(tmp_path / "no.png",))))


def test_missing_film_missing_model_and_existing_target_are_one_line_each(film: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as missing:
        run(tmp_path / "nothing.mp4", tmp_path / "x.mp4", DOUBLED)
    with pytest.raises(Exception, match="not built in") as model:
        run(film, tmp_path / "x.mp4", Settings(enhance=EnhanceSettings(model="nothing")))
    (tmp_path / "there.mp4").write_bytes(b"precious")
    with pytest.raises(ConfigError) as there:
        run(film, tmp_path / "there.mp4", DOUBLED)
    for caught in (missing, model, there):
        assert "\n" not in str(caught.value)
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    assert not (tmp_path / "x.mp4").exists()
