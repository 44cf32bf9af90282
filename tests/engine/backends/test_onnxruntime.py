from pathlib import Path

import numpy as np
import onnxruntime.capi.onnxruntime_pybind11_state as native_errors
import pytest
from onnx import TensorProto

from engine.backends.base import Profile
from engine.backends.onnxruntime import ERRORS, OnnxRuntimeBackend, translate
from engine.errors import BindingError, BuildError, DeviceMemoryError, EngineError
from engine.model import Model
from tests.support.onnx_files import save_halver


@pytest.fixture(scope="module")
def halver(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(save_halver(tmp_path_factory.mktemp("models") / "m.onnx"))


def test_a_run_writes_into_the_arrays_given(halver: Model) -> None:
    session = OnnxRuntimeBackend().open(halver, Profile({"luma": (1, 1, 5, 7)}), threads=1)
    assert session.output_shapes == {"luma_out": (1, 1, 5, 7)}
    luma, out = np.full((1, 1, 5, 7), 0.8, np.float32), np.zeros((1, 1, 5, 7), np.float32)
    for value in (0.8, 0.2):
        luma.fill(value)
        session.enqueue({"luma": luma}, {"luma_out": out})
        np.testing.assert_allclose(out, value / 2)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ({"luma": (1, 1, 5, 8)}, {"luma_out": (1, 1, 5, 7)}, "wanted \\(1, 1, 5, 7\\)"),
        ({"lumma": (1, 1, 5, 7)}, {"luma_out": (1, 1, 5, 7)}, "wanted \\['luma'\\]"),
        ({"luma": (1, 1, 5, 7)}, {}, "wanted \\['luma_out'\\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    halver: Model, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]], words: str
) -> None:
    session = OnnxRuntimeBackend().open(halver, Profile({"luma": (1, 1, 5, 7)}), threads=1)
    with pytest.raises(BindingError, match=words):
        session.enqueue(
            {name: np.zeros(shape, np.float32) for name, shape in inputs.items()},
            {name: np.zeros(shape, np.float32) for name, shape in outputs.items()},
        )


def test_arrays_of_another_type_or_layout_are_refused(halver: Model) -> None:
    session = OnnxRuntimeBackend().open(halver, Profile({"luma": (1, 1, 4, 4)}), threads=1)
    out = {"luma_out": np.zeros((1, 1, 4, 4), np.float32)}
    for bad in (np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 4, 8), np.float32)[..., ::2]):
        with pytest.raises(BindingError, match="float32 and C-contiguous"):
            session.enqueue({"luma": bad}, out)


def test_a_profile_that_does_not_fit_is_refused(halver: Model) -> None:
    with pytest.raises(BindingError, match="wanted \\(1, 1, 'any', 'any'\\)"):
        OnnxRuntimeBackend().open(halver, Profile({"luma": (1, 3, 4, 4)}), threads=1)


def test_a_model_with_half_inputs_is_refused(tmp_path: Path) -> None:
    model = Model.load(save_halver(tmp_path / "m.onnx", dtype=TensorProto.FLOAT16))
    with pytest.raises(BuildError, match="float32 inputs"):
        OnnxRuntimeBackend().open(model, Profile({"luma": (1, 1, 4, 4)}), threads=1)


def test_every_error_of_onnx_runtime_is_mapped() -> None:
    native = {
        name for name, value in vars(native_errors).items() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert native <= ERRORS.keys(), f"new in this ONNX Runtime: {sorted(native - ERRORS.keys())}"


def test_the_first_line_of_the_librarys_words_is_kept() -> None:
    error = translate(ValueError("first\nsecond"), "model x", EngineError)
    assert str(error) == "model x: ONNX Runtime: first"
    assert isinstance(translate(MemoryError("bad_alloc"), "model x", EngineError), DeviceMemoryError)
