import numpy as np
import onnx
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.bound import milliseconds, search  # noqa: E402
from calib.loss import Loss  # noqa: E402
from engine.errors import CalibrationError  # noqa: E402

COSTS = {"a": 0.01, "b": 0.3, "c": 0.05, "d": 0.002}


class FakeJudge:
    """Says that every layer in 8 bits costs what `COSTS` says, and half as much again on pictures kept apart."""

    def judge(self, data: object, pictures: object) -> Loss:
        assert isinstance(data, onnx.ModelProto)
        value = sum(COSTS[name] for name in data.doc_string.split()) * (1.5 if pictures == ["apart"] else 1.0)
        return Loss(value=value, worst=value, unit="dB", psnr=None, pictures=1)


def build(layers) -> onnx.ModelProto:
    return onnx.ModelProto(doc_string=" ".join(layers))


def found(bound: float, **more: object):
    return search(
        FakeJudge(),  # pyright: ignore[reportArgumentType]
        build,
        list(COSTS),
        max_loss=bound,
        rank_on=["near"],  # pyright: ignore[reportArgumentType]
        measure_on=["apart"],  # pyright: ignore[reportArgumentType]
        timed=None,
        timed_inputs={},
        **more,
    )


def test_the_costliest_layers_go_back_until_the_bound_holds() -> None:
    result = found(0.1)
    assert [cost.layer for cost in result.costs] == ["b", "c", "a", "d"]
    assert result.points[result.chosen].kept == ("b",)
    assert result.points[result.chosen].loss.value == pytest.approx(1.5 * 0.062)


def test_the_bound_is_measured_on_pictures_kept_apart() -> None:
    assert found(0.08).points[found(0.08).chosen].kept == ("b", "c")


def test_the_curve_ends_at_the_bound_where_that_is_asked_for() -> None:
    assert len(found(0.1).points) == 4
    assert len(found(0.1, whole_curve=False).points) == 2


def test_a_bound_out_of_reach_says_what_is() -> None:
    with pytest.raises(CalibrationError, match="the least loss with any layer in 8 bits is 0.003 dB"):
        found(0.001)


def test_times_are_of_all_models(small_model) -> None:
    inputs = {"luma": np.zeros((1, 1, 64, 64), np.float32)}
    taken = milliseconds({"one": small_model.data, "two": small_model.data}, inputs)
    assert set(taken) == {"one", "two"}
    assert all(value > 0 for value in taken.values())
