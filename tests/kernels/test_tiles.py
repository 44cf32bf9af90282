"""Pictures cut and put together are those that the processor's tiles make."""

import numpy as np
import pytest

from engine.stages.tile_plan import Span, TilePlan
from engine.stages.tiles import Tiles
from kernels.reference.tiles import ramp, tile_cut, tile_fade, tile_put
from tests.kernels.surface_formats import scene

ROWS = (Span(start=0, end=48, first=0, last=36), Span(start=24, end=72, first=36, last=72))
COLUMNS = (
    Span(start=0, end=44, first=0, last=32),
    Span(start=20, end=64, first=32, last=54),
    Span(start=46, end=90, first=54, last=90),
)
SCALE = 2


class Waves:
    """A session that enlarges twice and adds what depends on the place in the tile: borders show."""

    def enqueue(self, inputs, outputs, cuda_stream=None):
        picture = inputs["frames"].repeat(SCALE, 2).repeat(SCALE, 3)
        rows, columns = np.indices(picture.shape[2:])
        outputs["frame"][...] = picture + 0.2 * np.sin(rows / 7 + columns / 5)


@pytest.mark.parametrize("is_exact", [True, False])
def test_tiles_are_the_processors(is_exact):
    plan = TilePlan(picture=(72, 90), rows=ROWS, columns=COLUMNS, halo=10, is_exact=is_exact)
    picture = scene(1, (3, 72, 90))
    wanted, made = np.zeros((2, 1, 3, 72 * SCALE, 90 * SCALE), np.float32)
    inputs, outputs, session = {"frames": picture[None]}, {"frame": wanted}, Waves()
    Tiles(plan, inputs, outputs).run(session, inputs, outputs)
    whole = made[0]
    for down in ROWS:
        for across in COLUMNS:
            tile = tile_cut(picture, across.start, down.start, 48, 44)
            enlarged = np.empty((1, 3, 48 * SCALE, 44 * SCALE), np.float32)
            session.enqueue({"frames": tile[None]}, {"frame": enlarged})
            at = (down.start * SCALE, across.start * SCALE)
            if is_exact:
                rows, columns = (
                    slice((span.first - span.start) * SCALE, (span.last - span.start) * SCALE)
                    for span in (down, across)
                )
                place = (at[0] + rows.start, at[1] + columns.start)
                whole = tile_put(enlarged[0], whole, (rows, columns), place)
            else:
                edges = ((down.first, down.last), (across.first, across.last))
                whole = tile_fade(enlarged[0], whole, at, plan.picture, *edges, plan.halo)
    assert np.abs(whole - wanted[0]).max() <= 1e-6


@pytest.mark.parametrize(("length", "halo"), [(90, 10), (180, 10), (45, 8), (90, 0)])
def test_weights_of_all_tiles_are_one(length, halo):
    total = sum(ramp(span.first, span.last, halo, length, 90) for span in COLUMNS)
    assert np.abs(total - 1).max() < 1e-12


def test_equal_tiles_make_the_picture_that_they_were_cut_from():
    picture = scene(1, (2, 72, 90))
    whole = np.zeros_like(picture)
    for down in ROWS:
        for across in COLUMNS:
            tile = tile_cut(picture, across.start, down.start, 48, 44)
            edges = ((down.first, down.last), (across.first, across.last))
            whole = tile_fade(tile, whole, (down.start, across.start), (72, 90), *edges, 10)
    assert np.abs(whole - picture).max() <= 1e-7
