"""A film on a simulated GPU, from file to file, and how it is judged."""

import gzip
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bench.gpu.film as film_module
import engine.job as job_module
from bench.gpu.film import FilmResult, Shown, check_film, film_lines, judged_film, keep_trace, look_at, what_is_wrong
from bench.gpu.kernels import KernelTimes
from bench.gpu.outcome import failures
from engine.device.pool import work_on
from engine.errors import BuildError
from engine.job import JobReport
from engine.media.losses import Losses
from engine.run_report import RunReport
from engine.timing import LatencyReport
from tests.support.device_chain import virtual_queues
from tests.support.device_films import SimulatedBorder, simulated_decoder, simulated_encoder
from tests.support.films import write_film
from tests.support.quick_inspect import QuickDevice
from tests.support.reading import scene
from tests.support.simulated_backend import SimulatedBackend

SIZE, FRAMES = (64, 64), 4
STAGES = ["decode", "inspect", "enhance", "interpolate", "colorize", "encode"]

Ran = tuple[FilmResult, QuickDevice, Path]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", scene(FRAMES, *SIZE, color=False), rate=24)


def run(film: Path, folder: Path, least: float, **missing: str) -> Ran:
    """Return what became of the film, the device that it ran on, and the folder of its trace."""
    device = QuickDevice(seed=3)
    border = SimulatedBorder(device)
    for what, why in missing.items():
        setattr(border, what, why)
    trace = folder / "gpu-cuda.trace.json.gz"
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(job_module, "open_backend", lambda settings: SimulatedBackend(device))
        patch.setattr(job_module, "border_of", lambda device: border)
        for context in (simulated_encoder(), simulated_decoder(border), virtual_queues(device)):
            stack.enter_context(context)
        (result,) = check_film("cuda", device, film, trace, size=SIZE, least=least)
    work_on(None)
    return result, device, folder


