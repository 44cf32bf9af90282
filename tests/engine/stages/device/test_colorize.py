"""The colorize stage on a device gives the colours that it gives on the processor."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import DeviceError, EngineError
from engine.frame import Frame
from engine.model import Model, find_model
from engine.settings import ColorizeSettings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.download import Download
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.place import HOST, DevicePlace
from engine.stages.upload import Upload
from engine.types import FrameSpec, PixelFormat
from tests.support.chain import film_spec
from tests.support.device_chain import Keeper, Pictures, moving, run_on_device, run_pipeline, virtual_queues
from tests.support.doubling import Doubling
from tests.support.onnx_files import save_model
from tests.support.published_like import exemplar_colorizer, metadata, node, reference_encoder
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import PICTURE, FailingBackend, constant, counting_colorizer

ROUNDING = 2e-5
BY_TABLE = 5e-4
"""The processor takes L* from a table, which is right to 2e-4."""


def tinting_colorizer(folder: Path) -> Model:
    """Return a colorizer without memory: a* follows luma, b* the picture's mean, which differs from frame to frame."""
    nodes = [
        node("Sub", ["luma", "half"], ["a"]),
        node("ReduceMean", ["luma"], ["mean"], keepdims=1),
        node("Mul", ["mean", "wild"], ["phase"]),
        node("Sin", ["phase"], ["wave"]),
        node("Mul", ["wave", "half"], ["off"]),
        node("Mul", ["luma", "zero"], ["none"]),
        node("Add", ["none", "off"], ["b"]),
        node("Concat", ["a", "b"], ["ab"], axis=1),
    ]
    path = save_model(
        folder / "tinting.onnx",
        nodes,
        {"luma": (1, 1, *PICTURE)},
        {"ab": (1, 2, *PICTURE)},
        metadata(role="colorize", color_space="lab", size_multiple=8, working_size="40,56"),
        initializers=[constant("half", 0.5), constant("zero", 0.0), constant("wild", 400.0)],
    )
    return Model.load(path)


def both(
    model: Model,
    spec: FrameSpec,
    pictures: list[np.ndarray],
    settings: ColorizeSettings,
    *,
    reference_model: Model | None = None,
    doubles: bool = False,
    seed: int = 0,
    **marks: Sequence[int],
) -> tuple[Keeper, Keeper, SimulatedDevice]:
    """Colour a film on the processor and on a device."""
    device = SimulatedDevice(seed=seed)
    host: list[Stage] = [Colorize(model, OnnxRuntimeBackend(), settings, reference_model=reference_model)]
    there: list[Stage] = [
        Colorize(model, SimulatedBackend(device), settings, reference_model=reference_model, place=DevicePlace(device))
    ]
    if doubles:
        host.insert(0, Doubling(3.0))
        there.insert(0, Doubling(3.0, place=DevicePlace(device)))
    on_host = run_pipeline(Pictures(spec, pictures, **marks), host)
    on_device = run_on_device(device, Pictures(spec, pictures, **marks), there)
    assert [stage.failures.total for stage in (*host, *there)] == [0] * (len(host) + len(there))
    assert [(shown.index, shown.time, shown.flags) for shown in on_device.shown] == [
        (shown.index, shown.time, shown.flags) for shown in on_host.shown
    ]
    return on_host, on_device, device


def chroma_of(keeper: Keeper) -> list[np.ndarray]:
    assert all(shown.chroma is not None for shown in keeper.shown)
    return [shown.chroma for shown in keeper.shown if shown.chroma is not None]


