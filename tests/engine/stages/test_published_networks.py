"""Published networks, with golden weights, in the stages and the pipeline: their tensors arrive where they should."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="published networks need the export extra")

import cv2  # noqa: E402
import onnx  # noqa: E402

from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.device.base import Device, Stream
from engine.frame import Frame  # noqa: E402
from engine.model import Model, find_model  # noqa: E402
from engine.pipeline import Pipeline  # noqa: E402
from engine.settings import ColorizeSettings, InterpolateSettings  # noqa: E402
from engine.stages.base import Stage  # noqa: E402
from engine.stages.colorize import Colorize  # noqa: E402
from engine.stages.interpolate import Interpolate  # noqa: E402
from engine.stages.lightness import lightness  # noqa: E402
from engine.stages.motion_check import Verdict  # noqa: E402
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes  # noqa: E402
from export.checkpoints.weights import Terms  # noqa: E402
from export.onnx.recipes import recipe  # noqa: E402
from export.onnx.write import Runner, export_graph, model_metadata  # noqa: E402
from tests.golden.cases import GoldenNetwork  # noqa: E402
from tests.golden.networks import golden_network, tensor  # noqa: E402
from tests.support.chain import Source, film_spec  # noqa: E402
from tests.support.tiny_models import counting_colorizer  # noqa: E402

GOLDEN = {"exemplar": "devc-frame"}
"""Network → the folder of its golden weights, where the names differ."""
TERMS = Terms(licence="MIT", commercial_use="yes", source="golden weights")
ONNX = OnnxRuntimeBackend()


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published") / "models"


def published(name: str, folder: Path) -> Model:
    """Return a published network with golden weights as a model, exported once for all tests."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        made = recipe(name)
        network = golden_network(made.network, GoldenNetwork(GOLDEN.get(made.network, made.network)))
        graph = export_graph(made, network)
        onnx.helper.set_model_props(graph, model_metadata(made, TERMS, "fp32"))
        onnx.save(graph, path)
    return Model.load(path)


@dataclass
class Shown:
    """What was written of a frame."""

    time: Fraction
    pixels: Planes
    chroma: Planes | None
    flags: FrameFlags
    flow: Planes | None
    mask: Planes | None


@dataclass
class Film:
    """A reader of pictures that are there already."""

    spec: FrameSpec
    pictures: Sequence[Planes]
    cuts: tuple[int, ...] = (0,)
    closed: bool = False

    def frames(self) -> Iterator[Frame]:
        self.source = Source(self.spec)
        return self.source.frames(self.pictures, self.cuts)

    def close(self) -> None:
        self.closed = True


@dataclass
class Screen:
    """A writer that remembers."""

    shown: list[Shown] = field(default_factory=list)
    device: Device | None = None
    stream: Stream | None = None

    def open(self, spec: FrameSpec) -> None:
        self.spec = spec

    def write(self, frame: Frame) -> None:
        motion = frame.motion
        flow, mask = (None, None) if motion is None else (motion.flow.copy(), motion.mask.copy())
        chroma = None if frame.chroma is None else frame.chroma.copy()
        self.shown.append(Shown(frame.time, frame.pixels.copy(), chroma, frame.flags, flow, mask))
        frame.release()

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def play(film: Film, *stages: Stage) -> list[Shown]:
    """Run a film through the pipeline; every buffer must come back, and no frame may fail."""
    screen = Screen()
    pipeline = Pipeline(film, stages, screen, cores=1)
    pipeline.open()
    report = pipeline.run(interval=0.01)
    assert not report.failures
    assert film.source.pool.on_loan == 0
    return screen.shown


