import hashlib
from pathlib import Path
from typing import Any

import pytest
from onnx import NodeProto, TensorProto, helper

from engine.errors import ModelError, UnsupportedModelError, WeightsError
from engine.model import Model, StatePair, builtin_models, find_model
from tests.support.onnx_files import METADATA, save_halver, save_model
from tests.support.upscalers import stack_upscaler


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    extra = {"window": "1,2", "scale": "2", "states": '[{"input": "a", "output": "b"}]', "metrics": '{"psnr": 30.5}'}
    path = save_halver(tmp_path / "m.onnx", {**METADATA, **extra})
    model = Model.load(path, role="enhance")
    assert model.card.name == "tiny"
    assert model.card.window == (1, 2)
    assert model.card.scale == 2
    assert model.card.states == (StatePair(input="a", output="b"),)
    assert model.card.metrics == {"psnr": 30.5}
    assert model.inputs["luma"].shape == (1, 1, None, None)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "rgb"}, "unknown"),
        ({"precision": "fp7"}, "fp32, fp16, int8"),
        ({"window": "one"}, "farshore.window"),
        ({"schema": "2"}, "farshore.schema"),
        ({"states": "[{}]"}, "farshore.states"),
    ],
)
def test_metadata_that_is_wrong_is_refused_by_name(tmp_path: Path, change: dict[str, str], words: str) -> None:
    path = save_halver(tmp_path / "m.onnx", {**METADATA, **change})
    with pytest.raises(UnsupportedModelError, match=words):
        Model.load(path)


@pytest.mark.parametrize("key", ["name", "role", "licence"])
def test_metadata_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    kept = {name: value for name, value in METADATA.items() if name != key}
    with pytest.raises(UnsupportedModelError, match=f"lacks farshore.{key}"):
        Model.load(save_halver(tmp_path / "m.onnx", kept))


def test_a_file_without_metadata_needs_a_role_and_says_what_is_assumed(tmp_path: Path) -> None:
    path = save_halver(tmp_path / "plain.onnx", None)
    with pytest.raises(UnsupportedModelError, match="name what it is for"):
        Model.load(path)
    card = Model.load(path, role="enhance").card
    assert (card.name, card.color_space) == ("plain", "gray")
    assert any("color space gray" in text for text in card.assumed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("scale", "multiple"), [(1, 1), (2, 1), (4, 1), (2, 2), (2, 16)])
def test_a_trial_run_finds_scale_and_sizes(tmp_path: Path, channels: int, scale: int, multiple: int) -> None:
    path = stack_upscaler(tmp_path / "up.onnx", channels=channels, scale=scale, multiple=multiple, layers=2)
    card = Model.load(path, role="enhance").card
    assert (card.color_space, card.scale, card.size_multiple) == ("gray" if channels == 1 else "rgb", scale, multiple)
    sizes = f"sizes in multiples of {multiple}" if multiple > 1 else "any size"
    assert f"scale {scale} and {sizes} (a trial run)" in card.assumed


def test_a_model_has_a_size_of_its_own_where_its_card_or_its_file_fixes_one(tmp_path: Path) -> None:
    assert find_model("film-restore", None).own_size is None
    assert find_model("film-colorize", None).own_size == (128, 160)
    assert Model.load(stack_upscaler(tmp_path / "up.onnx", size=(48, 64)), role="enhance").own_size == (48, 64)


def test_a_trial_run_of_one_size_alone(tmp_path: Path) -> None:
    card = Model.load(stack_upscaler(tmp_path / "up.onnx", size=(48, 64)), role="enhance").card
    assert (card.scale, card.size_multiple) == (2, 1)
    assert "scale 2 and pictures of 64×48 only, so films are cut into tiles (a trial run)" in card.assumed


def graph(folder: Path, nodes: list[NodeProto], inputs: dict[str, Any], outputs: dict[str, Any]) -> Path:
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, 1.5, 1.5])
    return save_model(folder / "m.onnx", nodes, inputs, outputs, None, initializers=[scales])


PICTURE = (1, 3, "h", "w")


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "words"),
    [
        (
            ["Add", ["a", "b"], ["y"]],
            {"a": PICTURE, "b": PICTURE},
            {"y": PICTURE},
            r"inputs are a \(1, 3, any, any\), b",
        ),
        (["Identity", ["a"], ["y"]], {"a": (1, 9, "h", "w")}, {"y": (1, 9, "h", "w")}, r"wanted \(1, 1, H, W\) or"),
        (["Resize", ["a", "", "scales"], ["y"]], {"a": PICTURE}, {"y": PICTURE}, "enlarged by a whole number"),
        (["GlobalMaxPool", ["a"], ["y"]], {"a": PICTURE}, {"y": PICTURE}, "enlarged by a whole number"),
        (["ReduceMax", ["a"], ["y"]], {"a": PICTURE}, {"y": ("n",)}, r"outputs are y"),
    ],
)
def test_what_is_no_upscaler_is_refused(
    tmp_path: Path, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], words: str
) -> None:
    path = graph(tmp_path, [helper.make_node(*nodes, name="n")], inputs, outputs)
    with pytest.raises(UnsupportedModelError, match=words) as caught:
        Model.load(path, role="enhance")
    assert "\n" not in str(caught.value)


def test_half_inputs_are_refused_with_the_cure(tmp_path: Path) -> None:
    half = TensorProto.FLOAT16
    node, shape = helper.make_node("Relu", ["a"], ["y"]), (1, 3, "h", "w")
    path = save_model(tmp_path / "m.onnx", [node], {"a": shape}, {"y": shape}, None, dtype=half)
    with pytest.raises(UnsupportedModelError, match=r"'a' is tensor\(float16\); wanted.*keep_io_types"):
        Model.load(path, role="enhance")


def test_another_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="wanted one for colorize"):
        Model.load(save_halver(tmp_path / "m.onnx"), role="colorize")


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_damaged_or_missing_file_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        Model.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    data = next(iter(builtin_models().values())).read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError):
        Model.load(tmp_path / "m.onnx")


def test_an_unknown_name_lists_the_built_in_ones() -> None:
    with pytest.raises(ModelError, match="film-restore"):
        find_model("film-restroe", "enhance")


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_built_in_models_load_and_have_a_card(name: str) -> None:
    path = builtin_models()[name]
    card = Model.load(path).card
    assert not card.assumed
    assert card.training_data
    assert path.with_name(f"{name.removesuffix('-tensorrt').removesuffix('-int8').removesuffix('-fp16')}.md").exists()


def test_built_in_models_stay_small() -> None:
    assert sum(path.stat().st_size for path in builtin_models().values()) < 40_000_000
