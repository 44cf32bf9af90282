from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Backend, Profile
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.chain import build_chain
from engine.errors import ConfigError, DeviceError, EngineError, ModelError, UnsupportedModelError
from engine.frame import Frame
from engine.job import Job, JobPlan, JobReport
from engine.model import Model
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    FacesSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from engine.stages.face_detect import Face
from engine.stages.face_restore import HostFaceRestorer
from engine.stages.faces import Faces
from engine.stages.run import run_stage
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.golden.cases import GoldenNetwork
from tests.support.chain import Source, film_spec
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
from tests.support.films import write_film
from tests.support.scenes import scene
from tests.support.shots import frame_hashes
from tests.support.tiny_models import FailingBackend

ALL = FacesSettings(enabled=True, strength=1.0, smallest=20)
ONE = [face_at(80, 60, 50)]


def opened(
    model: Model, spec: FrameSpec, backend: Backend, settings: FacesSettings = ALL, detector: Model | None = None
) -> tuple[Faces, Source]:
    stage = Faces(model, detector or scripted_detector(), backend, settings)
    assert stage.open(spec) == spec
    return stage, Source(spec)


def run(stage: Faces, source: Source, frames: list[Frame]) -> list[np.ndarray]:
    """Return copies of the pictures, and see that everything came back."""
    pictures: list[np.ndarray] = []
    for frame in run_stage(stage, frames):
        pictures.append(frame.pixels.copy())
        frame.release()
    stage.close()
    assert (stage.pool.on_loan, source.pool.on_loan) == (0, 0)
    return pictures


def spec_of(format: PixelFormat = PixelFormat.GRAY) -> FrameSpec:
    return film_spec(160, 120, format=format)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((first.astype(np.float64) - second) ** 2)))


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("value_range", ["0,1", "-1,1", "0,255"])
def test_faces_given_back_unchanged_leave_the_film(tmp_path: Path, format: PixelFormat, value_range: str) -> None:
    model = identity_face(tmp_path, 256, value_range=value_range)
    faces = [face_at(60, 60, 40, turn=20), face_at(110, 60, 60, turn=-15), face_at(2, 118, 30)]
    stage, source = opened(model, spec_of(format), ScriptedFaces(faces))
    picture = np.broadcast_to(scene(2, 5, grain=0.01), spec_of(format).pixels_shape) * np.float32(0.9)
    if format is PixelFormat.RGB:
        picture = picture * np.array([1.0, 0.8, 0.6], np.float32)[:, None, None]
    (made,) = run(stage, source, [source.frame(picture, 0)])
    assert (made != picture).any()
    assert psnr(made, picture) >= 45


def test_the_face_alone_is_changed(tmp_path: Path) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(ONE))
    (made,) = run(stage, source, [source.frame(0.2, 0)])
    assert made[0, 60, 80] == pytest.approx(0.9, abs=1e-6)
    assert made[0, :4].max() == pytest.approx(0.2)
    assert made[0, :, 135:].max() == pytest.approx(0.2)


def test_a_coloured_face_in_a_grey_film_counts_by_its_luma(tmp_path: Path) -> None:
    stage, source = opened(Model.load(seeded_face(tmp_path)), spec_of(), ScriptedFaces(ONE))
    model = Model.load(seeded_face(tmp_path))
    (made,) = run(stage, source, [source.frame(0.7, 0)])
    session = OnnxRuntimeBackend().open(model, Profile({"face": (1, 3, 64, 64)}), 1)
    face, restored = np.full((1, 3, 64, 64), 0.4, np.float32), np.empty((1, 3, 64, 64), np.float32)
    session.enqueue({"face": face}, {"restored": restored})
    red, green, blue = (restored[0, :, 32, 32] + 1) / 2
    assert made[0, 60, 80] == pytest.approx(0.2126 * red + 0.7152 * green + 0.0722 * blue, abs=1e-3)
    assert abs(made[0, 60, 80] - 0.7) > 0.01


def test_strength_none_is_the_film_to_the_last_bit(tmp_path: Path) -> None:
    settings = FacesSettings(enabled=True, strength=0.0, smallest=20)
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(ONE), settings)
    picture = scene(1, 3)[None]
    (made,) = run(stage, source, [source.frame(picture, 0)])
    np.testing.assert_array_equal(made, picture)


def test_strength_mixes(tmp_path: Path) -> None:
    settings = FacesSettings(enabled=True, strength=0.25, smallest=20)
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(ONE), settings)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert made[0, 60, 80] == pytest.approx(0.6, abs=1e-6)


def test_a_frame_without_faces_goes_through_as_it_is(tmp_path: Path) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces([]))
    frame = source.frame(0.5, 0)
    (made,) = stage.push(frame)
    assert made is frame
    assert stage.pool.on_loan == 0
    made.release()
    stage.close()
    assert source.pool.on_loan == 0


