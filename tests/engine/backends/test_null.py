import numpy as np
import pytest

from engine.backends.base import Profile
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.model import Model, builtin_models


def small_profile(model: Model) -> Profile:
    """Give every unknown size of a model's inputs a small value that its size multiple allows."""
    size = {4: max(model.card.size_multiple, 2) * 2}
    shapes = {
        name: tuple(known or size.get(len(spec.shape), 1) for known in spec.shape)
        for name, spec in model.inputs.items()
    }
    for name, shape in shapes.items():
        part = {"chroma": 2, "motion": 4, "evidence": 4}.get(name, 1)
        if part > 1:
            shapes[name] = (*shape[:2], shape[2] // part, shape[3] // part)
    return Profile(shapes)


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_the_null_backend_gives_the_same_picture_shapes_as_the_real_one(name: str) -> None:
    model = Model.load(builtin_models()[name])
    profile = small_profile(model)
    null, real = NullBackend().open(model, profile, 1), OnnxRuntimeBackend().open(model, profile, 1)
    pictures = {"luma_out", "chroma_out", "frame", "ab", "confidence"} & model.outputs.keys()
    for output in pictures:
        assert null.output_shapes[output] == real.output_shapes[output]
    assert null.output_shapes.keys() == real.output_shapes.keys()


def test_an_enhancer_gives_back_the_frame_in_the_middle_of_its_window() -> None:
    model = Model.load(builtin_models()["film-restore"])
    profile = small_profile(model)
    session = NullBackend().open(model, profile, 1)
    rng = np.random.default_rng(1)
    inputs = {name: rng.random(shape, np.float32) for name, shape in profile.shapes.items()}
    outputs = {name: np.empty(shape, np.float32) for name, shape in session.output_shapes.items()}
    session.enqueue(inputs, outputs)
    past = model.card.window[0]
    np.testing.assert_array_equal(outputs["luma_out"][0, 0], inputs["luma"][0, past])
    np.testing.assert_array_equal(outputs["chroma_out"][0], inputs["chroma"][0, 2 * past : 2 * past + 2])
