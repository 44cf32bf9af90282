"""Which stages a chain has, and where they work."""

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import engine.chain as chain_module
from engine.chain import Chain, build_chain, open_backend
from engine.errors import ConfigError, NoDeviceError
from engine.frame import Frame
from engine.media.reader import FilmReader
from engine.model import Model, find_model
from engine.pipeline import Pipeline
from engine.pool import BufferPool
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    FacesSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from engine.stages.upload import Upload
from engine.types import PixelFormat
from tests.support.chain import film_spec
from tests.support.device_chain import Keeper, Pictures, moving, run_pipeline, virtual_queues
from tests.support.device_films import SimulatedBorder
from tests.support.faces import YUNET, ScriptedFaces, face_at, painting_face, scripted_detector
from tests.support.films import write_film
from tests.support.quick_inspect import QuickDevice
from tests.support.reading import scene
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice
from tests.support.tiny_models import counting_colorizer, mean_enhancer, pan_interpolator


def names(settings: Settings, *, colorize: bool = False, device: SimulatedDevice | None = None) -> list[str]:
    backend = SimulatedBackend(device or SimulatedDevice())
    return [stage.name for stage in build_chain(settings, colorize=colorize, backend=backend).stages]


def test_a_chain_on_a_device_copies_up_once_and_down_once():
    settings = Settings(interpolate=InterpolateSettings(factor=Fraction(2)))
    assert names(settings, colorize=True) == [
        "inspect",
        "upload",
        "enhance",
        "interpolate",
        "colorize",
        "download",
    ]


def test_what_works_on_the_host_stands_behind_a_download():
    settings = Settings(output=OutputSettings(compare="wipe"))
    assert names(settings)[-2:] == ["download", "compare"]


@pytest.mark.parametrize(("form", "ending"), [("cpu", "-int8"), ("tensorrt", "-int8-tensorrt")])
def test_8_bit_models_are_those_that_the_backend_computes_on_integers(form, ending):
    settings = Settings(runtime=RuntimeSettings(precision="int8"), interpolate=InterpolateSettings(factor=Fraction(2)))
    backend = SimulatedBackend(SimulatedDevice())
    backend.int8_form = form
    models = build_chain(settings, colorize=True, backend=backend).models
    assert [model.path.stem for model in models] == [
        f"{name}{ending}" for name in ("film-restore", "film-interpolate", "film-colorize")
    ]


def test_where_8_bit_models_are_computed_in_float32_they_are_refused():
    settings, backend = Settings(runtime=RuntimeSettings(precision="int8")), SimulatedBackend(SimulatedDevice())
    backend.int8_form = None
    with pytest.raises(ConfigError, match="backend simulated.*wanted fp32 or fp16, or --backend tensorrt"):
        build_chain(settings, colorize=True, backend=backend)


@pytest.mark.parametrize("backend", ["tensorrt", "cuda"])
def test_a_gpu_that_is_not_there_is_an_error_and_nothing_takes_its_place(backend):
    pytest.importorskip("cuda.core", reason="cuda-core comes with the extra gpu or rtx")
    with pytest.raises(NoDeviceError, match=r"nvidia-smi|not there"):
        open_backend(RuntimeSettings(backend=backend, device="99"))


@pytest.mark.parametrize("streams", ["stage", "one"])
def test_the_chain_on_a_device_makes_nearly_the_pictures_of_the_processors(streams):
    spec = film_spec(width=128, height=96)
    pictures = moving(spec, 8)
    settings = Settings(
        enhance=EnhanceSettings(strength=1.0),
        interpolate=InterpolateSettings(factor=Fraction(2)),
        runtime=RuntimeSettings(streams=streams),
    )
    on_host = run_pipeline(Pictures(spec, pictures), build_chain(settings, colorize=True).stages)
    device = SimulatedDevice()
    with virtual_queues(device):
        chain = build_chain(settings, colorize=True, backend=SimulatedBackend(device))
        on_device = run_pipeline(Pictures(spec, pictures), chain.stages)
    assert [shown.time for shown in on_device.shown] == [shown.time for shown in on_host.shown]
    for first, second in zip(on_host.shown, on_device.shown, strict=True):
        assert float(np.mean((first.pixels - second.pixels) ** 2)) < 1e-5
        assert first.chroma is not None
        assert second.chroma is not None
        assert float(np.mean((first.chroma - second.chroma) ** 2)) < 1e-5
    (upload,) = (stage for stage in chain.stages if isinstance(stage, Upload))
    waits_in_open_and_at_the_end = 12
    assert device.host_waits <= len(on_device.shown) + upload.waits + waits_in_open_and_at_the_end


class SlowKeeper(Keeper):
    """A writer that lets every queue before it fill, again and again."""

    def write(self, frame: Frame) -> None:
        time.sleep(0.3 if len(self.shown) % 25 == 5 else 0.002)
        super().write(frame)


def pools_of(chain: Chain) -> dict[str, BufferPool]:
    return {
        f"{stage.name} {name}": pool
        for stage in chain.stages
        for name, pool in vars(stage).items()
        if isinstance(pool, BufferPool)
    }


