import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.quality import drive
from bench.quality.plan import Plan
from bench.quality.report import SCHEMA, bars_table, tables
from bench.quality.restore import make_case
from bench.quality.run import Outcome, measure, write_json
from engine.errors import ConfigError, EncodeError
from tests.bench.quality.material_files import drawn, make_material
from tests.bench.quality.test_contender import as_int8
from tests.support.tiny_models import counting_colorizer, mean_enhancer, pan_interpolator

LUMA = drawn(9)[..., 1]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Every bench, on one drawn clip and one photograph, with models that are worked out by hand."""
    folder = tmp_path_factory.mktemp("bench")
    enhancer = mean_enhancer(folder, past=1, future=1)
    models = [enhancer, as_int8(enhancer), pan_interpolator(folder, motion=(-4, 0)), counting_colorizer(folder)]
    plan = Plan(data=make_material(folder / "data", frames=10), frames=6, places=1, pans=0, few_chains=True)
    told: list[str] = []
    yield measure(plan, models=models, tell=told.append)
    assert len(told) == 4 + 1 + 2


def test_every_part_has_its_rows(outcome: Outcome) -> None:
    restore, interpolate, colorize = outcome.sections
    assert [row.case["damage"] for row in restore.rows] == ["clean", "light", "medium", "heavy"]
    moments = [(row.case["gap"], row.case["t"]) for row in interpolate.rows]
    assert moments == [(2, 0.5)] * 4 + [(4, 0.25), (4, 0.5), (4, 0.75)] * 2
    assert [row.case["kind"] for row in colorize.rows] == ["photo", "clip"]
    assert outcome.failures == 0


def test_the_truth_and_the_input_are_what_they_must_be(outcome: Outcome) -> None:
    restore, _, colorize = outcome.sections
    for row in restore.rows:
        assert row.scores["truth"]["psnr"] == 100
        assert (row.scores["input"]["psnr"] == 100) is (row.case["damage"] == "clean")
        assert row.scores["tiny"]["psnr"] == row.scores["tiny-int8"]["psnr"]
        assert ("classical" in row.scores) is (row.case["damage"] != "clean")
    inputs = [row.scores["input"]["psnr"] or 0 for row in restore.rows]
    assert inputs == sorted(inputs, reverse=True)
    for row in colorize.rows:
        assert row.scores["truth"]["ciede2000"] == 0
        assert (row.scores["grey"]["ciede2000"] or 0) > 5


def test_an_interpolator_that_knows_the_motion_is_better_than_a_blend(outcome: Outcome) -> None:
    for row in outcome.sections[1].where(gap=2):
        assert (row.scores["tiny"]["psnr"] or 0) > (row.scores["blend"]["psnr"] or 0)


def test_a_clip_led_by_its_first_frame_differs_from_automatic_colour(outcome: Outcome) -> None:
    (row,) = outcome.sections[2].where(kind="clip")
    assert row.scores["tiny"]["ciede2000"] != row.scores["tiny automatic"]["ciede2000"]
    assert row.scores["dis"] in (row.scores["dis_chained"], row.scores["dis_direct"])


def test_json_says_everything_and_no_more_than_numbers(outcome: Outcome, tmp_path: Path) -> None:
    write_json(tmp_path / "quality.json", outcome.to_json())
    found = json.loads((tmp_path / "quality.json").read_text())
    assert found["schema"] == SCHEMA
    assert set(found) == {"schema", "head", "bars", "restore", "interpolate", "colorize"}
    assert found["head"]["models"]["restore"][0]["sha256"] == outcome.head["models"]["restore"][0]["sha256"]
    assert found["restore"]["models"] == ["tiny", "tiny-int8"]
    assert {"part", "what", "judged", "wanted", "mean", "worst", "is_cleared"} == set(found["bars"][0])
    assert any(bar["what"].startswith("tiny-int8") for bar in found["bars"])
    assert list(tmp_path.iterdir()) == [tmp_path / "quality.json"]
    with pytest.raises(EncodeError, match="cannot be written"):
        write_json(tmp_path / "none" / "quality.json", {})


def test_tables_have_a_column_for_each_model(outcome: Outcome) -> None:
    for section in outcome.sections:
        for table in tables(section)[:1]:
            text = " ".join(str(column.header) for column in table.columns) + " ".join(
                str(cell) for column in table.columns for cell in column.cells
            )
            assert all(model in text for model in section.models)
    assert bars_table(outcome.bars).row_count == len(outcome.bars)


def test_there_are_pictures_of_extreme_cases(outcome: Outcome) -> None:
    titles = [exhibit.title for section in outcome.sections for exhibit in section.exhibits]
    for start in ("restore, clean", "restore, heavy", "interpolate, gap 4", "colorize, automatic", "colorize, one ref"):
        assert any(title.startswith(start) for title in titles)


def test_the_same_plan_gives_the_same_figures(outcome: Outcome) -> None:
    clean = LUMA[:6]
    first, second = (make_case("clip", "name", "heavy", clean) for _ in range(2))
    other = make_case("clip", "another", "heavy", clean)
    assert np.array_equal(first.film, second.film)
    assert not np.array_equal(first.film, other.film)


def test_a_part_without_a_model_is_refused(tmp_path: Path) -> None:
    plan = Plan(data=make_material(tmp_path / "data", frames=4))
    with pytest.raises(ConfigError, match="--only colorize"):
        measure(plan, parts=["colorize"], models=[mean_enhancer(tmp_path)], tell=lambda text: None)


def test_stages_give_each_frame_its_place(tmp_path: Path) -> None:
    film = np.stack([np.full((16, 24), level, np.uint8) for level in (0, 30, 60, 90)])
    restored = drive.restore(mean_enhancer(tmp_path, past=1, future=1), film)
    assert [int(picture[0, 0]) for picture in restored.pictures] == [10, 30, 60, 80]
    between = drive.between(pan_interpolator(tmp_path, motion=(-8, 0)), list(LUMA[::4]), 4)
    assert len(between.pictures) == 6
    for picture, truth in zip(between.pictures, LUMA[[1, 2, 3, 5, 6, 7]], strict=True):
        difference = abs(picture[2:20, 10:-10].astype(int) - truth[2:20, 10:-10])
        assert difference.mean() < 3
    coloured = drive.colour(counting_colorizer(tmp_path), LUMA[:3], None)
    assert coloured.pictures.shape == (3, 2, 32, 48)
    assert [round(float(ab[1].mean()), 1) for ab in coloured.pictures] == [5.5, 11.0, 16.5]
