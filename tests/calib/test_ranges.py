import numpy as np
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.graph import SCHEMES  # noqa: E402
from calib.ranges import BINS, METHODS, Histogram, choose  # noqa: E402
from engine.errors import CalibrationError  # noqa: E402


def histogram(*parts: np.ndarray) -> Histogram:
    made = Histogram()
    for part in parts:
        made.add(part.astype(np.float32), "x")
    return made


def test_a_histogram_counts_every_value_however_far_it_has_to_reach() -> None:
    parts = [np.full(10, 0.001), np.array([-3.0, 900.0]), np.linspace(-1, 1, 77)]
    found = histogram(*parts)
    assert found.total == 89
    assert (found.low, found.high) == (-3.0, 900.0)
    assert len(found.counts) == BINS


def test_the_order_of_the_values_does_not_matter() -> None:
    parts = [np.random.default_rng(seed).normal(0, 2.0**seed, 500) for seed in range(6)]
    one, other = histogram(*parts), histogram(*parts[::-1])
    assert one.reach == other.reach
    np.testing.assert_array_equal(one.counts, other.counts)


def test_memory_does_not_grow_with_values() -> None:
    found = Histogram()
    for _ in range(50):
        found.add(np.random.default_rng(0).normal(size=1000).astype(np.float32), "x")
    assert found.counts.nbytes == BINS * 8


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(CalibrationError, match="tensor conv7: holds values that are not finite"):
        Histogram().add(np.array([0.5, value], np.float32), "conv7")


def test_minmax_keeps_all_and_the_others_cut_a_lone_outlier_off() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 200_000), 60.0)
    found = histogram(values)
    scheme = SCHEMES["tensorrt"]
    assert choose(found, "minmax", scheme).high == 60.0
    for method in METHODS[1:]:
        assert choose(found, method, scheme).high < 40, method


def test_mse_loses_least_of_all_methods() -> None:
    values = np.random.default_rng(1).laplace(0, 0.3, 100_000).astype(np.float32)
    found, scheme = histogram(values), SCHEMES["cpu"]

    def error(method) -> float:
        chosen = choose(found, method, scheme)
        step = (chosen.high - chosen.low) / 255
        return float(np.square(np.clip(np.rint(values / step) * step, chosen.low, chosen.high) - values).mean())

    errors = {method: error(method) for method in METHODS}
    assert errors["mse"] <= 1.02 * min(errors.values())


def test_a_tensor_that_was_never_seen_has_no_range() -> None:
    with pytest.raises(CalibrationError):
        choose(Histogram(), "mse", SCHEMES["cpu"])
