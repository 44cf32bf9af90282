"""The interpolate stage on a device makes the pictures that it makes on the processor, and never waits for any."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.device.pool import DevicePool, on_device
from engine.errors import DeviceError
from engine.frame import Frame
from engine.model import Model, find_model
from engine.pipeline import Pipeline
from engine.settings import InterpolateSettings
from engine.stages.base import Stage
from engine.stages.device.motion_field import DeviceMotionField
from engine.stages.download import Download
from engine.stages.interpolate import Interpolate
from engine.stages.motion_check import Verdict
from engine.stages.motion_field import MotionField
from engine.stages.place import DevicePlace
from engine.stages.upload import Upload
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes
from tests.support.chain import film_spec
from tests.support.device_chain import Keeper, Pictures, moving, run_on_device, run_pipeline
from tests.support.published_like import measuring_interpolator, middle_interpolator
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import FailingBackend, fade_interpolator, pan_interpolator

SYNTHESIZED, REPEATED = FrameFlags.SYNTHESIZED, FrameFlags.REPEATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One film, interpolated on the processor and on a device."""

    host: Keeper
    device: Keeper
    on_host: Interpolate
    on_device: Interpolate
    simulated: SimulatedDevice

    @property
    def largest_difference(self) -> float:
        pairs = zip(self.host.shown, self.device.shown, strict=True)
        return max(float(np.abs(first.pixels - second.pixels).max()) for first, second in pairs)

    def see_the_same_marks(self) -> None:
        assert [(shown.index, shown.time, shown.flags) for shown in self.device.shown] == [
            (shown.index, shown.time, shown.flags) for shown in self.host.shown
        ]


def both(
    model: Model,
    spec: FrameSpec,
    pictures: list[np.ndarray],
    wanted: str = "48",
    *,
    scale: float | None = None,
    **marks: list[int],
) -> Both:
    device = SimulatedDevice()
    settings = replace(InterpolateSettings.parse(wanted), scale=scale)
    on_host = Interpolate(model, OnnxRuntimeBackend(), settings)
    on_device = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    host = run_pipeline(Pictures(spec, pictures, **marks), [on_host])
    shown = run_on_device(device, Pictures(spec, pictures, **marks), [on_device])
    return Both(host=host, device=shown, on_host=on_host, on_device=on_device, simulated=device)


