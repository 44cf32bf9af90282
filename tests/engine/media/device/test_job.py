"""A whole job on a device: the chain begins and ends where reader and writer have their frames."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import engine.job as job_module
from engine.chain import build_chain
from engine.device.pool import work_on
from engine.errors import ConfigError
from engine.job import Job, JobPlan, JobReport
from engine.media.device.delivery import PREPARED_BUFFERS
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from tests.support.device_chain import virtual_queues
from tests.support.device_films import SimulatedBorder, simulated_decoder, simulated_encoder
from tests.support.films import Shape, write_film
from tests.support.numbers import number_on
from tests.support.quick_inspect import QuickDevice
from tests.support.reading import scene
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tracks import picture_times

PLAIN = Settings(
    enhance=EnhanceSettings(enabled=False),
    colorize=ColorizeSettings(mode="never"),
    output=OutputSettings(codec="h264"),
)


def stages(settings: Settings, **ends: bool) -> list[str]:
    chain = build_chain(settings, colorize=False, backend=SimulatedBackend(SimulatedDevice()), **ends)
    return [stage.name for stage in chain.stages]


def test_a_chain_begins_and_ends_where_the_frames_of_reader_and_writer_lie():
    settings = Settings(interpolate=InterpolateSettings(factor=Fraction(2)))
    on_host, ends_there = stages(settings), stages(settings, ends_on_device=True)
    assert on_host == [*ends_there, "download"]
    assert ends_there[:2] == ["inspect", "upload"]  # films are inspected where they are decoded
    begins_there = stages(settings, starts_on_device=True, ends_on_device=True)
    assert begins_there == ["inspect", *ends_there[2:]]
    labelled, counted = (
        Settings(output=output) for output in (OutputSettings(label=True), OutputSettings(counter=True))
    )
    assert stages(labelled)[-1] == "compare"  # which then works on the host
    assert stages(labelled, ends_on_device=True)[-1].startswith("upload")
    assert stages(labelled, starts_on_device=True, ends_on_device=True)[-1] == "compare"
    assert stages(counted, starts_on_device=True) == stages(labelled, starts_on_device=True)


def test_a_job_on_a_device_makes_the_film_of_the_processors_job(tmp_path, monkeypatch):
    film = write_film(tmp_path / "film.mp4", scene(24, 64, 48, color=False), rate=24)
    device = QuickDevice(seed=2)
    border = SimulatedBorder(device)

    def restore(target: Path) -> JobReport:
        job = Job(film, target, PLAIN)
        job.open()
        return job.run()

    with simulated_encoder():
        here = restore(tmp_path / "here.mp4")
        monkeypatch.setattr(job_module, "open_backend", lambda settings: SimulatedBackend(device))
        monkeypatch.setattr(job_module, "border_of", lambda device: border)
        with simulated_decoder(border), virtual_queues(device):
            there = restore(tmp_path / "there.mp4")
    work_on(None)
    assert there.notices == here.notices
    assert there.losses == here.losses
    assert {"nvdec", "read_ycbcr", "write_ycbcr"} <= {piece.name for piece in device.slices}
    nearly_same(tmp_path / "there.mp4", tmp_path / "here.mp4")


def nearly_same(made: Path, wanted: Path) -> None:
    assert picture_times(made) == picture_times(wanted)
    with av.open(str(made)) as first, av.open(str(wanted)) as second:
        for one, other in zip(first.decode(video=0), second.decode(video=0), strict=True):
            assert np.abs(one.to_ndarray().astype(int) - other.to_ndarray().astype(int)).max() <= 1


@pytest.mark.parametrize("streams", ["stage", "one"])
def test_a_film_that_the_processor_decodes_and_codes_makes_the_same_film(tmp_path, monkeypatch, streams):
    film = write_film(tmp_path / "film.mp4", scene(24, 62, 46), rate=24, shape=Shape(rotation=90))
    device = QuickDevice(seed=4)
    settings = replace(
        PLAIN,
        input=InputSettings(decoder="software"),
        output=OutputSettings(codec="h264", encoder="software"),
        runtime=RuntimeSettings(streams=streams),
    )

    def restore(target: Path) -> tuple[Job, JobPlan, JobReport]:
        job = Job(film, target, settings)
        plan = job.open()
        return job, plan, job.run()

    with simulated_encoder():
        _, _, here = restore(tmp_path / "here.mp4")
        monkeypatch.setattr(job_module, "open_backend", lambda settings: SimulatedBackend(device))
        monkeypatch.setattr(job_module, "border_of", lambda device: SimulatedBorder(device))
        with virtual_queues(device):
            job, plan, there = restore(tmp_path / "there.mp4")
    work_on(None)
    assert there.notices == here.notices
    assert there.losses == here.losses
    nearly_same(tmp_path / "there.mp4", tmp_path / "here.mp4")
    assert ("upload" in plan.stages) == (streams == "one")  # where the film is inspected on the host
    assert "download" not in plan.stages
    reader = job._reader
    assert reader is not None
    assert reader._pool.on_loan == 0
    if streams == "stage":
        assert reader._pool.allocated == max(job._chain.frames_of_reader, PREPARED_BUFFERS)
        copies = sum(piece.name == "upload" for piece in device.slices)
        assert copies == there.run.frames_in == 24


@pytest.mark.parametrize("streams", ["stage", "one"])
def test_frames_are_counted_wherever_the_counter_is_drawn(tmp_path, monkeypatch, streams):
    film = write_film(tmp_path / "film.mp4", scene(6, 96, 64, color=False), rate=24)
    device = QuickDevice(seed=3)
    monkeypatch.setattr(job_module, "open_backend", lambda settings: SimulatedBackend(device))
    monkeypatch.setattr(job_module, "border_of", lambda device: SimulatedBorder(device))
    settings = replace(
        PLAIN,
        input=InputSettings(decoder="software"),
        output=OutputSettings(codec="ffv1", encoder="software", counter=True),
        runtime=RuntimeSettings(streams=streams),
    )
    with virtual_queues(device):
        job = Job(film, tmp_path / "out.mkv", settings)
        plan = job.open()
        job.run()
    work_on(None)
    assert ("download" in plan.stages) == (streams == "one")  # there film and counter are on the host
    assert any(piece.name == "draw_counter" for piece in device.slices) == (streams == "stage")
    with av.open(str(tmp_path / "out.mkv")) as container:
        told = [number_on(picture.to_ndarray()[:64] / 255) for picture in container.decode(video=0)]
    assert told == [f"{number:06d}" for number in range(6)]


def test_what_was_not_done_on_the_device_is_in_the_report(tmp_path, monkeypatch):
    film = write_film(tmp_path / "film.mp4", scene(6, 64, 48, color=False), rate=24)
    device = QuickDevice()
    border = SimulatedBorder(device)
    border.no_decoder, border.no_encoder = "there is no NVDEC", "there is no NVENC"
    monkeypatch.setattr(job_module, "open_backend", lambda settings: SimulatedBackend(device))
    monkeypatch.setattr(job_module, "border_of", lambda device: border)
    with virtual_queues(device):
        job = Job(film, tmp_path / "out.mp4", PLAIN)
        plan = job.open()
        report = job.run()
    work_on(None)
    told = [
        "decoder: the processor decodes this film, since there is no NVDEC",
        "encoder: the processor codes this film, since there is no NVENC",
    ]
    assert [notice for notice in plan.notices if notice in told] == told
    assert [notice for notice in report.notices if notice in told] == told


@pytest.mark.parametrize(
    ("section", "values"), [("input", InputSettings(decoder="device")), ("output", OutputSettings(encoder="device"))]
)
def test_a_device_asked_for_on_the_processor_is_refused_before_anything_is_written(tmp_path, section, values):
    film = write_film(tmp_path / "film.mp4", scene(2))
    settings = Settings(**{section: values})
    with pytest.raises(ConfigError, match="got device, but the chain runs on the processor; give --backend tensorrt"):
        Job(film, tmp_path / "out.mp4", settings).open()
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
