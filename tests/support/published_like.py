"""Tiny models with the tensors of published networks: motion of full size, colour without memory, references encoded
by a second model. Each computes something that a test can work out by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper

from engine.model import Model
from tests.support.onnx_files import METADATA, save_model
from tests.support.tiny_models import PICTURE, constant

RGB = (1, 3, *PICTURE)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def metadata(**values: object) -> dict[str, str]:
    return {**METADATA, **{key: str(value) for key, value in values.items()}}


def measuring_interpolator(folder: Path, *, reach: float = 1000.0) -> Model:
    """Return an interpolator that measures how far a red ramp has moved to the right, in pixels that it sees.

    It finds `reach` pixels at most. Its own picture is white, so that nobody can mistake it for warped ones.
    """
    nodes = [
        node("Slice", ["first", "zero_1", "one_1", "channel"], ["red_first"]),
        node("Slice", ["second", "zero_1", "one_1", "channel"], ["red_second"]),
        node("Slice", ["red_first", "one_1", "end", "across"], ["right"]),
        node("Slice", ["red_first", "zero_1", "minus_1", "across"], ["left"]),
        node("Sub", ["right", "left"], ["slopes"]),
        node("ReduceMean", ["slopes"], ["slope"], keepdims=1),
        node("Sub", ["red_first", "red_second"], ["changes"]),
        node("ReduceMean", ["changes"], ["change"], keepdims=1),
        node("Div", ["change", "slope"], ["moved"]),
        node("Clip", ["moved", "least", "most"], ["found"]),
        node("Mul", ["red_first", "zero"], ["none"]),
        node("Sub", ["one", "timestep"], ["rest"]),
        node("Mul", ["found", "timestep"], ["behind"]),
        node("Mul", ["found", "rest"], ["ahead"]),
        node("Sub", ["none", "behind"], ["to_first"]),
        node("Add", ["none", "ahead"], ["to_second"]),
        node("Concat", ["to_first", "none", "to_second", "none"], ["flow"], axis=1),
        node("Add", ["none", "rest"], ["mask"]),
        node("Mul", ["first", "zero"], ["black"]),
        node("Add", ["black", "one"], ["frame"]),
    ]
    path = save_model(
        folder / "measuring.onnx",
        nodes,
        {"first": RGB, "second": RGB, "timestep": (1,)},
        {"flow": (1, 4, *PICTURE), "mask": (1, 1, *PICTURE), "frame": RGB},
        metadata(role="interpolate", color_space="rgb", size_multiple=32),
        initializers=[
            *_numbers(),
            constant("least", -reach),
            constant("most", reach),
            constant("end", [2**30], np.int64),
            constant("minus_1", [-1], np.int64),
            constant("channel", [1], np.int64),
            constant("across", [3], np.int64),
        ],
    )
    return Model.load(path)


def middle_interpolator(folder: Path, *, pixels: float, frame: bool = True) -> Model:
    """Return an interpolator of the middle alone, for pictures of one grey each.

    It believes that things move `pixels` times the difference of their greys to the right.
    """
    nodes = [
        node("Add", ["first", "second"], ["sum"]),
        node("Mul", ["sum", "half"], ["frame"]),
        node("Sub", ["second", "first"], ["changes"]),
        node("Slice", ["changes", "zero_1", "one_1", "channel"], ["change"]),
        node("Mul", ["change", "pixels"], ["to_second"]),
        node("Neg", ["to_second"], ["to_first"]),
        node("Mul", ["change", "zero"], ["none"]),
        node("Concat", ["to_first", "none", "to_second", "none"], ["flow"], axis=1),
        node("Add", ["none", "half"], ["mask"]),
    ]
    outputs: dict[str, Sequence[int | str]] = {"flow": (1, 4, *PICTURE), "mask": (1, 1, *PICTURE)}
    path = save_model(
        folder / "middle.onnx",
        nodes,
        {"first": RGB, "second": RGB},
        outputs | ({"frame": RGB} if frame else {}),
        metadata(role="interpolate", color_space="rgb", size_multiple=16, moments="middle"),
        initializers=[*_numbers(), constant("pixels", pixels / 2), constant("channel", [1], np.int64)],
    )
    return Model.load(path)


def flickering_colorizer(folder: Path, *, flicker: float = 0.2, multiple: int = 8) -> Model:
    """Return a colorizer without memory: a* is 44 where luma is above L* 50 and -44 below, b* is 0.

    To a* comes a number that hangs on the picture's mean in its fourth decimal, so that it is another in every frame:
    up to `flicker` times 110.
    """
    nodes = [
        node("Sub", ["luma", "half"], ["above"]),
        node("Mul", ["above", "steep"], ["far_above"]),
        node("Tanh", ["far_above"], ["side"]),
        node("Mul", ["side", "strength"], ["right"]),
        node("ReduceMean", ["luma"], ["mean"], keepdims=1),
        node("Mul", ["mean", "wild"], ["phase"]),
        node("Sin", ["phase"], ["wave"]),
        node("Mul", ["wave", "flicker"], ["off"]),
        node("Add", ["right", "off"], ["a"]),
        node("Mul", ["luma", "zero"], ["b"]),
        node("Concat", ["a", "b"], ["ab"], axis=1),
    ]
    path = save_model(
        folder / "flickering.onnx",
        nodes,
        {"luma": (1, 1, *PICTURE)},
        {"ab": (1, 2, *PICTURE)},
        metadata(role="colorize", color_space="lab", size_multiple=multiple, working_size="64,96"),
        initializers=[
            *_numbers(),
            constant("steep", 100.0),
            constant("strength", 0.4),
            constant("wild", 2e4),
            constant("flicker", flicker),
        ],
    )
    return Model.load(path)


def reference_encoder(folder: Path) -> Model:
    """Return a model of role `reference`: features are luma at an eighth of the size, plus a tenth of a*."""
    nodes = [
        node("Slice", ["ab", "zero_1", "one_1", "channel"], ["a"]),
        node("Mul", ["a", "tenth"], ["little"]),
        node("Add", ["luma", "little"], ["both"]),
        node("AveragePool", ["both"], ["features"], kernel_shape=[8, 8], strides=[8, 8]),
    ]
    path = save_model(
        folder / "tiny-reference.onnx",
        nodes,
        {"luma": (1, 1, *PICTURE), "ab": (1, 2, *PICTURE)},
        {"features": (1, 1, "hf", "wf")},
        metadata(name="tiny-reference", role="reference", color_space="lab", size_multiple=8),
        initializers=[*_numbers(), constant("tenth", 0.1), constant("channel", [1], np.int64)],
    )
    return Model.load(path)


def exemplar_colorizer(folder: Path, *, encoder: str = "tiny-reference") -> Model:
    """Return a colorizer that follows references encoded by `encoder`: ab is their mean ab, and half of the last ab."""
    nodes = [
        node("Mul", ["reference_ab", "reference_valid"], ["heeded"]),
        node("ReduceMean", ["heeded"], ["means"], axes=[2], keepdims=1),
        node("Unsqueeze", ["means", "last_axis"], ["theirs"]),
        node("ReduceMean", ["reference_features"], ["seen"], keepdims=0),
        node("Mul", ["seen", "zero"], ["nothing"]),
        node("Add", ["luma", "previous_luma"], ["lumas"]),
        node("Mul", ["lumas", "zero"], ["none"]),
        node("Mul", ["previous_ab", "half"], ["last"]),
        node("Add", ["last", "theirs"], ["felt"]),
        node("Add", ["felt", "nothing"], ["known"]),
        node("Add", ["known", "none"], ["ab"]),
        node("Identity", ["ab"], ["next_ab"]),
        node("Identity", ["luma"], ["next_luma"]),
    ]
    luma, ab = (1, 1, *PICTURE), (1, 2, *PICTURE)
    path = save_model(
        folder / "exemplar.onnx",
        nodes,
        {
            "luma": luma,
            "reference_features": (1, 1, "K"),
            "reference_ab": (1, 2, "K"),
            "reference_valid": (1, "K"),
            "previous_luma": luma,
            "previous_ab": ab,
        },
        {"ab": ab, "next_luma": luma, "next_ab": ab},
        metadata(
            role="colorize",
            color_space="lab",
            size_multiple=8,
            working_size="32,48",
            reference_model=encoder,
            states='[{"input": "previous_luma", "output": "next_luma"}, {"input": "previous_ab", "output": "next_ab"}]',
        ),
        initializers=[*_numbers(), constant("last_axis", [3], np.int64)],
    )
    return Model.load(path)


def _numbers() -> list[TensorProto]:
    return [
        constant("zero", 0.0),
        constant("half", 0.5),
        constant("one", 1.0),
        constant("zero_1", [0], np.int64),
        constant("one_1", [1], np.int64),
    ]