def ramp(shift: float, width: int, height: int) -> np.ndarray:
    """Return R'G'B' moved to the right, of which `measuring_interpolator` finds how far."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pattern = 0.5 + 0.25 * np.sin((x - shift) / 5) + 0.15 * np.cos(y / 9)
    return np.stack([0.2 + 0.0015 * (x - shift), pattern, pattern]).astype(np.float32)


def strangers(count: int, planes: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    blocks = [np.kron(random.random((6, 12)) > 0.5, np.ones((8, 8))).astype(np.float32) for _ in range(count)]
    return [np.broadcast_to(block, (planes, *block.shape)).copy() for block in blocks]


MODELS: dict[str, Callable[[Path], Model]] = {
    "grey": lambda folder: pan_interpolator(folder, motion=(1.5, 0.0)),
    "rgb": lambda folder: pan_interpolator(folder, motion=(1.5, 0.0), rgb=True, multiple=16),
    "pictures alone": lambda folder: fade_interpolator(folder),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("wanted", ["48", "60"])
def test_small_models_make_the_same_pictures(tmp_path: Path, name: str, film: PixelFormat, wanted: str):
    spec = replace(film_spec(width=77, height=45), format=film)
    made = both(MODELS[name](tmp_path), spec, moving(spec, 9), wanted, cuts=[0, 4], repeated=[2, 7])
    made.see_the_same_marks()
    assert sum(SYNTHESIZED in shown.flags for shown in made.device.shown) >= 5
    assert made.largest_difference < 2e-5
    assert made.on_device.verdicts == made.on_host.verdicts


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_a_model_that_makes_pictures_too_is_shown_at_full_scale_alone(tmp_path: Path, scale: float, film: PixelFormat):
    spec = replace(film_spec(width=121, height=59), format=film)
    pictures = [ramp(2 * number, 121, 59)[: spec.pixels_shape[0]] for number in range(4)]
    made = both(measuring_interpolator(tmp_path), spec, pictures, scale=scale)
    made.see_the_same_marks()
    assert made.on_device.verdicts == made.on_host.verdicts == {Verdict.FOLLOW: 3}
    assert made.largest_difference < 1e-4
    is_white = float(made.device.shown[1].pixels.min()) > 0.99
    assert is_white is (scale == 1.0)


def test_nonsense_motion_gives_way_to_a_cross_fade(tmp_path: Path):
    spec = film_spec(width=96, height=48)
    pictures = moving(spec, 4, speed=0.5, grain=0.0)
    made = both(pan_interpolator(tmp_path, motion=(30.0, 0.0)), spec, pictures, "72")
    made.see_the_same_marks()
    assert made.on_device.verdicts == made.on_host.verdicts == {Verdict.CROSS_FADE: 6}
    np.testing.assert_allclose(made.device.shown[1].pixels, pictures[0] * 2 / 3 + pictures[1] / 3, atol=1e-5)
    assert made.largest_difference < 2e-5


@pytest.mark.parametrize("rgb", [False, True])
def test_pictures_with_nothing_in_common_are_not_mixed(tmp_path: Path, rgb: bool):
    spec = film_spec(width=96, height=48, format=PixelFormat.RGB if rgb else PixelFormat.GRAY)
    pictures = strangers(3, spec.pixels_shape[0])
    made = both(pan_interpolator(tmp_path, motion=(1.0, 0.0), rgb=rgb), spec, pictures, "72")
    assert made.on_device.verdicts == made.on_host.verdicts == {Verdict.HOLD: 4}
    assert made.largest_difference < 1e-6
    assert [shown.time for shown in made.device.shown] == [shown.time for shown in made.host.shown]
    held = [number for number, shown in enumerate(made.device.shown) if SYNTHESIZED in shown.flags]
    assert held == [1, 2, 4, 5]  # where the processor shares the nearer frame, the device makes it once more
    assert [made.host.shown[number].flags for number in held] == [REPEATED, FrameFlags.NONE] * 2


def test_motion_beyond_the_models_reach_is_found_at_half_the_size(tmp_path: Path):
    spec = film_spec(256, 192, format=PixelFormat.RGB)
    pictures = [ramp(shift, 256, 192) for shift in (0, 20, 24)]  # too far for the model, then within its reach
    model = measuring_interpolator(tmp_path, reach=12)
    made = both(model, spec, pictures, "96")
    assert made.on_device.verdicts == made.on_host.verdicts == {Verdict.FOLLOW: 6}
    assert made.largest_difference < 1e-3
    middle = made.device.shown[2].pixels  # of the first pair, warped along motion found at half the size
    np.testing.assert_allclose(middle[:, :, 24:-24], ramp(10, 256, 192)[:, :, 24:-24], atol=2e-2)
    assert float(made.device.shown[6].pixels.min()) > 0.99  # of the second pair: the model's own, white


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("size", [(128, 96), (176, 160)], ids=["seen once", "seen twice"])
def test_the_built_in_model_makes_nearly_the_same_pictures(film: PixelFormat, size: tuple[int, int]):
    spec = replace(film_spec(*size), format=film)
    pictures = moving(spec, 5, speed=3.0)
    made = both(find_model("film-interpolate", "interpolate"), spec, pictures)
    made.see_the_same_marks()
    assert made.on_device.verdicts == made.on_host.verdicts == {Verdict.FOLLOW: 4}
    for first, second, film_picture in zip(made.host.shown[1:8:2], made.device.shown[1:8:2], pictures[:4], strict=True):
        apart = float(np.mean((first.pixels - second.pixels) ** 2))
        change = float(np.mean((first.pixels - film_picture) ** 2))
        assert apart < 0.01 * change


def test_the_host_waits_only_for_frames_that_leave_and_nothing_is_allocated_meanwhile(tmp_path: Path):
    spec = film_spec(width=45, height=37)
    waits: list[int] = []
    allocations: list[int] = []
    for count in (20, 60):
        device = SimulatedDevice()
        stage = Interpolate(
            pan_interpolator(tmp_path, motion=(1.5, 0.0)),
            SimulatedBackend(device),
            InterpolateSettings.parse("48"),
            place=DevicePlace(device),
        )
        keeper = run_on_device(device, Pictures(spec, moving(spec, count)), [stage])
        waits.append(device.host_waits - len(keeper.shown) - keeper.upload_waits)
        allocations.append(device.allocations + device.page_locked)
        assert stage.verdicts == {Verdict.FOLLOW: count - 1}
        assert isinstance(stage.pool, DevicePool)
        assert isinstance(stage.motion_pool, DevicePool)
    assert waits == [3, 3]  # streams drained at the end
    assert allocations[0] == allocations[1]


def test_the_host_gives_a_moments_work_in_few_launches(tmp_path: Path):
    spec = film_spec(width=45, height=37)
    made = both(pan_interpolator(tmp_path, motion=(1.5, 0.0)), spec, moving(spec, 20))
    stream = next(work.stream for work in made.simulated.slices if work.name == "warp_blend")
    names = [work.name for work in made.simulated.slices if work.stream == stream]
    last = len(names) - names[::-1].index("warp_blend")
    before = len(names) - names[::-1].index("warp_blend", len(names) - last + 1)
    assert len(names[before:last]) <= 10, names[before:last]


def test_a_picture_that_fails_is_replaced_by_its_neighbour(tmp_path: Path):
    spec = film_spec(width=36, height=24)
    device = SimulatedDevice()
    backend = FailingBackend([1], inner=SimulatedBackend(device))
    model = pan_interpolator(tmp_path, motion=(0.0, 0.0))
    stage = Interpolate(model, backend, InterpolateSettings.parse("48"), place=DevicePlace(device))
    pictures = moving(spec, 4, speed=0.0)
    keeper = run_on_device(device, Pictures(spec, pictures), [stage])
    assert stage.failures.total == 1
    assert [shown.flags for shown in keeper.shown][1:6] == [
        SYNTHESIZED,
        FrameFlags.NONE,
        FrameFlags.NONE,
        REPEATED,
        SYNTHESIZED,
    ]
    np.testing.assert_array_equal(keeper.shown[3].pixels, pictures[2])


@pytest.mark.parametrize("wanted", ["none", "60"])
def test_without_a_model_the_films_own_pictures_are_shown(wanted: str):
    spec, device = film_spec(width=36, height=24), SimulatedDevice()
    pictures, settings = moving(spec, 6), InterpolateSettings.parse(wanted)
    stage = Interpolate(None, SimulatedBackend(device), settings, place=DevicePlace(device))
    on_host = run_pipeline(Pictures(spec, pictures), [Interpolate(None, OnnxRuntimeBackend(), settings)])
    on_device = run_on_device(device, Pictures(spec, pictures), [stage])
    assert [(shown.time, shown.flags) for shown in on_device.shown] == [
        (shown.time, shown.flags) for shown in on_host.shown
    ]
    for first, second in zip(on_host.shown, on_device.shown, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_a_stage_that_is_opened_again_goes_on_counting(tmp_path: Path):
    spec, device = film_spec(width=36, height=24), SimulatedDevice()
    model = pan_interpolator(tmp_path, motion=(1.5, 0.0))
    settings = InterpolateSettings(rate=Fraction(48))
    stage = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    for runs in (1, 2):
        run_on_device(device, Pictures(spec, moving(spec, 4)), [stage])
        assert stage.verdicts == {Verdict.FOLLOW: 3 * runs}
    assert stage.measure(1) is None


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("wanted", ["60", "96"])
def test_a_model_of_the_middle_alone_serves_every_eighth(tmp_path: Path, scale: float, wanted: str):
    spec = film_spec(50, 38, format=PixelFormat.RGB)
    greys = [np.full(spec.pixels_shape, grey, np.float32) for grey in (0.2, 0.6, 0.3, 0.5)]
    made = both(middle_interpolator(tmp_path, pixels=10), spec, greys, wanted, scale=scale)
    made.see_the_same_marks()
    assert made.on_device.verdicts == made.on_host.verdicts
    assert made.largest_difference < 1e-5


def test_a_model_of_the_middle_runs_once_for_each_picture(tmp_path: Path):
    spec, device = film_spec(50, 38, format=PixelFormat.RGB), SimulatedDevice()
    greys = [np.full(spec.pixels_shape, grey, np.float32) for grey in (0.2, 0.6)]
    backend = FailingBackend([], inner=SimulatedBackend(device))
    settings = InterpolateSettings.parse("192")
    stage = Interpolate(middle_interpolator(tmp_path, pixels=10), backend, settings, place=DevicePlace(device))
    keeper = run_on_device(device, Pictures(spec, greys), [stage])
    assert backend.runs == 7
    shown = [float(shown.pixels.mean()) for shown in keeper.shown[:9]]
    np.testing.assert_allclose(shown, np.linspace(0.2, 0.6, 9), atol=1e-5)


class Spy(Stage):
    """Keeps what comes with synthesized frames: motion and neighbours, as they are when the frame is."""

    name = "spy"

    def __init__(self, device: SimulatedDevice | None) -> None:
        super().__init__()
        self.device = self._simulated = device
        self.seen: list[tuple[float, int, tuple[int, int], list[np.ndarray]]] = []

    def open(self, incoming: FrameSpec) -> FrameSpec:
        self.stream = None if self._simulated is None else self._simulated.stream()
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        if (motion := frame.motion) is not None and motion.first is not None and motion.second is not None:
            planes = (motion.flow, motion.mask, motion.first.pixels, motion.second.pixels)
            neighbours = (motion.first.index, motion.second.index)
            self.seen.append((motion.timestep, motion.cell, neighbours, [self._copy(each) for each in planes]))
        yield frame

    def _copy(self, planes: Planes) -> np.ndarray:
        if self._simulated is None or self.stream is None:
            return planes.copy()
        copy = self._simulated.pinned(planes.shape, np.float32)
        self._simulated.download(on_device(planes), copy, self.stream)
        return copy


def test_motion_and_neighbours_go_on_with_the_frame(tmp_path: Path):
    spec, device = film_spec(width=77, height=45), SimulatedDevice()
    model, settings = pan_interpolator(tmp_path, motion=(1.5, 0.0)), InterpolateSettings.parse("60")
    pictures = moving(spec, 9)
    on_host, on_device_ = Spy(None), Spy(device)
    run_pipeline(Pictures(spec, pictures, cuts=[0, 4]), [Interpolate(model, OnnxRuntimeBackend(), settings), on_host])
    stage = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    run_on_device(device, Pictures(spec, pictures, cuts=[0, 4]), [stage, on_device_])
    assert len(on_host.seen) == len(on_device_.seen) > 6
    for first, second in zip(on_host.seen, on_device_.seen, strict=True):
        assert first[:3] == second[:3]
        for wanted, got in zip(first[3], second[3], strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_motion_is_composed_on_the_way_to_a_moment(tmp_path: Path):
    spec, device = film_spec(96, 64, format=PixelFormat.RGB), SimulatedDevice()
    model, settings = middle_interpolator(tmp_path, pixels=8), InterpolateSettings.parse("192")
    pictures = moving(spec, 2)
    on_host, on_device_ = Spy(None), Spy(device)
    run_pipeline(Pictures(spec, pictures), [Interpolate(model, OnnxRuntimeBackend(), settings), on_host])
    stage = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    run_on_device(device, Pictures(spec, pictures), [stage, on_device_])
    assert len(on_host.seen) == 7
    assert stage.verdicts == {Verdict.FOLLOW: 7}
    for first, second in zip(on_host.seen, on_device_.seen, strict=True):
        assert np.ptp(first[3][0]) > 0.5
        for wanted, got in zip(first[3], second[3], strict=True):
            np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_held_frames_carry_no_motion_and_the_mask_of_the_nearer_one(tmp_path: Path):
    spec, device = film_spec(width=96, height=48), SimulatedDevice()
    model, settings, spy = pan_interpolator(tmp_path, motion=(1.0, 0.0)), InterpolateSettings.parse("72"), Spy(device)
    stage = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    run_on_device(device, Pictures(spec, strangers(2)), [stage, spy])
    for (*_, (flow, mask, _, _)), weight in zip(spy.seen, (1.0, 0.0), strict=True):
        assert np.abs(flow).max() == 0.0
        assert (mask == weight).all()


@pytest.mark.parametrize("on_device_", [False, True], ids=["host", "device"])
@pytest.mark.parametrize("method", ["see", "find", "write"])
def test_a_picture_that_cannot_be_made_loses_no_buffer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_device_: bool, method: str
):
    def refuse(*_: object, **__: object) -> None:
        raise DeviceError("does not take it")

    spec, device = film_spec(width=45, height=37), SimulatedDevice()
    model, settings = pan_interpolator(tmp_path, motion=(1.5, 0.0)), InterpolateSettings.parse("48")
    monkeypatch.setattr(DeviceMotionField if on_device_ else MotionField, method, refuse)
    if on_device_:
        stage = Interpolate(model, SimulatedBackend(device), settings, place=DevicePlace(device))
    else:
        stage = Interpolate(model, OnnxRuntimeBackend(), settings)
    reader, upload, keeper = Pictures(spec, moving(spec, 6)), Upload(device), Keeper()
    stages: list[Stage] = [upload, stage, Download(device)] if on_device_ else [stage]
    pipeline = Pipeline(reader, stages, keeper, cores=1)
    pipeline.open()
    with pytest.raises(DeviceError, match="does not take it"):
        pipeline.run(interval=0.01)
    assert (stage.pool.on_loan, stage.motion_pool.on_loan, reader.pool.on_loan) == (0, 0, 0)
    assert not on_device_ or upload.pool.on_loan == 0
