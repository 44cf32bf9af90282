"""Two frames in flight through one stage: chosen where that pays, the same pictures, nothing lost, nobody waits."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from engine.device.lanes import LONGEST_RUN
from engine.errors import DeviceError, DeviceMemoryError
from engine.model import Model, find_model
from engine.pipeline import Pipeline
from engine.pool import BufferPool
from engine.settings import EnhanceSettings, InterpolateSettings
from engine.stages.base import Stage
from engine.stages.download import Download
from engine.stages.enhance import Enhance
from engine.stages.interpolate import Interpolate
from engine.stages.motion_check import Verdict
from engine.stages.place import DevicePlace
from engine.stages.upload import Upload
from engine.trace import Trace
from engine.types import PixelFormat
from tests.support.chain import film_spec
from tests.support.device_chain import Keeper, Pictures, moving, run_on_device, virtual_queues
from tests.support.published_like import measuring_interpolator, middle_interpolator
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import (
    FailingBackend,
    counting_enhancer,
    fade_interpolator,
    mean_enhancer,
    pan_interpolator,
    rgb_enhancer,
)
from tests.support.upscalers import stack_upscaler

RUN_MS = 2.0
HALF, FULL = 0.5, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A film through one stage on a device."""

    keeper: Keeper
    stage: Stage
    device: SimulatedDevice
    backend: SimulatedBackend

    @property
    def wall_ns(self) -> int:
        """From the first picture that is made to the last, on the device's clock."""
        made = [piece.end_ns for piece in self.device.slices if piece.name in ("tensor_take", "warp_blend")]
        return max(made) - min(made)

    def is_like(self, other: "Made") -> bool:
        """Whether marks and pictures are the other's, to the last bit."""
        assert len(self.keeper.shown) == len(other.keeper.shown)
        return all(
            (a.index, a.time, a.flags) == (b.index, b.time, b.flags) and np.array_equal(a.pixels, b.pixels)
            for a, b in zip(self.keeper.shown, other.keeper.shown, strict=True)
        )


Maker = Callable[[SimulatedBackend, DevicePlace], Stage]


def through(make: Maker, reader: Pictures, lanes: int | None, *, width: float = HALF, seed: int = 0) -> Made:
    device = SimulatedDevice(seed=seed)
    backend = SimulatedBackend(device, run_ns=int(RUN_MS * 1e6), width=width)
    stage = make(backend, DevicePlace(device, lanes=lanes))
    return Made(keeper=run_on_device(device, reader, [stage]), stage=stage, device=device, backend=backend)


def enhancing(model: Model, settings: EnhanceSettings | None = None) -> Maker:
    return lambda backend, place: Enhance(model, backend, settings or EnhanceSettings(strength=1.0), place=place)


def interpolating(model: Model, wanted: str, scale: float | None = None) -> Maker:
    settings = replace(InterpolateSettings.parse(wanted), scale=scale)
    return lambda backend, place: Interpolate(model, backend, settings, place=place)


def test_a_stage_whose_model_fills_half_of_the_device_is_nearly_twice_as_fast_with_two_lanes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spec = film_spec(width=37, height=23)
    make = enhancing(mean_enhancer(tmp_path, past=1, future=1))
    with caplog.at_level(logging.INFO, "engine.stages.place"):
        one, two = (through(make, Pictures(spec, moving(spec, 60)), lanes) for lanes in (1, None))
    assert one.wall_ns / two.wall_ns > 1.8
    choice = two.keeper.report.lanes["enhance"]
    assert (choice.lanes, choice.one_ms, choice.two_ms) == (2, pytest.approx(RUN_MS), pytest.approx(RUN_MS / 2))
    assert [record.message for record in caplog.records] == [
        "stage enhance: 1 lane: as asked",
        "stage enhance: 2 lanes: two runs at once are faster; 2.00 ms a run in one, 1.00 ms in two",
    ]
    assert one.keeper.report.lanes["enhance"].lanes == len(one.backend.sessions) == 1
    assert [session.is_closed for session in two.backend.sessions] == [True, True]  # with the stage
    assert two.is_like(one)


def test_what_a_stage_with_two_lanes_worked_is_counted_once(tmp_path: Path):
    spec = film_spec(width=37, height=23)
    made = through(enhancing(mean_enhancer(tmp_path)), Pictures(spec, moving(spec, 60)), None)
    (stage,) = (row for row in made.keeper.report.latency.stages if row.stage == "enhance")
    assert stage.median_ms >= RUN_MS  # a frame takes as long as its run
    before_the_first_leaves = 1.1 * RUN_MS
    worked = 1e3 * stage.total_seconds
    assert 0.95 * 60 * RUN_MS / 2 <= worked <= made.wall_ns / 1e6 + before_the_first_leaves  # two of them at once


