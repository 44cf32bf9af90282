from itertools import pairwise
from pathlib import Path

import pytest

from engine.stages import tile_plan
from engine.stages.reach import Reach
from engine.stages.tile_plan import TilePlan, memory_needed, plan_tiles
from tests.support.tiny_models import mean_enhancer


def plan(
    picture: tuple[int, int], *, halo: int = 18, multiple: int = 1, tile: int | None, path: Path, grid: int = 1
) -> TilePlan | None:
    model = mean_enhancer(path)
    return plan_tiles(model, Reach(halo=halo, grid=grid, bytes_per_pixel=1000), picture, multiple, tile)


@pytest.mark.parametrize("length", [37, 64, 100, 101, 999])
@pytest.mark.parametrize(("tile", "halo", "multiple"), [(16, 3, 1), (30, 18, 2), (64, 5, 16)])
def test_spans_cover_an_axis_once_and_see_enough(
    tmp_path: Path, length: int, tile: int, halo: int, multiple: int
) -> None:
    length = -(-length // multiple) * multiple
    found = plan((length, 4096), halo=halo, multiple=multiple, tile=tile, path=tmp_path)
    assert found is not None
    spans = found.rows
    assert (spans[0].first, spans[-1].last) == (0, length)
    assert all(before.last == after.first for before, after in pairwise(spans))
    assert len({span.end - span.start for span in spans}) == 1
    for span in spans:
        assert 0 <= span.start <= span.first < span.last <= span.end <= length
        assert span.start % multiple == span.end % multiple == span.first % multiple == 0
        assert span.start == 0 or span.first - span.start >= halo
        assert span.end == length or span.end - span.last >= halo


def test_whole_pictures_where_memory_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_plan, "available_memory", lambda: 8_000_000_000)
    assert plan((720, 1280), tile=None, path=tmp_path) is None
    found = plan((2160, 3840), tile=None, path=tmp_path)
    assert found is not None
    assert found.is_exact
    reach = Reach(halo=18, grid=1, bytes_per_pixel=1000)
    assert memory_needed(reach, found.tile) <= 2_000_000_000 < memory_needed(reach, (2160, 3840))
    monkeypatch.setattr(tile_plan, "available_memory", lambda: None)
    assert plan((2160, 3840), tile=None, path=tmp_path) is None


def test_a_network_that_looks_too_far_gets_a_practical_halo(tmp_path: Path) -> None:
    found = plan((1080, 1920), halo=698, grid=2, multiple=2, tile=256, path=tmp_path)
    assert found is not None
    assert (found.is_exact, found.halo) == (False, 64)
