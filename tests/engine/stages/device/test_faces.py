"""The faces stage on a device finds the faces, and makes the pictures, of the processor's."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.chain import build_chain
from engine.device.operators import Operators
from engine.device.pool import as_planes, work_on
from engine.errors import BuildError, DeviceError, EngineError, FarshoreError
from engine.frame import Frame
from engine.model import Model
from engine.settings import EnhanceSettings, FacesSettings, Settings
from engine.stages.device.face_detect import LATE, DeviceFaceDetector
from engine.stages.enhance import Enhance
from engine.stages.face_detect import Face, HostFaceDetector
from engine.stages.faces import Faces
from engine.stages.place import DevicePlace
from engine.stages.upload import Upload
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.golden.cases import GoldenNetwork
from tests.support.chain import film_spec
from tests.support.device_chain import MS, Keeper, Paced, Pictures, moving, run_on_device, run_pipeline
from tests.support.faces import (
    YUNET,
    ScriptedFaces,
    face_at,
    identity_face,
    open_yunet,
    painting_face,
    scripted_detector,
    seeded_face,
)
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import FailingBackend, mean_enhancer

ALL = FacesSettings(enabled=True, strength=1.0, smallest=20)

ONE = [face_at(48, 40, 40)]

OPENING, STREAMS = 3, 3
"""Copies of constants (masks of three sizes) that the host waits for while the stage opens; streams of upload, stage
and download, for each of which it waits once at the end."""

CLOSE = 1e-5
"""Most that pictures may differ: both find places in single precision (tests/kernels/test_faces.py)."""

Script = Sequence[Sequence[Face] | FarshoreError]


def spec_of(format: PixelFormat = PixelFormat.GRAY) -> FrameSpec:
    return film_spec(100, 80, format=format)


def stage_on(
    device: SimulatedDevice,
    model: Model,
    script: Script,
    settings: FacesSettings = ALL,
    *,
    ns: int = MS // 10,
    fail_at: Sequence[int] = (),
    error: FarshoreError | None = None,
) -> Faces:
    """Return a stage on a device; the runs numbered in `fail_at`, of detector and face model together, fail."""
    backend = FailingBackend(fail_at, error, SimulatedBackend(device, run_ns=ns, host=ScriptedFaces(*script)))
    return Faces(model, scripted_detector(), backend, settings, place=DevicePlace(device))


class Unmeasured(Faces):
    """Is not timed before the first frame, which would take from the script."""

    def measure(self, threads: int) -> None:
        return None


def both(
    model: Model, spec: FrameSpec, script: Script, settings: FacesSettings = ALL, *, seed: int = 0, **marks: list[int]
) -> tuple[Keeper, Keeper]:
    """Run a film in both places; the nth picture that is looked at has the nth faces of the script."""
    device, pictures = SimulatedDevice(seed=seed), moving(spec, 10)
    host_stage = Unmeasured(model, scripted_detector(), ScriptedFaces(*script), settings)
    on_host = run_pipeline(Pictures(spec, pictures, **marks), [host_stage])
    there = run_on_device(device, Pictures(spec, pictures, **marks), [stage_on(device, model, script, settings)])
    assert [(shown.index, shown.time, shown.flags) for shown in there.shown] == [
        (shown.index, shown.time, shown.flags) for shown in on_host.shown
    ]
    return on_host, there


def apart(first: Keeper, second: Keeper) -> float:
    return max(float(np.abs(a.pixels - b.pixels).max()) for a, b in zip(first.shown, second.shown, strict=True))


def changes(keeper: Keeper, spec: FrameSpec) -> list[bool]:
    """Return which frames were changed."""
    pictures = moving(spec, len(keeper.shown))
    return [bool((shown.pixels != picture).any()) for shown, picture in zip(keeper.shown, pictures, strict=True)]


FILMS: dict[str, Script] = {
    "one that moves and turns": [[face_at(40 + 2 * x, 40, 36, turn=4 * x)] for x in range(10)],
    "several, two that overlap": [[face_at(30, 40, 30), face_at(44, 44, 30), face_at(80, 30, 24, turn=30)]],
    "leaving the picture": [[face_at(96 + x, 70 + x, 30), face_at(2 - 3 * x, 3, 26)] for x in range(10)],
    "larger than the model's": [[face_at(50, 40, 90 + x)] for x in range(10)],
    "coming and going": [ONE, [], [], ONE, [], [], [], [], [], ONE],
}


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_the_same_faces_make_the_same_pictures(tmp_path: Path, name: str, film: PixelFormat) -> None:
    spec = spec_of(film)
    on_host, there = both(Model.load(seeded_face(tmp_path)), spec, FILMS[name])
    assert apart(on_host, there) < CLOSE
    assert any(changes(there, spec))
    assert changes(there, spec) == changes(on_host, spec)


@pytest.mark.parametrize("value_range", ["0,1", "0,255"])
@pytest.mark.parametrize("side", [64, 256])
def test_models_of_any_range_and_side(tmp_path: Path, value_range: str, side: int) -> None:
    model = identity_face(tmp_path, side, value_range=value_range)
    settings = FacesSettings(enabled=True, strength=0.6, smallest=20, most=2)
    on_host, there = both(model, spec_of(), FILMS["several, two that overlap"], settings)
    assert apart(on_host, there) < CLOSE


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_repeated_pictures_in_any_order_of_streams(tmp_path: Path, seed: int) -> None:
    # looked at are 0, 1 | 3 | 4, 7, 8
    spec, model = spec_of(), painting_face(tmp_path, level=0.9)
    script = [ONE, ONE, [], ONE, [], []]
    on_host, there = both(model, spec, script, seed=seed, cuts=[0, 3, 4], repeated=[2, 5, 6, 9])
    assert apart(on_host, there) < CLOSE
    bright = [float(shown.pixels[0, 40, 48]) > 0.89 for shown in there.shown]
    assert bright == [True, True, True, False, True, True, True, True, True, True]
    for again in (2, 5, 6, 9):
        np.testing.assert_array_equal(there.shown[again].pixels, there.shown[again - 1].pixels)


def test_a_film_shorter_than_what_is_held_comes_out_whole(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of()
    for count in range(LATE + 2):
        stage = stage_on(device, painting_face(tmp_path, level=0.9), [ONE])
        keeper = run_on_device(device, Pictures(spec, moving(spec, count)), [stage])
        assert changes(keeper, spec) == [True] * count


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_the_real_detector_finds_the_same_faces(tmp_path: Path, film: PixelFormat) -> None:
    grey = GoldenNetwork("yunet-faces").inputs("solvay_crop")["image"][None].astype(np.float32) / 255
    gains = np.array([1.0, 0.9, 0.8], np.float32)[:, None, None]
    picture: np.ndarray = grey if film is PixelFormat.GRAY else (grey * gains).astype(np.float32)
    model, device = open_yunet(tmp_path), SimulatedDevice()
    stream = device.stream()
    array = device.empty(picture.shape, np.float32)
    device.upload(picture, array, stream)
    backend, sizes = SimulatedBackend(device), {"least_score": 0.6}
    there = DeviceFaceDetector(Operators(device, stream), model, backend, *picture.shape, **sizes)
    here = HostFaceDetector(model, OnnxRuntimeBackend(), *picture.shape[1:], **sizes)
    number = there.look(as_planes(array))
    assert there.wait_for(number)
    found, wanted = there.faces(number), here.find(picture)
    assert len(found) == len(wanted) > 5
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.points, other.points, atol=0.01)
        assert (one.score, one.side) == pytest.approx((other.score, other.side), abs=0.01)
    here.close()
    there.close()


def test_the_picture_is_seen_reduced_as_blue_green_red_with_black_beyond() -> None:
    device, script = SimulatedDevice(), ScriptedFaces([])
    picture = np.empty((3, 90, 1300), np.float32)
    picture[:] = np.array([0.25, 0.5, 1.0])[:, None, None]
    stream = device.stream()
    array = device.empty(picture.shape, np.float32)
    device.upload(picture, array, stream)
    detector = DeviceFaceDetector(
        Operators(device, stream),
        scripted_detector(),
        SimulatedBackend(device, host=script),
        *picture.shape,
        least_score=0.5,
    )
    detector.wait_for(detector.look(as_planes(array)))
    assert script.seen is not None
    assert script.seen.shape == (1, 3, 64, 640)
    np.testing.assert_allclose(script.seen[0, :, 43, 639], [255, 127.5, 63.75], rtol=1e-5)
    assert not script.seen[0, :, 44:].any()


def test_at_the_films_pace_the_host_waits_for_frames_that_leave_and_for_the_last_faces_of_a_shot(
    tmp_path: Path,
) -> None:
    device, spec = SimulatedDevice(), spec_of()
    stage = stage_on(device, painting_face(tmp_path, level=0.9), FILMS["coming and going"])
    keeper = run_on_device(device, Paced(device, 5, spec, moving(spec, 30), cuts=[0, 20]), [stage])
    assert stage.waits <= 2  # one a shot
    assert device.host_waits == len(keeper.shown) + keeper.upload_waits + stage.waits + OPENING + STREAMS


def test_nobody_waits_for_faces_where_two_stages_each_work_nearly_as_long_as_a_frame_lasts(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of()
    enhance = Enhance(
        mean_enhancer(tmp_path), SimulatedBackend(device, run_ns=4 * MS), EnhanceSettings(), place=DevicePlace(device)
    )
    stage = stage_on(device, painting_face(tmp_path, level=0.9), [ONE], ns=2 * MS)  # for detector and face each
    run_on_device(device, Paced(device, 5, spec, moving(spec, 30)), [enhance, stage])
    assert stage.waits <= 1


def test_waits_are_counted_where_frames_come_faster_than_they_are_looked_at(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of()
    stage = stage_on(device, painting_face(tmp_path, level=0.9), [ONE], ns=3 * MS)
    keeper = run_on_device(device, Pictures(spec, moving(spec, 20)), [stage])
    assert 1 < stage.waits <= 20
    assert device.host_waits == len(keeper.shown) + keeper.upload_waits + stage.waits + OPENING + STREAMS


class OnThisThread:
    """Gives frames of the device to a stage on the test's thread."""

    def __init__(self, device: SimulatedDevice, stage: Faces, spec: FrameSpec) -> None:
        stage.open(spec)
        self.stage, self.upload = stage, Upload(device, stream=stage.stream)
        self.upload.open(spec)
        work_on(stage.stream)

    def frames(self, spec: FrameSpec, count: int, repeated: Sequence[int] = ()) -> Iterator[Frame]:
        for frame in Pictures(spec, moving(spec, count), repeated=repeated).frames():
            yield from self.upload.push(frame)

    def close(self) -> None:
        """Close the stage; see that every buffer came back."""
        self.stage.close()
        assert (self.stage.pool.on_loan, self.upload.pool.on_loan) == (0, 0)


