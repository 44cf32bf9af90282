import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.graph import Range  # noqa: E402
from calib.mixed import mix  # noqa: E402

NAMES = ("a", "b", "c", "d")


def ranges(**highs: tuple[float, ...]) -> dict[str, dict[str, Range]]:
    return {
        method: {name: Range(low=0.0, high=high) for name, high in zip(NAMES, values, strict=True)}
        for method, values in highs.items()
    }


def loss_of(found) -> float:
    """Each tensor wants a range of its own: a 1, b 2, c 3, d 4."""
    return 1e-6 + sum((found[name].high - wanted) ** 2 for wanted, name in enumerate(NAMES, start=1))


def test_each_tensor_gets_the_method_that_loses_least() -> None:
    given = ranges(minmax=(4, 4, 4, 4), percentile=(1, 3, 9, 9), mse=(2, 2, 9, 9))
    steps: list[tuple[int, int]] = []
    methods = mix("minmax", given, [["a"], ["b"], ["c"], ["d"]], loss_of, lambda *step: steps.append(step))
    assert methods == {"a": "percentile", "b": "mse", "c": "minmax", "d": "minmax"}
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_tensors_of_one_scale_change_together() -> None:
    given = ranges(minmax=(4, 4, 4, 4), mse=(1, 9, 3, 4))
    assert mix("minmax", given, [["a", "b"], ["c", "d"]], loss_of)["a"] == "minmax"  # what a gains, b loses
    assert mix("minmax", given, [["a", "c"], ["b", "d"]], loss_of)["c"] == "mse"


def test_a_gain_that_is_hardly_one_is_left() -> None:
    given = ranges(minmax=(1, 2, 3, 5), mse=(1, 2, 3, 4.9995))
    assert set(mix("minmax", given, [["d"]], loss_of).values()) == {"minmax"}


def test_ranges_that_two_methods_share_are_measured_once() -> None:
    tried: list[float] = []

    def listening(found) -> float:
        tried.append(loss_of(found))
        return tried[-1]

    same = (1, 2, 3, 4)
    mix("minmax", ranges(minmax=same, percentile=same, mse=same), [["a"], ["b"], ["c"], ["d"]], listening)
    assert len(tried) == 1