@pytest.fixture(scope="module")
def ran(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run(film, tmp_path_factory.mktemp("results") / "new", 0.0)


def told(*results: FilmResult) -> dict[str, Any]:
    """Return what a check finds of films alone."""
    roof = {"bytes_per_second": 1.0, "operations_per_second": {}, "refused": {}}
    films = [result.to_json() for result in results]
    times = KernelTimes(width=96, height=64).to_json()
    return {
        "kernels": [],
        "kernel_times": times,
        "backends": {"cuda": {"roof": roof, "models": [], "chains": [], "films": films}},
    }


def test_a_film_is_measured_from_decoder_to_encoder(ran):
    result, device, _ = ran
    assert (result.outcome, result.reason, result.slow) == ("right", None, None)
    assert (result.decoder, result.encoder, result.precision) == ("device", "device", "fp16")
    assert {"nvdec", "read_ycbcr", "write_ycbcr_of_lab"} <= {piece.name for piece in device.slices}
    assert (result.film_frames, list(result.stages)) == (FRAMES, STAGES)
    assert min(result.stages.values()) > 0
    assert result.efficiency == pytest.approx(result.frames_per_second * max(result.stages.values()) / 1e3)
    assert result.overlap == pytest.approx(result.frames_per_second * sum(result.stages.values()) / 1e3)
    assert result.delay_ms > 0
    assert result.likeness_db > 20
    assert "interpolate" in result.lanes
    assert failures(json.loads(json.dumps(told(result), allow_nan=False))) == []


def test_the_trace_of_the_run_lies_beside_the_results(ran):
    result, _, folder = ran
    assert result.no_trace is None
    assert [path.name for path in folder.iterdir()] == [result.trace] == ["gpu-cuda.trace.json.gz"]
    events = json.loads(gzip.decompress((folder / result.trace).read_bytes()))["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert list(names.values()) == STAGES
    for tid, lane in names.items():
        slices = [event for event in events if event["ph"] == "X" and event["tid"] == tid]
        assert all(event["name"] == lane for event in slices)
        assert sum("frame out" in event["args"] for event in slices) >= FRAMES or lane == "encode"
        # of two frames in flight at once a moment counts once: one of them then takes no time
        pieces = sorted((event["ts"], event["ts"] + event["dur"]) for event in slices if event["dur"] > 0)
        assert all(b[0] >= a[1] - 0.002 for a, b in zip(pieces, pieces[1:], strict=False)), f"{lane} overlaps itself"


@pytest.mark.parametrize(
    ("missing", "coders"), [("decoder", ("software", "device")), ("encoder", ("device", "software"))]
)
def test_a_slow_film_is_told_but_not_counted_where_the_processor_decodes_or_codes_it(film, tmp_path, missing, coders):
    result, _, _ = run(film, tmp_path, 1e6, **{f"no_{missing}": "this GPU has none"})
    assert (result.outcome, result.reason, (result.decoder, result.encoder)) == ("right", None, coders)
    assert result.slow.endswith("wanted 1000000.00")
    assert failures(told(result)) == []
    line, why, slow = film_lines(told(result))
    assert f"decoder {coders[0]}, encoder {coders[1]}, trace gpu-cuda.trace.json.gz" in line
    assert why.endswith("this film, since this GPU has none")
    assert slow.endswith("not counted, since the processor decodes or codes it")


def test_a_slow_film_counts_where_the_gpu_decodes_and_codes_it(ran):
    result = judged_film(ran[0], None, 1e6)
    assert (result.outcome, result.slow) == ("wrong", None)
    (line,) = failures(told(result))
    assert line.startswith("cuda: film 64x64 fp16: wrong: runs at ")


def test_a_film_that_is_wrong_counts_whoever_codes_it(ran):
    result = judged_film(replace(ran[0], encoder="software"), "shows something else", 0.0)
    assert failures(told(result)) == ["cuda: film 64x64 fp16: wrong: shows something else"]


def report(**changes: Any) -> JobReport:
    """Return what a job tells that went well, but for changes of its run."""
    latency = LatencyReport(stages=(), frames=16, wall_seconds=1.0, frames_per_second=16.0, delay_ms=1.0, left_out=0)
    run = RunReport(frames_in=8, frames_out=16, latency=latency, failures={}, queue_waits={}, thread_split={})
    losses = changes.pop("losses", Losses())
    return JobReport(
        target="x.mp4", run=replace(run, **changes), losses=losses, notices=(), shots=1, repeats=0, cadence=""
    )


@pytest.mark.parametrize(
    ("made", "shown", "said"),
    [
        (report(), Shown(frames=16, likeness_db=None), None),
        (report(), Shown(frames=16, likeness_db=31.0), None),
        (report(), Shown(frames=16, likeness_db=12.0), "shows something else: 12.0 dB from the film; wanted 22 dB"),
        (report(), Shown(frames=15, likeness_db=31.0), "the restored film holds 15 frames of 16"),
        (report(frames_out=15), Shown(frames=15, likeness_db=31.0), "15 frames came of 8; wanted 16"),
        (
            report(failures={"enhance": {"ModelError: no": 2}}),
            Shown(frames=16, likeness_db=31.0),
            "2 frames passed through unrestored; enhance: ModelError: no",
        ),
        (
            report(losses=Losses(corrupt_frames=1)),
            Shown(frames=16, likeness_db=31.0),
            "the film was not read whole: 1 frames shown with damage",
        ),
    ],
)
def test_what_is_wrong_with_a_film_is_named(made, shown, said):
    assert what_is_wrong(made, shown) == said


def test_every_second_picture_of_the_restored_film_is_held_against_the_film(film, tmp_path):
    pictures = list(scene(FRAMES, *SIZE, color=False))
    doubled = [picture for shown in pictures for picture in (shown, 255 - shown)]
    other = write_film(tmp_path / "other.mp4", [255 - shown for shown in doubled], rate=48)
    same = look_at(write_film(tmp_path / "same.mp4", doubled, rate=48), film)
    assert same.frames == 2 * FRAMES
    assert same.likeness_db is None or same.likeness_db > 35
    assert look_at(other, film).likeness_db < film_module.LEAST_LIKENESS_DB


def test_what_half_precision_is_refused_is_run_in_float32(film, tmp_path, monkeypatch):
    asked: list[tuple[str, str, str]] = []

    def refuse(settings):
        asked.append((settings.backend, settings.device, settings.precision))
        raise BuildError("no")

    monkeypatch.setattr(job_module, "open_backend", refuse)
    trace = tmp_path / "x.gz"
    trace.write_bytes(b"an earlier check's")
    half, full = check_film("tensorrt", QuickDevice(), film, trace, size=SIZE, least=0.0)
    assert asked == [("tensorrt", "0", "fp16"), ("tensorrt", "0", "fp32")]
    assert (half.outcome, half.reason, half.film_frames, half.trace) == ("refused", "no", 0, None)
    assert not trace.exists()
    assert film_lines(told(half, full)) == []
    assert failures(told(half, full)) == [
        "film 64x64 fp16: every backend refuses it",
        "film 64x64 fp32: every backend refuses it",
    ]


def test_a_large_trace_is_left_out_with_a_word(tmp_path, monkeypatch):
    unpacked, kept = tmp_path / "trace.json", tmp_path / "kept.gz"
    unpacked.write_text("{}")
    monkeypatch.setattr(film_module, "TRACE_BYTES", 5)
    assert keep_trace(unpacked, kept) == "it takes 0.0 MB gzipped; less than 0 MB are kept"
    assert not kept.exists()