@pytest.fixture
def on_this_thread() -> Iterator[None]:
    yield
    work_on(None)


@pytest.mark.usefixtures("on_this_thread")
def test_a_frame_without_faces_is_passed_on_itself_and_takes_no_buffer(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of()
    chain = OnThisThread(device, stage_on(device, painting_face(tmp_path, level=0.9), [[]]), spec)
    given = list(chain.frames(spec, 5))
    made = [frame for one in given for frame in chain.stage.push(one)]
    made += chain.stage.flush(None)
    assert [one is other for one, other in zip(made, given, strict=True)] == [True] * 5
    assert chain.stage.pool.on_loan == 0
    for frame in made:
        frame.release()
    chain.close()


@pytest.mark.usefixtures("on_this_thread")
def test_nothing_is_allocated_after_opening(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of(PixelFormat.RGB)
    script = [*FILMS["several, two that overlap"], *FILMS["larger than the model's"], *FILMS["coming and going"]]
    chain = OnThisThread(device, stage_on(device, Model.load(seeded_face(tmp_path)), script), spec)
    before = device.allocations, device.page_locked
    for given in chain.frames(spec, 30, repeated=[7, 8]):
        for frame in chain.stage.push(given):
            frame.release()
    for frame in chain.stage.flush(None):
        frame.release()
    assert (device.allocations, device.page_locked) == before
    chain.close()


@pytest.mark.usefixtures("on_this_thread")
@pytest.mark.parametrize("count", [1, LATE, LATE + 3])
def test_breaking_off_gives_every_buffer_back(tmp_path: Path, count: int) -> None:
    device, spec = SimulatedDevice(), spec_of()
    chain = OnThisThread(device, stage_on(device, painting_face(tmp_path, level=0.9), [ONE]), spec)
    for given in chain.frames(spec, count):
        for frame in chain.stage.push(given):
            frame.release()
    chain.close()


@pytest.mark.parametrize(
    ("fail_at", "failing_frame"),
    [
        (1, 1),  # the runs: frames 0, 1, 2 looked at; then a face restored, and the next frame looked at, in turns
        (5, 1),
        (14, 8),  # the last frame's look; what is left are faces
    ],
)
def test_a_model_that_fails_lets_the_frame_pass_and_is_counted(
    tmp_path: Path, fail_at: int, failing_frame: int
) -> None:
    device, spec = SimulatedDevice(), spec_of()
    stage = stage_on(device, painting_face(tmp_path, level=0.9), [ONE], fail_at=[fail_at])
    keeper = run_on_device(device, Pictures(spec, moving(spec, 9)), [stage])
    assert [number for number, changed in enumerate(changes(keeper, spec)) if not changed] == [failing_frame]
    assert dict(stage.failures.by_cause) == {"EngineError: the library broke": 1}


def test_a_face_that_fails_behind_another_takes_the_whole_frame_and_its_buffer_back(tmp_path: Path) -> None:
    device, spec = SimulatedDevice(), spec_of()
    faces = [face_at(25, 40, 30), face_at(75, 40, 30)]
    stage = stage_on(device, painting_face(tmp_path, level=0.9), [faces], fail_at=[4])  # frame 0's second face
    keeper = run_on_device(device, Pictures(spec, moving(spec, 5)), [stage])
    assert changes(keeper, spec) == [False, True, True, True, True]
    np.testing.assert_array_equal(keeper.shown[0].pixels, moving(spec, 1)[0])


@pytest.mark.parametrize("fail_at", [0, 3, 4])
def test_a_device_that_refuses_ends_the_run_with_every_buffer_back(tmp_path: Path, fail_at: int) -> None:
    device, spec = SimulatedDevice(), spec_of()
    stage = stage_on(
        device, painting_face(tmp_path, level=0.9), [ONE], fail_at=[fail_at], error=DeviceError("the device broke")
    )
    reader = Pictures(spec, moving(spec, 20))
    with pytest.raises(DeviceError, match="the device broke"):
        run_on_device(device, reader, [stage])
    assert (reader.pool.on_loan, stage.pool.on_loan) == (0, 0)


@pytest.mark.parametrize(
    ("script", "work"), [([ONE, EngineError("the detector broke")], None), ([ONE], "face_paste"), ([ONE], "download")]
)
def test_what_fails_on_the_device_is_told_and_every_buffer_comes_back(
    tmp_path: Path, script: Script, work: str | None
) -> None:
    device, spec = SimulatedDevice(), spec_of()
    stage = stage_on(device, painting_face(tmp_path, level=0.9), script)
    device.fail_on = None if work is None else (work, 2)
    reader = Pictures(spec, moving(spec, 20))
    with pytest.raises(DeviceError, match="the detector broke" if work is None else f"{work} failed"):
        run_on_device(device, reader, [stage])
    assert (reader.pool.on_loan, stage.pool.on_loan) == (0, 0)


class Refuses(Backend):
    """A backend of a device that cannot build one kind of model."""

    name = "refuses"

    def __init__(self, device: SimulatedDevice, role: str) -> None:
        self.device, self._role, self._inner = device, role, SimulatedBackend(device)

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        if model.card.role == self._role:
            raise BuildError(f"model {model.card.name}: this device has no kernel for it; use --backend cuda")
        return self._inner.open(model, profile, threads)


@pytest.mark.parametrize("role", ["face", "detect"])
def test_a_model_that_the_device_refuses_ends_the_run_and_nothing_takes_its_place(tmp_path: Path, role: str) -> None:
    settings = Settings(
        enhance=EnhanceSettings(enabled=False),
        faces=FacesSettings(enabled=True, model=str(identity_face(tmp_path).path), detector=str(YUNET)),
    )
    chain = build_chain(settings, colorize=False, backend=Refuses(SimulatedDevice(), role))
    assert [stage.name for stage in chain.stages] == ["inspect", "upload", "faces", "interpolate", "download"]
    with pytest.raises(BuildError, match="no kernel for it"):
        run_pipeline(Pictures(spec_of(), []), chain.stages)


def test_a_repeated_picture_at_the_start_is_looked_at(tmp_path: Path) -> None:
    spec = spec_of()
    on_host, there = both(painting_face(tmp_path, level=0.9), spec, [ONE], repeated=[0, 1])
    assert there.shown[0].flags & FrameFlags.REPEATED
    assert changes(there, spec) == changes(on_host, spec) == [True] * 10
