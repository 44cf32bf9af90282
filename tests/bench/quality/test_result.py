import numpy as np
import pytest

from bench.quality.result import Extremes, Row, Section, gains, mean, values
from bench.quality.sheet import Exhibit


def rows() -> list[Row]:
    return [
        Row(case={"kind": "clip", "name": "a"}, scores={"us": {"psnr": 30.0}, "them": {"psnr": 28.0}}),
        Row(case={"kind": "clip", "name": "b"}, scores={"us": {"psnr": None}, "them": {"psnr": 20.0}}),
        Row(case={"kind": "pan", "name": "c"}, scores={"us": {"psnr": 10.0}}),
    ]


def test_what_is_missing_is_left_out_of_means_and_gains() -> None:
    assert values(rows(), "us", "psnr") == [30, None, 10]
    assert mean(values(rows(), "us", "psnr")) == 20
    assert mean([None]) is None
    assert gains(rows(), "us", "them", "psnr") == [2]


def test_rows_are_found_by_their_case() -> None:
    section = Section(name="restore", models=["us"], rows=rows())
    assert [row.case["name"] for row in section.where(kind="clip")] == ["a", "b"]
    assert section.where(kind="clip", name="c") == []


def test_only_extremes_are_drawn() -> None:
    extremes, drawn = Extremes(), []

    def offer(value: float) -> None:
        def make() -> Exhibit:
            drawn.append(value)
            return Exhibit(title=str(value), pictures={"x": np.zeros((2, 2), np.uint8)})

        extremes.offer("kind", value, make)

    for value in (3, 5, 4, 1, 2):
        offer(value)
    assert [exhibit.title for exhibit in extremes.exhibits()] == ["1", "5"]
    assert set(drawn) == {1, 3, 5}


@pytest.mark.parametrize("value", [1.0])
def test_one_case_is_shown_once(value: float) -> None:
    extremes = Extremes()
    extremes.offer("kind", value, lambda: Exhibit(title="only", pictures={"x": np.zeros((2, 2), np.uint8)}))
    assert len(extremes.exhibits()) == 1
