from fractions import Fraction

import pytest

from engine.stages.retime import Grid, common_unit


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (Fraction(0), Fraction(1, 48), Fraction(1, 48)),
        (Fraction(1, 24), Fraction(1, 48), Fraction(1, 48)),
        (Fraction(-1, 90000), Fraction(1001, 60000), Fraction(1, 180000)),
        (Fraction(1, 3), Fraction(1, 2), Fraction(1, 6)),
    ],
)
def test_the_unit_measures_start_and_interval(first: Fraction, second: Fraction, wanted: Fraction) -> None:
    assert common_unit(first, second) == wanted


@pytest.mark.parametrize("start", [Fraction(0), Fraction(-7, 90000), Fraction(100)])
@pytest.mark.parametrize("rate", [Fraction(48), Fraction(60000, 1001), Fraction(50, 3)])
def test_grid_times_are_exact(start: Fraction, rate: Fraction) -> None:
    grid = Grid(start, rate, Fraction(24))
    for number in (0, 1, 7, 100_000):
        assert grid.pts(number) * grid.time_base == start + number / rate


def test_a_source_frame_may_be_late_by_what_a_container_rounds() -> None:
    grid = Grid(Fraction(0), Fraction(48), Fraction(24))
    assert grid.first_at(Fraction(42, 1000)) == 2
    assert grid.is_at(2, Fraction(412, 10_000))
    assert grid.first_at(Fraction(43, 1000)) == 3