def pan(
    count: int, width: int, height: int, *, speed: int = 8, channels: int = 1, contrast: float = 0.15
) -> list[Planes]:
    """Return pictures of a pattern that moves to the right, each channel a pattern of its own.

    Fast as it is unless told otherwise, random motion explains it as well as none, and is believed.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return [
        np.stack(
            [0.5 + contrast * np.sin((x - speed * i) / (6 + c)) + 0.1 * np.cos(y / (7 - c)) for c in range(channels)]
        )
        for i in range(count)
    ]


def padded(picture: Planes, multiple: int) -> Planes:
    """Return a picture as (1, 3, H, W), reflected at right and bottom."""
    rows, columns = (-size % multiple for size in picture.shape[1:])
    rgb = np.broadcast_to(picture, (3, *picture.shape[1:]))
    return np.pad(rgb, ((0, 0), (0, rows), (0, columns)), mode="reflect")[None]


def middle_of(run: Runner, first: Planes, second: Planes, timestep: float | None = None) -> tuple[Planes, ...]:
    """Return flow, mask and frame as the network gives them."""
    inputs = {"first": tensor(first), "second": tensor(second)}
    if timestep is not None:
        inputs["timestep"] = tensor(np.array([timestep], np.float32))
    return tuple(run(inputs))


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_rife_makes_frames_of_odd_sizes_and_hands_its_motion_on(
    models_folder: Path, tmp_path: Path, format: PixelFormat
) -> None:
    model = published("rife-v4.6", models_folder)
    spec = film_spec(75, 53, format=format)
    pictures = pan(3, 75, 53, channels=spec.pixels_shape[0])
    interpolate = Interpolate(model, ONNX, InterpolateSettings.parse("72"))
    shown = play(Film(spec, pictures), interpolate)
    assert [one.time for one in shown] == [Fraction(number, 72) for number in range(9)]
    assert interpolate.verdicts == {Verdict.FOLLOW: 4}
    run = Runner(onnx.load(model.path))
    for number, timestep in ((1, 1 / 3), (2, 2 / 3), (4, 1 / 3)):
        first, second = (padded(picture, 32) for picture in pictures[number // 3 : number // 3 + 2])
        flow, mask, frame = middle_of(run, first, second, timestep)
        wanted = frame[0, :, :53, :75].clip(0, 1)
        if format is PixelFormat.GRAY:
            wanted = np.tensordot(np.array([0.2126, 0.7152, 0.0722], np.float32), wanted, 1)[None]
        np.testing.assert_allclose(shown[number].pixels, wanted, atol=2e-4)
        np.testing.assert_allclose(shown[number].flow, flow[0], atol=2e-3)
        np.testing.assert_allclose(shown[number].mask, mask[0], atol=1e-3)
    colorize = Colorize(counting_colorizer(tmp_path), ONNX, ColorizeSettings())
    coloured = play(Film(spec, pictures), interpolate, colorize)
    b = [one.chroma[1] * 255 - 128 for one in coloured if one.chroma is not None]
    half = cv2.resize(np.ascontiguousarray(shown[1].mask[0]), (48, 32), interpolation=cv2.INTER_LINEAR)[:27, :38]
    np.testing.assert_allclose(b[1], 11.0 - 5.5 * half, atol=0.02)  # 5.5 in the frame before, 11 in the one after


def test_rife_at_half_scale_gives_motion_in_full_size_pixels(models_folder: Path) -> None:
    model = published("rife-v4.6", models_folder)
    spec = film_spec(75, 53)
    pictures = pan(2, 75, 53)
    stage = Interpolate(model, ONNX, InterpolateSettings(factor=Fraction(2), scale=0.5))
    shown = play(Film(spec, pictures), stage)
    first, second = (
        np.broadcast_to(cv2.resize(padded(picture, 64)[0, 0], (64, 32), interpolation=cv2.INTER_AREA), (1, 3, 32, 64))
        for picture in pictures
    )
    flow, mask, _ = middle_of(Runner(onnx.load(model.path)), first, second, 0.5)
    np.testing.assert_allclose(shown[1].flow, 2 * flow[0], atol=2e-3)
    np.testing.assert_allclose(shown[1].mask, mask[0], atol=1e-3)


@pytest.mark.slow
def test_rife_of_the_middle_serves_quarters_by_halving(models_folder: Path) -> None:
    model = published("rife-v3", models_folder)
    assert model.card.moments == "middle"
    spec = film_spec(75, 53, format=PixelFormat.RGB)
    pictures = pan(2, 75, 53, speed=22, channels=3, contrast=0.08)
    stage = Interpolate(model, ONNX, InterpolateSettings.parse("4x"))
    shown = play(Film(spec, pictures), stage)
    assert stage.verdicts == {Verdict.FOLLOW: 3}
    run = Runner(onnx.load(model.path))
    first, second = (padded(picture, 32) for picture in pictures)
    flow, _, middle = middle_of(run, first, second)
    quarter, three_quarters = middle_of(run, first, middle)[2], middle_of(run, middle, second)[2]
    for one, wanted in zip(shown[1:4], (quarter, middle, three_quarters), strict=True):
        np.testing.assert_allclose(one.pixels, wanted[0, :, :53, :75], atol=5e-4)
    np.testing.assert_allclose(shown[2].flow, flow[0], atol=5e-3)


@pytest.mark.slow
def test_deoldify_colours_at_its_render_factor_and_keeps_the_films_luma(models_folder: Path) -> None:
    model = published("deoldify-artistic", models_folder)
    spec = film_spec(75, 53)
    pictures = pan(3, 75, 53, speed=2)
    shown = play(Film(spec, pictures), Colorize(model, ONNX, ColorizeSettings(working_size=64, steadiness=0.0)))
    run = Runner(onnx.load(model.path))
    for one, picture in zip(shown, pictures, strict=True):
        np.testing.assert_array_equal(one.pixels, picture)
        small = cv2.resize(picture[0], (64, 64), interpolation=cv2.INTER_AREA)
        ab = run({"luma": tensor(lightness(small)[None, None])})[0][0] * 110
        assert one.chroma is not None
        for plane, wanted in zip(one.chroma * 255 - 128, ab, strict=True):
            assert float(plane.mean()) == pytest.approx(float(wanted.mean()), abs=2.0)
    calm = play(Film(spec, pictures), Colorize(model, ONNX, ColorizeSettings(working_size=64, steadiness=1.0)))
    np.testing.assert_array_equal(calm[0].chroma, shown[0].chroma)
    assert calm[2].chroma is not None
    assert np.abs(calm[2].chroma - np.asarray(shown[2].chroma)).max() > 1e-4


@pytest.mark.slow
def test_deep_exemplar_colorization_follows_one_reference_a_shot(
    models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("exemplar-reference", models_folder)
    model = published("exemplar", models_folder)
    monkeypatch.setenv("FARSHORE_HOME", str(models_folder.parent))
    encoder = find_model(model.card.reference_model or "", "reference")
    spec = film_spec(75, 53)
    stripes, waves = pan(3, 75, 53, speed=2), [picture.transpose(0, 2, 1) for picture in pan(3, 53, 75, speed=2)]
    references = []
    for name, picture, tint in (("a.png", stripes[0], (0.5, 0.8, 1.0)), ("b.png", waves[0], (1.0, 0.8, 0.5))):
        references.append(tmp_path / name)
        cv2.imwrite(str(references[-1]), np.rint(picture[0][..., None] * np.array(tint) * 255).astype(np.uint8))
    settings = ColorizeSettings(references=tuple(references), working_size=64)
    both = play(Film(spec, [*waves, *stripes], (0, 3)), Colorize(model, ONNX, settings, reference_model=encoder))
    for reference, pictures, shot in ((references[1], waves, both[:3]), (references[0], stripes, both[3:])):
        alone = ColorizeSettings(references=(reference,), working_size=64)
        wanted = play(Film(spec, pictures), Colorize(model, ONNX, alone, reference_model=encoder))
        for one, other in zip(shot, wanted, strict=True):
            np.testing.assert_array_equal(one.chroma, other.chroma)
        assert np.ptp(np.asarray(shot[0].chroma)) > 0.005