@pytest.mark.parametrize(("side", "is_restored"), [(30, True), (18, False)])
def test_small_faces_are_left_alone(tmp_path: Path, side: float, is_restored: bool) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces([face_at(80, 60, side)]))
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert (made[0, 60, 80] > 0.8) == is_restored


def test_no_more_faces_than_asked_the_largest_first(tmp_path: Path) -> None:
    settings = FacesSettings(enabled=True, strength=1.0, smallest=20, most=1)
    faces = [face_at(40, 60, 30), face_at(120, 60, 40)]
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(faces), settings)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert made[0, 60, 40] == pytest.approx(0.5)
    assert made[0, 60, 120] == pytest.approx(0.9)


@pytest.mark.parametrize(("width", "height"), [(161, 119), (37, 25), (700, 48), (33, 701)])
def test_any_size_of_frame_is_taken(tmp_path: Path, width: int, height: int) -> None:
    spec = film_spec(width, height)
    backend = ScriptedFaces([face_at(15, 12, 21)])
    settings = FacesSettings(enabled=True, strength=1.0, smallest=10)
    stage, source = opened(painting_face(tmp_path, level=0.9), spec, backend, settings)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    assert made.shape == (1, height, width)
    assert made.max() > 0.8


def shaken(frame: int) -> list[Face]:
    noise = np.random.default_rng(frame).normal(0, 0.4, (5, 2))
    return [face_at(80 + 0.05 * frame, 60, 50, noise=noise)]


def test_a_restored_face_trembles_less_than_its_detection(tmp_path: Path) -> None:
    # the still film and the model's own texture: what changes from frame to frame is the alignment alone
    frames, model = 40, Model.load(seeded_face(tmp_path))
    picture = scene(4, 0)[None]
    stage, source = opened(model, spec_of(), ScriptedFaces(*[shaken(frame) for frame in range(frames)]))
    smooth = run(stage, source, [source.frame(picture, index) for index in range(frames)])
    stage, source = opened(model, spec_of(), ScriptedFaces(*[shaken(frame) for frame in range(frames)]))
    every = [source.frame(picture, index, flags=FrameFlags.SCENE_CUT) for index in range(frames)]  # never smoothed
    raw = run(stage, source, every)
    change = [np.abs(np.diff(np.array(pictures)[10:], axis=0)).mean() for pictures in (smooth, raw)]
    assert change[0] < change[1] / 3


def test_a_cut_forgets_the_faces_before_it(tmp_path: Path) -> None:
    backend = ScriptedFaces(ONE, ONE, [], [])
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), backend)
    pictures = run(stage, source, list(source.frames([0.5] * 4, cuts=(0, 2))))
    assert [round(float(picture[0, 60, 80]), 4) for picture in pictures] == [0.9, 0.9, 0.5, 0.5]


def test_a_face_missed_for_a_frame_is_still_restored(tmp_path: Path) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(ONE, [], ONE))
    pictures = run(stage, source, list(source.frames([0.5] * 3)))
    assert [round(float(picture[0, 60, 80]), 4) for picture in pictures] == [0.9] * 3


def test_a_picture_shown_again_is_not_looked_at_again(tmp_path: Path) -> None:
    backend = ScriptedFaces(ONE, [face_at(40, 60, 50)])
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), backend)
    frames = [
        source.frame(0.5, 0, flags=FrameFlags.SCENE_CUT),
        source.frame(0.5, 1, flags=FrameFlags.REPEATED),
    ]
    first, again = run(stage, source, frames)
    np.testing.assert_array_equal(first, again)
    assert backend.runs == 1


def test_a_frame_whose_detection_fails_passes_and_is_counted(tmp_path: Path) -> None:
    backend = ScriptedFaces(ONE, EngineError("the detector broke"), ONE)
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), backend)
    pictures = run(stage, source, list(source.frames([0.5] * 3)))
    assert [round(float(picture[0, 60, 80]), 4) for picture in pictures] == [0.9, 0.5, 0.9]
    assert dict(stage.failures.by_cause) == {"EngineError: the detector broke": 1}


def test_a_frame_whose_restoration_fails_passes_whole_and_is_counted(tmp_path: Path) -> None:
    faces = [face_at(40, 60, 40), face_at(120, 60, 40)]
    backend = ScriptedFaces(faces, other=FailingBackend([3]))  # the second face of the second frame
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), backend)
    pictures = run(stage, source, list(source.frames([0.5] * 3)))
    assert [round(float(picture.max()), 4) for picture in pictures] == [0.9, 0.5, 0.9]
    assert dict(stage.failures.by_cause) == {"EngineError: the library broke": 1}


