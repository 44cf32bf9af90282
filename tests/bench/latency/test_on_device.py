"""A chain measured on a simulated GPU: the road that `farshore restore` takes there."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

import bench.latency.drive as drive_module
from bench.latency.case import Case
from bench.latency.drive import Drive, run_case
from bench.latency.schema import SCHEMA, faults
from bench.latency.tables import summary_lines
from engine.chain import build_chain
from engine.cli.main import main
from engine.device.pool import work_on
from engine.media.device.delivery import PREPARED_BUFFERS
from engine.media.reader import FilmReader
from tests.bench.latency.result_files import made_result
from tests.support.device_chain import virtual_queues
from tests.support.device_films import SimulatedBorder, simulated_decoder, simulated_encoder
from tests.support.films import write_film
from tests.support.quick_inspect import QuickDevice
from tests.support.reading import scene
from tests.support.simulated_backend import SimulatedBackend

FRAMES = 6
CASE = Case(kind="chain", width=64, height=64, interpolate="none", threads=1, warm_up=0.0, seconds=3600.0)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, device: QuickDevice | None, **missing: str) -> tuple:
    """Return the run, its reader and its chain, on a device or on the host."""
    film = write_film(folder / "film.mp4", scene(FRAMES, 64, 64, color=False), rate=24)
    readers, chains = [], []

    def reader(*given, **named):
        readers.append(FilmReader(*given, **named))
        return readers[-1]

    def chain(*given, **named):
        chains.append(build_chain(*given, **named))
        return chains[-1]

    monkeypatch.setattr(drive_module, "FilmReader", reader)
    monkeypatch.setattr(drive_module, "build_chain", chain)
    with ExitStack() as stack:
        stack.enter_context(simulated_encoder())
        if device is not None:
            border = SimulatedBorder(device)
            for what, why in missing.items():
                setattr(border, what, why)
            monkeypatch.setattr(drive_module, "open_backend", lambda settings: SimulatedBackend(device))
            monkeypatch.setattr(drive_module, "border_of", lambda device: border)
            stack.enter_context(simulated_decoder(border))
            stack.enter_context(virtual_queues(device))
        done: Drive = run_case(CASE, film, folder / "restored.mp4")
    work_on(None)
    return done, readers[0], chains[0]


def test_frames_stay_on_the_device_from_decoder_to_encoder(tmp_path, monkeypatch):
    device = QuickDevice(seed=1)
    done, reader, chain = run(tmp_path, monkeypatch, device)
    ran = {piece.name for piece in device.slices}
    assert {"nvdec", "read_ycbcr", "write_ycbcr_of_lab"} <= ran
    assert done.trace.lanes == ("decode", "inspect", "enhance", "interpolate", "colorize", "encode")
    assert done.notices == ()
    assert (done.failures, done.trace.slices["decode"].added) == (0, FRAMES + 1)
    assert reader._pool.allocated == max(chain.frames_of_reader, PREPARED_BUFFERS)
    assert reader._pool.on_loan == 0
    assert not any(ring.added for ring in done.trace.runs.values())  # when a device ran a model the host does not know


def test_what_the_processor_decodes_and_codes_is_told(tmp_path, monkeypatch):
    device = QuickDevice(seed=1)
    done, _, _ = run(tmp_path, monkeypatch, device, no_decoder="there is no NVDEC", no_encoder="there is no NVENC")
    told = (
        "decoder: the processor decodes this film, since there is no NVDEC",
        "encoder: the processor codes this film, since there is no NVENC",
    )
    assert done.notices == told
    assert {"upload", "download"}.isdisjoint(done.trace.lanes)  # codes cross the bus, not planes
    result = made_result(1, runs=2)
    for each in result["cases"][0]["runs"]:
        each["notices"] = list(told)
    assert not list(faults(result))
    assert [line for line in summary_lines(result["cases"][0]) if line in told] == list(told)


def test_on_the_host_there_is_nothing_to_be_told(tmp_path, monkeypatch):
    done, reader, _ = run(tmp_path, monkeypatch, None)
    assert done.notices == ()
    assert not reader.is_on_device
    assert done.trace.runs["enhance"].added > 0


def test_results_of_earlier_builds_lack_the_notices_and_are_read():
    result = made_result(1, runs=2)
    assert result["cases"][0]["runs"][0]["notices"] == []
    del result["cases"][0]["runs"][0]["notices"]
    assert not list(faults(json.loads(json.dumps(result)), SCHEMA))
    assert summary_lines(result["cases"][0])


def test_stages_are_not_timed_one_by_one_on_a_gpu(capsys):
    assert main(["bench", "stages", "--backend", "null", "--backend", "cuda"]) == 2
    assert "on a GPU use farshore bench chain" in capsys.readouterr().err