@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("queue_frames", [1, 4, 9])
def test_with_a_slow_writer_no_pool_grows(tmp_path: Path, film: PixelFormat, queue_frames: int):
    spec, device = replace(film_spec(40, 24), format=film), SimulatedDevice()
    models = [mean_enhancer(tmp_path, past=1, future=1), pan_interpolator(tmp_path, motion=(1.5, 0.0))]
    paths = [str(model.path) for model in (*models, counting_colorizer(tmp_path))]
    settings = Settings(
        enhance=EnhanceSettings(model=paths[0]),
        interpolate=InterpolateSettings(factor=Fraction(2), model=paths[1]),
        colorize=ColorizeSettings(model=paths[2]),
        runtime=RuntimeSettings(queue_frames=queue_frames),
    )
    chain = build_chain(settings, colorize=True, backend=SimulatedBackend(device))
    keeper = SlowKeeper()
    pipeline = Pipeline(Pictures(spec, moving(spec, 40)), chain.stages, keeper, cores=1, queue_frames=queue_frames)
    pipeline.open()
    pools = pools_of(chain)
    before = {name: pool.allocated for name, pool in pools.items()}
    assert len(before) >= 7
    pipeline.run(interval=0.01)
    assert len(keeper.shown) == 80
    assert {name: pool.allocated for name, pool in pools.items()} == before


@pytest.fixture
def faces(tmp_path: Path) -> FacesSettings:
    return FacesSettings(enabled=True, model=str(painting_face(tmp_path, level=0.9).path), detector=str(YUNET))


def test_faces_are_restored_where_the_others_work(faces: FacesSettings):
    assert names(Settings(faces=faces), colorize=True) == [
        "inspect",
        "upload",
        "enhance",
        "faces",
        "interpolate",
        "colorize",
        "download",
    ]


@pytest.mark.parametrize(("enhance", "streams"), [(True, "stage"), (False, "one")])
def test_with_a_slow_writer_no_pool_grows_where_faces_come_and_go(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faces: FacesSettings,
    enhance: bool,
    streams: Literal["stage", "one"],
):
    spec, device, face = film_spec(60, 50), SimulatedDevice(), face_at(30, 25, 40)
    monkeypatch.setattr(chain_module, "find_model", scripted)
    settings = Settings(
        enhance=EnhanceSettings(enabled=enhance, model=str(mean_enhancer(tmp_path, past=1, future=1).path)),
        faces=replace(faces, smallest=10, strength=1.0),
        runtime=RuntimeSettings(streams=streams),
    )
    script = ScriptedFaces(*[[]] * 29, *[[face]] * 25, *[[]] * 6)
    chain = build_chain(settings, colorize=False, backend=SimulatedBackend(device, host=script))
    keeper = SlowKeeper()
    pipeline = Pipeline(Pictures(spec, moving(spec, 60)), chain.stages, keeper, cores=1)
    pipeline.open()
    pools = pools_of(chain)
    before = {name: pool.allocated for name, pool in pools.items()}
    pipeline.run(interval=0.01)
    painted = sum(float(shown.pixels[0, 25, 30]) > 0.89 for shown in keeper.shown)
    assert (len(keeper.shown), script.runs) == (60, 60)
    assert 15 <= painted < 35
    assert {name: pool.allocated for name, pool in pools.items()} == before


def scripted(name: str, role: str) -> Model:
    """Find a model, and for a detector one that a script speaks for."""
    return scripted_detector() if role == "detect" else find_model(name, role)


@pytest.mark.parametrize(("compare", "queue_frames"), [(None, 9), ("side", 1)])
def test_with_a_slow_writer_the_readers_pool_does_not_grow(tmp_path: Path, compare, queue_frames: int):
    film, device = write_film(tmp_path / "a.mp4", scene(40, 40, 24)), QuickDevice()
    models = [mean_enhancer(tmp_path, past=1, future=1), pan_interpolator(tmp_path, motion=(1.5, 0.0))]
    settings = Settings(
        enhance=EnhanceSettings(model=str(models[0].path)),
        interpolate=InterpolateSettings(factor=Fraction(2), model=str(models[1].path)),
        runtime=RuntimeSettings(queue_frames=queue_frames),
        output=OutputSettings(compare=compare),
    )
    by_processor, border = InputSettings(decoder="software"), SimulatedBorder(device)
    reader = FilmReader(film, settings=by_processor, format=PixelFormat.GRAY, border=border)
    chain = build_chain(settings, colorize=False, backend=SimulatedBackend(device), starts_on_device=True)
    reader.prepare(chain.frames_of_reader)
    keeper = SlowKeeper()
    pipeline = Pipeline(reader, chain.stages, keeper, cores=1, queue_frames=queue_frames)
    pipeline.open()
    before = reader._pool.allocated
    pipeline.run(interval=0.01)
    assert len(keeper.shown) == 80
    assert reader._pool.allocated == before
    assert reader._pool.on_loan == 0
