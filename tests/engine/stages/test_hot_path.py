"""After warm-up a stage allocates nothing that stays: no pool grows and tracemalloc sees nothing kept in `engine/`."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.frame import Frame
from engine.pool import BufferPool
from engine.settings import ColorizeSettings, EnhanceSettings, InterpolateSettings, OutputSettings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.compare import Compare
from engine.stages.enhance import Enhance
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate
from engine.types import PixelFormat
from tests.support.chain import Source, film_spec, run_chain
from tests.support.scenes import scene
from tests.support.tiny_models import counting_colorizer, pan_interpolator, shift_enhancer

WARM_UP, MEASURED = 50, 200
LARGEST_GROWTH = 24 * 1024
"""Bytes: lists of a few integers that grow with a film's statistics; a leaked plane of these films is 77 KiB."""


def pools_of(stage: Stage) -> list[BufferPool]:
    return [value for value in vars(stage).values() if isinstance(value, BufferPool)]


def film(source: Source, pictures: list[np.ndarray]) -> Iterator[Frame]:
    for index in range(WARM_UP + MEASURED):
        yield source.frame(pictures[index % len(pictures)], index)


@pytest.mark.parametrize(("format", "tile"), [(PixelFormat.GRAY, 0), (PixelFormat.RGB, 64)])
def test_nothing_grows_after_warm_up(tmp_path: Path, format: PixelFormat, tile: int) -> None:
    backend = OnnxRuntimeBackend()
    stages: list[Stage] = [
        Inspect(keep_original=True),
        Enhance(shift_enhancer(tmp_path, luma=0.01, chroma=0.0), backend, EnhanceSettings(tile=tile)),
        Interpolate(pan_interpolator(tmp_path, motion=(2, 0)), backend, InterpolateSettings.parse("60")),
        Colorize(counting_colorizer(tmp_path), backend, ColorizeSettings()),
        Compare(OutputSettings(compare="side", label=True, counter=True)),
    ]
    source = Source(film_spec(160, 120, format=format))
    spec = source.spec
    for stage in stages:
        spec = stage.open(spec)
    pictures = [scene(1, 2 * x, grain=0.02, grain_seed=x) for x in range(37)]
    out = iter(run_chain(stages, film(source, pictures)))
    for _ in range(WARM_UP * 2):
        next(out).release()
    pools = [pool for stage in stages for pool in pools_of(stage)]
    allocated = [pool.allocated for pool in pools]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for _ in range(MEASURED):
        next(out).release()
    gc.collect()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*/engine/*")
    growth = after.filter_traces([ours]).compare_to(before.filter_traces([ours]), "filename")
    assert sum(entry.size_diff for entry in growth) < LARGEST_GROWTH, growth[:5]
    assert [pool.allocated for pool in pools] == allocated
    for frame in out:
        frame.release()
    for stage in stages:
        stage.close()
    assert [pool.on_loan for pool in [*pools, source.pool]] == [0] * (len(pools) + 1)
