"""Models beside the processor, and what counts as wrong."""

import numpy as np
import pytest

import bench.gpu.models as models_module
from bench.gpu.models import Likeness, check_model, judge, worst
from bench.gpu.roof import Roof
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import DeviceError
from engine.model import find_model
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice

ROOF = Roof(bytes_per_second=1e12, operations_per_second={"fp32": 1e12}, refused={"fp16": "no half precision"})


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "COMPARED", (64, 64))


def test_the_worst_output_counts():
    truth = {"a": np.ones((1, 4), np.float32), "b": np.ones((1, 4), np.float32)}
    found = worst(truth, {"a": truth["a"], "b": truth["b"] * np.float32(0.9)})
    assert found.psnr_db == pytest.approx(20.0, abs=0.01)
    assert found.largest_error == pytest.approx(0.1, abs=1e-6)
    assert worst(truth, truth) == Likeness(finite=True, psnr_db=None, largest_error=0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["a", "b"])
@pytest.mark.parametrize("in_reference", [False, True])
def test_what_is_not_finite_is_wrong(value, where, in_reference):
    good = {"a": np.ones((1, 4), np.float32), "b": np.ones((1, 4), np.float32)}
    bad = {**good, where: np.array([[1, 1, value, 1]], np.float32)}
    found = worst(bad, good) if in_reference else worst(good, bad)
    assert found == Likeness(finite=False)
    assert judge(found, "fp32") == judge(found, "fp8") == "outputs are not finite"


@pytest.mark.parametrize(
    ("psnr", "precision", "right"),
    [
        (None, "fp32", True),
        (60.0, "fp32", True),
        (59.9, "fp32", False),
        (59.9, "fp16", True),
        (44.9, "fp16", False),
        (30.0, "fp8", True),
    ],
)
def test_every_precision_has_its_floor(psnr, precision, right):
    reason = judge(Likeness(finite=True, psnr_db=psnr, largest_error=0.0), precision)
    assert (reason is None) == right
    assert right or f"{psnr:.1f} dB" in str(reason)


class Bent(SimulatedBackend):
    """Its outputs are off by `by` of their value; an error comes after so many runs; it counts open sessions."""

    def __init__(self, device, *, by=0.0, runs_left=10**6):
        super().__init__(device)
        self.by, self.runs_left, self.open_sessions = by, runs_left, 0
        self.sizes = []

    def open(self, model, profile, threads):
        session = super().open(model, profile, threads)
        self.open_sessions += 1
        self.sizes.append(profile.shapes["luma"][2:])
        session.close = self._close
        host, run = session._host.enqueue, session._enqueue

        def bent(inputs, outputs, cuda_stream=None):
            host(inputs, outputs, cuda_stream)
            for array in outputs.values():
                array *= 1 + self.by

        def failing(*given):
            self.runs_left -= 1
            if self.runs_left < 0:
                raise DeviceError("GPU: lost")
            run(*given)

        session._host.enqueue, session._enqueue = bent, failing
        return session

    def _close(self):
        self.open_sessions -= 1


def run(backend, name="film-restore", sizes=((64, 128),)):
    return check_model(backend.device, backend, OnnxRuntimeBackend(), find_model(name, None), sizes, ROOF)


def test_a_model_is_compared_small_and_timed_at_each_size():
    backend = Bent(SimulatedDevice())
    result = run(backend, sizes=((64, 128), (128, 128)))
    assert backend.sizes == [(64, 64), (64, 128), (128, 128)]
    assert (result.outcome, result.height, result.width, result.floor_db) == ("right", 64, 64, 60.0)
    first, second = result.timings
    assert second.operations == 2 * first.operations
    assert first.share_of_roof == pytest.approx(first.operations / 1e12 / (first.milliseconds / 1e3), rel=0.5)
    assert backend.open_sessions == 0


def test_a_model_below_its_floor_is_wrong():
    result = run(Bent(SimulatedDevice(), by=0.01))
    assert result.outcome == "wrong"
    assert "fp32 must have 60 dB" in str(result.reason)


def test_an_error_is_told_and_the_session_closed():
    backend = Bent(SimulatedDevice(), runs_left=0)
    result = run(backend)
    assert (result.outcome, result.reason, result.timings) == ("failed", "GPU: lost", ())
    assert backend.open_sessions == 0


def test_an_error_at_one_size_leaves_the_comparison():
    backend = Bent(SimulatedDevice(), runs_left=3)
    result = run(backend)
    assert result.outcome == "right"
    assert (result.timings[0].outcome, result.timings[0].reason) == ("failed", "GPU: lost")
    assert backend.open_sessions == 0


def test_half_precision_without_its_roof_has_no_share_and_says_why():
    result = run(Bent(SimulatedDevice()), name="film-restore-x2-fp16")
    assert (result.model, result.floor_db) == ("film-restore-x2-fp16", 45.0)
    (timing,) = result.timings
    assert (timing.outcome, timing.share_of_roof, timing.no_share) == ("right", None, "fp16: no half precision")