def test_a_model_that_fills_the_device_keeps_one_lane_and_the_second_session_is_given_back(tmp_path: Path):
    spec, device = film_spec(width=37, height=23), SimulatedDevice()
    backend = SimulatedBackend(device, width=FULL)
    stage = Enhance(mean_enhancer(tmp_path), backend, EnhanceSettings(), place=DevicePlace(device, lanes=None))
    stage.open(spec)
    assert stage.lane_choice is not None
    assert (stage.lane_choice.lanes, stage.lane_choice.two_ms) == (1, pytest.approx(2.0))
    assert [session.is_closed for session in backend.sessions] == [False, True]
    assert list(stage.streams) in ([], [stage.stream])


@pytest.mark.parametrize("case", ["a long run", "little memory left", "no memory for another"])
def test_no_second_lane_is_kept_where_it_cannot_pay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    spec, device = film_spec(width=37, height=23), SimulatedDevice()
    run_ns = int(LONGEST_RUN * 1e9) if case == "a long run" else 2_000_000
    backend = SimulatedBackend(device, run_ns=run_ns, width=HALF)
    place = DevicePlace(device, lanes=None)
    stage = Enhance(mean_enhancer(tmp_path), backend, EnhanceSettings(), place=place)
    if case == "little memory left":
        monkeypatch.setattr(device, "memory", lambda: (2 << 30, (8 << 30) + 1))
    if case == "no memory for another":
        sessions, inner = [], backend.open

        def fails_the_second_time(*arguments: object) -> object:
            if sessions:
                raise DeviceMemoryError("memory: all of it is taken")
            sessions.append(inner(*arguments))  # type: ignore[arg-type]
            return sessions[0]

        monkeypatch.setattr(backend, "open", fails_the_second_time)
    stage.open(spec)
    assert stage.lane_choice is not None
    assert stage.lane_choice.lanes == 1
    assert [session.is_closed for session in backend.sessions] == ([False, True] if "left" in case else [False])
    if case == "no memory for another":  # whoever asks for two is told
        stage = Enhance(mean_enhancer(tmp_path), backend, EnhanceSettings(), place=DevicePlace(device, lanes=2))
        with pytest.raises(DeviceMemoryError, match="all of it is taken"):
            stage.open(spec)


@pytest.mark.parametrize("past", ["states", "restored"])
def test_what_a_run_needs_of_the_run_before_it_keeps_one_lane(tmp_path: Path, past: str):
    model = counting_enhancer(tmp_path) if past == "states" else mean_enhancer(tmp_path, past=1, sees="restored")
    spec, device = film_spec(width=36, height=24), SimulatedDevice()
    backend = SimulatedBackend(device, width=HALF)
    stage = Enhance(model, backend, EnhanceSettings(), place=DevicePlace(device, lanes=2))
    stage.open(spec)
    assert stage.lane_choice is not None
    assert "before it" in str(stage.lane_choice)
    assert len(backend.sessions) == 1


ENHANCERS: dict[str, Callable[[Path], Model]] = {
    "window": lambda folder: mean_enhancer(folder, past=2, future=1),
    "aligned window": lambda folder: mean_enhancer(folder, past=1, future=1, aligned="window"),
    "rgb": lambda folder: rgb_enhancer(folder),
    "built-in": lambda folder: find_model("film-restore-x2", "enhance"),
}


