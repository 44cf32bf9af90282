import pytest

from bench.latency.plots import apart


@pytest.mark.parametrize(
    ("heights", "wanted"),
    [
        ([], []),
        ([50.0], [50.0]),
        ([50.0, 90.0], [50.0, 90.0]),
        ([53.0, 50.0], [66.0, 50.0]),
        ([50.0, 50.0, 60.0, 200.0], [50.0, 66.0, 82.0, 200.0]),
    ],
)
def test_labels_lie_apart_in_the_order_of_their_points(heights: list[float], wanted: list[float]) -> None:
    assert apart(heights, 16) == wanted
