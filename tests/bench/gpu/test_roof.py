"""What a device can do at best."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from bench.gpu.roof import measure_roof, product_model
from engine.backends.tensorrt.ensure import Wishes, plan_key
from engine.backends.tensorrt.inspection import inspect_build
from engine.backends.tensorrt.library import find_library
from engine.backends.tensorrt.process import Limits
from engine.errors import BuildError
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice

SMALL = {"copy_bytes": 1 << 20, "side": 64, "products": {"fp32": 2, "fp16": 4, "int8": 4}}


def test_the_roof_is_what_the_device_needs_for_a_copy_and_for_products_of_each_precision():
    device = SimulatedDevice(bytes_per_second=1e12)
    roof = measure_roof(device, SimulatedBackend(device, run_ns=1_000_000), **SMALL)
    assert roof.bytes_per_second == pytest.approx(2e12, rel=0.01)
    assert roof.operations_per_second["fp32"] == pytest.approx(2 * 64**3 * 2 / 1e-3, rel=0.01)
    assert roof.operations_per_second["fp16"] == pytest.approx(2 * 64**3 * 4 / 1e-3, rel=0.01)
    assert roof.best_seconds("fp16", 2 * 64**3 * 4, 1) == pytest.approx(1e-3, rel=0.01)
    assert roof.best_seconds("fp16", 1, 2e12) == pytest.approx(1.0, rel=0.01)
    assert roof.operations_per_second["int8"] == pytest.approx(2 * 64**3 * 4 / 1e-3, rel=0.01)
    assert roof.why_not("fp32") is roof.why_not("fp16") is roof.why_not("int8") is None
    assert roof.best_seconds("fp8", 1, 1) is None
    assert "fp8" in str(roof.why_not("fp8"))


def test_a_precision_that_the_backend_refuses_leaves_the_other():
    class NoHalf(SimulatedBackend):
        def open(self, model, profile, threads):
            if model.card.precision == "fp16":
                raise BuildError("no half precision")
            return super().open(model, profile, threads)

    device = SimulatedDevice()
    roof = measure_roof(device, NoHalf(device), **SMALL)
    assert roof.operations_per_second.keys() == {"fp32", "int8"}
    assert roof.why_not("fp16") == "fp16: no half precision"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_products_are_computed_in_their_precision(precision):
    # ONNX Runtime leaves the casts out on a processor, where it has no product in half precision.
    model = onnx.load_from_string(product_model(4, 2, precision).data)
    onnx.checker.check_model(model, full_check=True)
    x = np.full((4, 4), 1 + 2.0**-12, np.float32)
    (made,) = ReferenceEvaluator(model).run(None, {"x": x, "z": np.eye(4, dtype=np.float32)})
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, x if precision == "fp32" else np.ones((4, 4)))


def test_products_in_8_bits_are_of_rounded_values():
    model = product_model(16, 2, "int8")
    onnx.checker.check_model(onnx.load_from_string(model.data), full_check=True)
    x = np.repeat(np.array([[0.4], [1.4]], np.float32) / 127, 8, axis=0) * np.ones((1, 16), np.float32)
    session = onnxruntime.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": x, "z": np.eye(16, dtype=np.float32)})
    np.testing.assert_allclose(made[::8], np.array([[0.0], [1 / 127]]) * np.ones((1, 16)), atol=1e-6)


def test_tensorrt_for_rtx_computes_them_on_integers():
    pytest.importorskip("tensorrt_rtx_bindings", reason="comes with the rtx extra")
    model, library = product_model(256, 3, "int8"), find_library("rtx")
    key = plan_key(model, library, None, Wishes(families=("ampere",)))
    account = inspect_build(model, key, library, Limits(), lambda *_: None, lambda _: None)
    products = [layer for layer in account.layers if layer.kind == "gemm"]
    assert len(products) == 3
    assert all(tensor.datatype == "Int8" for layer in products for tensor in layer.inputs)