@pytest.mark.parametrize("name", ENHANCERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_pictures_are_those_of_one_lane_to_the_last_bit(tmp_path: Path, name: str, seed: int):
    spec = replace(film_spec(width=72, height=48), format=PixelFormat.GRAY if seed == 2 else PixelFormat.RGB)
    pictures, marks = moving(spec, 11 if name == "built-in" else 16), {"cuts": [0, 7, 8], "repeated": [3, 10]}
    make = enhancing(ENHANCERS[name](tmp_path), EnhanceSettings(strength=0.7))
    one, two = (through(make, Pictures(spec, pictures, **marks), lanes, seed=seed) for lanes in (1, 2))
    assert two.is_like(one)
    runs = [session.runs for session in two.backend.sessions]
    assert len(runs) == 2
    assert min(runs) >= 2


INTERPOLATORS: dict[str, tuple[Callable[[Path], Model], str, float | None]] = {
    "one moment": (lambda folder: pan_interpolator(folder, motion=(1.5, 0.0)), "48", None),
    "several moments": (lambda folder: pan_interpolator(folder, motion=(1.5, 0.0), rgb=True), "60", 0.5),
    "pictures alone": (lambda folder: fade_interpolator(folder), "60", None),
    "middle": (lambda folder: middle_interpolator(folder, pixels=8), "96", None),
    "built-in": (lambda _: find_model("film-interpolate", "interpolate"), "60", None),
}


@pytest.mark.parametrize("name", INTERPOLATORS)
@pytest.mark.parametrize("seed", [1, 2])
def test_pairs_in_two_lanes_make_the_pictures_of_one_to_the_last_bit(tmp_path: Path, name: str, seed: int):
    make, wanted, scale = INTERPOLATORS[name]
    spec = film_spec(width=72, height=48, format=PixelFormat.RGB if seed == 2 else PixelFormat.GRAY)
    stage, marks = interpolating(make(tmp_path), wanted, scale), {"cuts": [0, 6, 7], "repeated": [3, 9]}
    one, two = (through(stage, Pictures(spec, moving(spec, 13), **marks), lanes, seed=seed) for lanes in (1, 2))
    assert two.is_like(one)
    assert isinstance(one.stage, Interpolate)
    assert isinstance(two.stage, Interpolate)
    assert two.stage.verdicts == one.stage.verdicts
    assert len(two.backend.sessions) == 2
    assert min(session.runs for session in two.backend.sessions) >= 3


def test_the_last_pair_of_a_shot_leaves_the_pair_in_the_other_lane_alone():
    spec, random = film_spec(width=96, height=48), np.random.default_rng(1)
    pictures = moving(spec, 20)
    for last in range(4, 20, 5):  # has nothing in common with the others: whoever is judged by it does not move
        pictures[last] = np.kron(random.random((1, 6, 12)) > 0.5, np.ones((1, 8, 8))).astype(np.float32)
    make = interpolating(find_model("film-interpolate", "interpolate"), "48")
    reader = [Pictures(spec, pictures, cuts=[0, 5, 10, 15]) for _ in range(2)]
    one, two = (through(make, reader[lanes - 1], lanes) for lanes in (1, 2))
    assert two.is_like(one)
    assert isinstance(two.stage, Interpolate)
    assert two.stage.verdicts == {Verdict.FOLLOW: 12, Verdict.HOLD: 4}


def test_what_is_looked_for_at_half_the_size_is_each_lanes_own(tmp_path: Path):
    spec = film_spec(176, 160, format=PixelFormat.RGB)
    make = interpolating(measuring_interpolator(tmp_path, reach=3), "72")
    pictures = moving(spec, 6, speed=4.0)
    one, two = (through(make, Pictures(spec, pictures, cuts=[0, 4]), lanes) for lanes in (1, 2))
    assert two.is_like(one)
    assert [len(made.backend.sessions) for made in (one, two)] == [2, 4]


@pytest.mark.parametrize(("width", "lanes", "gain"), [(HALF, 2, 1.8), (FULL, 1, 0.99)])
def test_pairs_are_as_much_faster_as_the_model_leaves_room(tmp_path: Path, width: float, lanes: int, gain: float):
    spec = film_spec(width=45, height=37)
    make, pictures = interpolating(pan_interpolator(tmp_path, motion=(1.5, 0.0)), "48"), moving(spec, 40)
    one, best = (through(make, Pictures(spec, pictures), asked, width=width) for asked in (1, None))
    assert best.keeper.report.lanes["interpolate"].lanes == lanes
    assert gain < one.wall_ns / best.wall_ns < gain + 0.3


def test_with_two_lanes_pairs_wait_for_no_host_and_allocate_nothing(tmp_path: Path):
    spec = film_spec(width=45, height=37)
    make, waits, allocations = interpolating(pan_interpolator(tmp_path, motion=(1.5, 0.0)), "48"), [], []
    for count in (20, 60):
        made = through(make, Pictures(spec, moving(spec, count), cuts=[0, 7, 15]), 2)
        waits.append(made.device.host_waits - len(made.keeper.shown) - made.keeper.upload_waits)
        allocations.append(made.device.allocations + made.device.page_locked)
    assert waits == [4, 4]  # streams drained at the end, two of them the stage's
    assert allocations[0] == allocations[1]


def test_tiles_make_the_same_pictures_in_two_lanes(tmp_path: Path):
    path, spec = stack_upscaler(tmp_path / "up.onnx", over_everything=True), film_spec(width=150, height=130)
    make = enhancing(Model.load(path, role="enhance"), EnhanceSettings(upscale=2, tile=48))
    one, two = (through(make, Pictures(spec, moving(spec, 4)), lanes) for lanes in (1, 2))
    assert two.is_like(one)
    assert [session.runs > 0 for session in two.backend.sessions] == [True, True]


def test_with_two_lanes_the_host_waits_for_no_more_and_nothing_is_allocated(tmp_path: Path):
    spec = film_spec(width=37, height=23)
    waits, allocations = [], []
    for count in (20, 60):
        reader = Pictures(spec, moving(spec, count), cuts=[0, 7, 15])
        made = through(enhancing(mean_enhancer(tmp_path, past=1, future=1)), reader, 2)
        waits.append(made.device.host_waits - len(made.keeper.shown) - made.keeper.upload_waits)
        allocations.append(made.device.allocations + made.device.page_locked)
    assert waits == [4, 4]  # streams drained at the end, two of them the stage's
    assert allocations[0] == allocations[1]


def test_a_run_that_fails_in_a_lane_lets_its_frame_pass(tmp_path: Path):
    spec, device = film_spec(width=36, height=24), SimulatedDevice()
    backend = FailingBackend([3, 4], inner=SimulatedBackend(device))
    place, pictures = DevicePlace(device, lanes=2), moving(spec, 9)
    stage = Enhance(mean_enhancer(tmp_path, gain=0.5), backend, EnhanceSettings(strength=1.0), place=place)
    keeper = run_on_device(device, Pictures(spec, pictures), [stage])
    assert stage.failures.total == 2
    for number, (shown, picture) in enumerate(zip(keeper.shown, pictures, strict=True)):
        np.testing.assert_allclose(shown.pixels, picture * (1.0 if number in (3, 4) else 0.5), atol=1e-6)


@pytest.mark.parametrize("broken", ["mean", "tensor_fill", "tensor_take", "download"])
def test_a_failure_of_the_device_returns_every_buffer(tmp_path: Path, broken: str):
    spec, device = film_spec(width=36, height=24), SimulatedDevice()
    model = mean_enhancer(tmp_path, past=1, future=1)
    stage = Enhance(model, SimulatedBackend(device), EnhanceSettings(), place=DevicePlace(device, lanes=2))
    reader, upload, download = Pictures(spec, moving(spec, 60), cuts=[0, 9]), Upload(device), Download(device)
    pipeline = Pipeline(reader, [upload, stage, download], Keeper(), cores=1)
    pipeline.open()
    device.fail_on = (model.card.name if broken == "mean" else broken, 20)
    with pytest.raises(DeviceError, match="failed"):
        pipeline.run(interval=0.01)
    pools: list[BufferPool] = [reader.pool, upload.pool, stage.pool, download.pool]
    assert [pool.on_loan for pool in pools] == [0] * 4
    assert all(not stream.queue for stream in device._streams.values())


@pytest.mark.parametrize("broken", ["pan", "tensor_fill", "warp_blend"])
def test_a_failure_of_the_device_returns_every_buffer_of_a_pair(tmp_path: Path, broken: str):
    spec, device = film_spec(width=45, height=37), SimulatedDevice()
    model, place = pan_interpolator(tmp_path, motion=(1.5, 0.0)), DevicePlace(device, lanes=2)
    stage = Interpolate(model, SimulatedBackend(device), InterpolateSettings.parse("48"), place=place)
    reader, upload, download = Pictures(spec, moving(spec, 60), cuts=[0, 9]), Upload(device), Download(device)
    pipeline = Pipeline(reader, [upload, stage, download], Keeper(), cores=1)
    pipeline.open()
    device.fail_on = (model.card.name if broken == "pan" else broken, 20)
    with pytest.raises(DeviceError, match="failed"):
        pipeline.run(interval=0.01)
    pools: list[BufferPool] = [reader.pool, upload.pool, stage.pool, stage.motion_pool, download.pool]
    assert [pool.on_loan for pool in pools] == [0] * 5
    assert all(not stream.queue for stream in device._streams.values())


def test_slices_of_a_trace_do_not_overlap(tmp_path: Path):
    spec, device, trace = film_spec(width=37, height=23), SimulatedDevice(), Trace()
    backend = SimulatedBackend(device, width=HALF)
    stage = Enhance(mean_enhancer(tmp_path), backend, EnhanceSettings(), place=DevicePlace(device, lanes=2))
    with virtual_queues(device):
        chain: list[Stage] = [Upload(device), stage, Download(device)]
        pipeline = Pipeline(Pictures(spec, moving(spec, 30)), chain, Keeper(), cores=1, trace=trace)
        pipeline.open()
        pipeline.run(interval=0.01)
    rows = trace.slices["enhance"].rows()
    made = rows[rows[:, 3] >= 0]
    assert made[:, 3].tolist() == list(range(30))
    assert (made[1:, 0] >= made[:-1, 1] - 1000).all()