def apart(first: Keeper, second: Keeper) -> float:
    """Return the largest difference of chroma; luma must be the same to rounding."""
    for one, other in zip(first.shown, second.shown, strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-6)
    pairs = zip(chroma_of(first), chroma_of(second), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


@pytest.fixture
def reference(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a grey picture (1, H, W), tinted, as a reference."""

    def write(name: str, picture: np.ndarray, *, blue: float = 0.7, red: float = 1.0) -> Path:
        weights = np.array([blue, 1.0, red], np.float32)
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), (picture[0][..., None] * weights * 255).clip(0, 255).round().astype(np.uint8))
        return path

    return write


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("size", [(37, 23), (123, 77)], ids=["smaller", "larger"])
@pytest.mark.parametrize("saturation", [1.0, 0.4])
def test_states_cuts_and_repeats(tmp_path: Path, film: PixelFormat, size: tuple[int, int], saturation: float):
    spec = replace(film_spec(*size), format=film)
    settings = ColorizeSettings(saturation=saturation)
    model = counting_colorizer(tmp_path, references=False)
    on_host, on_device, _ = both(model, spec, moving(spec, 12), settings, cuts=[0, 5], repeated=[3, 8])
    assert apart(on_host, on_device) < ROUNDING
    assert on_device.spec.format is PixelFormat.LAB
    b = [float(chroma[1].mean()) for chroma in chroma_of(on_device)]
    assert b[3] == b[2]
    assert b[5] == pytest.approx(b[0])


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("size", [(57, 41), (123, 77)])
def test_colour_follows_lumas_edges(tmp_path: Path, film: PixelFormat, size: tuple[int, int]):
    spec = replace(film_spec(*size), format=film)
    settings = ColorizeSettings(steadiness=0.0)
    on_host, on_device, _ = both(tinting_colorizer(tmp_path), spec, moving(spec, 6), settings)
    assert apart(on_host, on_device) < BY_TABLE
    assert np.std(chroma_of(on_device)[0][0]) > 0.02


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("seed", range(3))
def test_between_two_frames_colour_is_carried_whatever_the_order_of_streams(
    tmp_path: Path, film: PixelFormat, seed: int
):
    spec = replace(film_spec(57, 41), format=film)
    settings = ColorizeSettings(steadiness=0.0)
    on_host, on_device, _ = both(
        tinting_colorizer(tmp_path), spec, moving(spec, 12), settings, doubles=True, seed=seed, cuts=[0, 4]
    )
    assert len(on_device.shown) == 12 + 10
    assert apart(on_host, on_device) < BY_TABLE


def test_steadiness_carries_colour_along_its_own_motion(tmp_path: Path):
    spec = film_spec(112, 80)
    light = (1.0, 0.97, 1.02, 0.98, 1.0, 0.985, 1.01)  # the film flickers, and the network's colours with it
    pictures = [picture * gain for picture, gain in zip(moving(spec, 7, grain=0.01), light, strict=True)]
    model = tinting_colorizer(tmp_path)
    wild, _, _ = both(model, spec, pictures, ColorizeSettings(steadiness=0.0), cuts=[0, 4])
    on_host, on_device, _ = both(model, spec, pictures, ColorizeSettings(steadiness=0.8), cuts=[0, 4])
    for number in (1, 2, 3, 5, 6):
        own, wanted, made = (chroma_of(keeper)[number] for keeper in (wild, on_host, on_device))
        assert np.abs(made - wanted).mean() < 0.1 * np.abs(wanted - own).mean()
    for number in (0, 4):
        assert np.abs(chroma_of(on_host)[number] - chroma_of(on_device)[number]).max() < BY_TABLE


def test_numbered_references_lead_where_they_show_the_film(tmp_path: Path, reference: Callable[..., Path]):
    spec = film_spec(96, 64)
    pictures = moving(spec, 8, speed=0.0, grain=0.0)
    references = (reference("f0000", pictures[0]), reference("f0005", pictures[5], blue=1.0, red=0.6))
    settings = ColorizeSettings(references=references, working_size=56)
    model = counting_colorizer(tmp_path)
    on_host, on_device, _ = both(model, spec, pictures, settings)
    assert apart(on_host, on_device) < 1e-3
    colours = [chroma.mean((1, 2)) for chroma in chroma_of(on_device)]
    assert np.abs(colours[4] - colours[0]).max() < 2e-3  # the network alone adds more to b* with every frame
    assert np.abs(colours[5] - colours[4]).max() > 0.05


def test_the_nearest_references_are_laid_out_for_each_frame(tmp_path: Path, reference: Callable[..., Path]):
    spec = film_spec(64, 48)
    pictures = moving(spec, 8)
    tints = {"f0000": 0.5, "f0003": 0.7, "f0007": 1.2, "any": 0.9}
    references = tuple(reference(name, pictures[0], red=red) for name, red in tints.items())
    settings = ColorizeSettings(references=references, steadiness=0.0)
    on_host, on_device, _ = both(counting_colorizer(tmp_path), spec, pictures, settings)
    assert apart(on_host, on_device) < ROUNDING
    a = [round(float(chroma[0].mean()), 3) for chroma in chroma_of(on_device)]
    assert len(set(a)) == 2
    assert a == sorted(a)


def test_of_several_references_the_shots_first_picture_chooses(tmp_path: Path, reference: Callable[..., Path]):
    spec = film_spec(96, 64)
    shots = [moving(replace(spec, height=64 + 2 * number), 4, speed=0.5)[:4] for number in range(2)]
    pictures = [*shots[0], *(1 - picture[:, ::-1][:, :64] for picture in shots[1])]
    references = (
        reference("forest", pictures[5], blue=1.0, red=0.5),
        reference("street", pictures[1], blue=0.5, red=1.0),
    )
    settings = ColorizeSettings(references=references, steadiness=0.0)
    on_host, on_device, _ = both(
        exemplar_colorizer(tmp_path),
        spec,
        pictures,
        settings,
        reference_model=reference_encoder(tmp_path),
        cuts=[0, 4],
    )
    assert apart(on_host, on_device) < 1e-3
    warmth = [float(chroma[1].mean()) for chroma in chroma_of(on_device)]
    assert warmth[0] > NEUTRAL_AB > warmth[4]


@pytest.mark.parametrize("leads", [False, True])
def test_the_built_in_colorizer_gives_nearly_the_same_colours(leads: bool, reference: Callable[..., Path]):
    spec = film_spec(width=128, height=96)
    pictures = moving(spec, 4)
    references = (reference("first", pictures[0]),) if leads else ()
    settings = ColorizeSettings(references=references, working_size=96)
    on_host, on_device, _ = both(find_model("film-colorize", "colorize"), spec, pictures, settings)
    for one, other in zip(chroma_of(on_host), chroma_of(on_device), strict=True):
        assert np.abs(one - other).mean() * 255 < 0.2
    assert np.abs(chroma_of(on_host)[0] - NEUTRAL_AB).mean() * 255 > 1


class Watch(Pictures):
    """A reader that notes how often a device was waited for at first, and what it had allocated before each picture."""

    device: SimulatedDevice

    def frames(self) -> Iterator[Frame]:
        self.waits_before = self.device.host_waits
        self.allocated: list[tuple[int, int]] = []
        for frame in super().frames():
            self.allocated.append((self.device.allocations, self.device.page_locked))
            yield frame


@pytest.mark.parametrize(("count", "waits_per_shot"), [(0, 0), (1, 0), (2, 1)])
def test_the_host_waits_only_for_frames_that_leave_and_where_a_shot_chooses(
    tmp_path: Path, reference: Callable[..., Path], count: int, waits_per_shot: int
):
    spec, frames = film_spec(57, 41), 24
    pictures = moving(spec, frames)
    references = tuple(reference(name, pictures[0]) for name in ("one", "two")[:count])
    for shots in (1, 3):
        device = SimulatedDevice()
        stage = Colorize(
            counting_colorizer(tmp_path),
            SimulatedBackend(device),
            ColorizeSettings(references=references, working_size=40),
            place=DevicePlace(device),
        )
        reader = Watch(spec, pictures, range(0, frames, frames // shots))
        reader.device = device
        keeper = run_on_device(device, reader, [stage])
        assert len(keeper.shown) == frames
        streams_at_the_end = 3
        waits = device.host_waits - reader.waits_before - keeper.upload_waits
        assert waits == frames + streams_at_the_end + shots * waits_per_shot
        assert reader.allocated[-1] == reader.allocated[frames // 2]


def test_a_model_is_not_timed_on_a_device(tmp_path: Path):
    device = SimulatedDevice()
    stage = Colorize(
        counting_colorizer(tmp_path), SimulatedBackend(device), ColorizeSettings(), place=DevicePlace(device)
    )
    stage.open(film_spec())
    assert stage.measure(1) is None
    stage.close()


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_a_frame_that_fails_stays_grey(tmp_path: Path, film: PixelFormat):
    spec = replace(film_spec(36, 24), format=film)
    device = SimulatedDevice()
    backend = FailingBackend([1], inner=SimulatedBackend(device))
    stage = Colorize(counting_colorizer(tmp_path), backend, ColorizeSettings(), place=DevicePlace(device))
    chroma = chroma_of(run_on_device(device, Pictures(spec, moving(spec, 4)), [stage]))
    assert stage.failures.total == 1
    assert [bool(np.allclose(planes, NEUTRAL_AB)) for planes in chroma] == [False, True, False, False]


def test_a_failure_of_the_device_ends_the_run_and_returns_every_buffer(tmp_path: Path):
    spec, device = film_spec(36, 24), SimulatedDevice()
    backend = FailingBackend([3], DeviceError("the device broke"), inner=SimulatedBackend(device))
    stage = Colorize(counting_colorizer(tmp_path), backend, ColorizeSettings(), place=DevicePlace(device))
    reader, upload = Pictures(spec, moving(spec, 12)), Upload(device)
    with pytest.raises(DeviceError, match="the device broke"), virtual_queues(device):
        run_pipeline(reader, [upload, stage, Download(device)])
    assert [pool.on_loan for pool in (reader.pool, upload.pool, stage.pool, stage.luma_pool)] == [0, 0, 0, 0]


@pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
@pytest.mark.parametrize("method", ["finish", "steady"])
def test_frames_whose_colour_cannot_be_written_stay_grey_and_lose_no_buffer(
    tmp_path: Path, on_device: bool, method: str
):
    """The run goes on, so that a buffer lost with each frame would end it in the end."""

    class Refusing(Colorize):
        def open(self, incoming: FrameSpec) -> FrameSpec:
            def refuse(*_: object) -> None:
                raise EngineError("does not take it")

            opened = super().open(incoming)
            setattr(self._tensors, method, refuse)
            return opened

    spec, device = film_spec(36, 24), SimulatedDevice()
    backend = SimulatedBackend(device) if on_device else OnnxRuntimeBackend()
    place = DevicePlace(device) if on_device else HOST
    stage = Refusing(counting_colorizer(tmp_path), backend, ColorizeSettings(), place=place)
    reader = Pictures(spec, moving(spec, 30))
    keeper = run_on_device(device, reader, [stage]) if on_device else run_pipeline(reader, [stage])
    assert stage.failures.total == 30
    assert all(np.allclose(planes, NEUTRAL_AB) for planes in chroma_of(keeper))


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("method", ["neutral", "film_luma"])
def test_a_frame_that_cannot_even_stay_grey_ends_the_run_without_a_leak(tmp_path: Path, film: PixelFormat, method: str):
    class Refusing(Colorize):
        def open(self, incoming: FrameSpec) -> FrameSpec:
            def refuse(*_: object) -> None:
                raise DeviceError("does not take it")

            opened = super().open(incoming)
            setattr(self._tensors, method, refuse)
            return opened

    spec, device = replace(film_spec(36, 24), format=film), SimulatedDevice()
    backend = FailingBackend([1], inner=SimulatedBackend(device))
    stage = Refusing(counting_colorizer(tmp_path), backend, ColorizeSettings(), place=DevicePlace(device))
    reader, upload = Pictures(spec, moving(spec, 6)), Upload(device)
    if method == "film_luma" and film is PixelFormat.GRAY:
        pytest.skip("a grey film's luma is passed on as it is")
    with pytest.raises(DeviceError, match="does not take it"):
        run_pipeline(reader, [upload, stage, Download(device)])
    assert [pool.on_loan for pool in (reader.pool, upload.pool, stage.pool, stage.luma_pool)] == [0, 0, 0, 0]