def test_a_failing_device_ends_the_run_and_leaks_nothing(tmp_path: Path) -> None:
    backend = ScriptedFaces(ONE, other=FailingBackend([1], DeviceError("the device broke")))
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), backend)
    made = run_stage(stage, source.frames([0.5] * 3))
    next(made).release()
    with pytest.raises(DeviceError):
        next(made)
    stage.close()
    assert (stage.pool.on_loan, source.pool.on_loan) == (0, 0)


def test_time_and_flags_stay_as_they_were(tmp_path: Path) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces(ONE))
    frame = source.frame(0.5, 7, shot=2, flags=FrameFlags.CORRUPT, hold_until=Fraction(1), repeats=(8,))
    (made,) = run_stage(stage, [frame])
    assert (made.index, made.time, made.shot, made.flags) == (7, Fraction(7, 24), 2, FrameFlags.CORRUPT)
    assert (made.hold_until, made.repeats) == (1, (8,))
    made.release()
    stage.close()


def test_measuring_leaves_no_trace(tmp_path: Path) -> None:
    stage, source = opened(painting_face(tmp_path, level=0.9), spec_of(), ScriptedFaces([]))
    assert (stage.measure(1) or 0) > 0
    stage.use_threads(1)
    (made,) = run(stage, source, [source.frame(0.5, 0)])
    np.testing.assert_array_equal(made, np.float32(0.5))


def test_the_null_backend_finds_no_faces(tmp_path: Path) -> None:
    for detector in (scripted_detector(), open_yunet(tmp_path)):
        stage, source = opened(identity_face(tmp_path), spec_of(), NullBackend(), detector=detector)
        (made,) = run(stage, source, [source.frame(0.5, 0)])
        np.testing.assert_array_equal(made, np.float32(0.5))


def test_a_model_that_takes_no_square_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="a face model takes `face`"):
        HostFaceRestorer(scripted_detector(), OnnxRuntimeBackend(), spec_of())


def test_faces_come_after_enhance_and_before_interpolate(tmp_path: Path) -> None:
    model = identity_face(tmp_path)
    settings = Settings(faces=FacesSettings(enabled=True, model=str(model.path), detector=str(YUNET)))
    chain = build_chain(settings, colorize=False)
    assert [stage.name for stage in chain.stages] == ["inspect", "enhance", "faces", "interpolate"]
    assert [model.card.role for model in chain.models] == ["enhance", "face", "detect"]
    assert [stage.name for stage in build_chain(Settings(), colorize=False).stages][1:] == ["enhance", "interpolate"]


def test_models_that_are_not_there_are_told_how_to_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="'gpen-512': not built in.*farshore models fetch"):
        build_chain(Settings(faces=FacesSettings(enabled=True)), colorize=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": 1.5}, "faces strength: got 1.5; wanted a number from 0 to 1"),
        ({"confidence": -0.1}, "faces confidence: got -0.1"),
        ({"smallest": 0}, "faces smallest: got 0; wanted 1 or more"),
        ({"most": 0}, "faces most: got 0"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FacesSettings(**values)


def solvay_film(path: Path) -> Path:
    """Write five frames of a group photograph, moving under the camera."""
    photo = GoldenNetwork("yunet-faces").inputs("solvay_crop")["image"]
    pictures = [np.repeat(photo[:, 10 * frame : 10 * frame + 400, None], 3, axis=2) for frame in range(5)]
    return write_film(path, pictures, options={"preset": "ultrafast", "crf": "4"})


def test_real_faces_pass_through_the_real_chain(tmp_path: Path) -> None:
    film = solvay_film(tmp_path / "film.mp4")

    model = str(seeded_face(tmp_path))

    def restore(name: str, strength: float) -> tuple[JobPlan, JobReport]:
        faces = FacesSettings(enabled=True, model=model, detector=str(YUNET), smallest=20, strength=strength)
        settings = Settings(
            enhance=EnhanceSettings(enabled=False),
            faces=faces,
            colorize=ColorizeSettings(mode="never"),
            output=OutputSettings(codec="ffv1"),
            runtime=RuntimeSettings(threads=1),
        )
        job = Job(film, tmp_path / name, settings)
        return job.open(), job.run()

    plan, report = restore("with.mkv", 0.8)
    assert plan.stages == ("inspect", "faces", "interpolate")
    assert report.run.frames_out == 5
    assert not report.run.failures
    restore("without.mkv", 0.0)
    made, film_itself = (frame_hashes(tmp_path / name) for name in ("with.mkv", "without.mkv"))
    assert [one != other for one, other in zip(made, film_itself, strict=True)] == [True] * 5
    terms = "model seeded: for study; commercial use: no"
    assert terms in plan.notices
    assert terms in report.notices
