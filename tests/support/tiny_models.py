"""Tiny models for tests of the stages, each computing something that a test can work out by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from engine.backends.base import Array, Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import EngineError, FarshoreError
from engine.model import Model
from tests.support.onnx_files import METADATA, save_model

PICTURE = ("H", "W")


def constant(name: str, value: object, dtype: type = np.float32) -> TensorProto:
    """Return an initializer."""
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def mean_enhancer(
    folder: Path,
    *,
    past: int = 0,
    future: int = 0,
    multiple: int = 1,
    scale: int = 1,
    gain: float = 1.0,
    aligned: str = "no",
    sees: str = "film",
) -> Model:
    """Return a grey enhancer: the mean of its window times `gain`, enlarged by repeating pixels.

    Before the frame being made its window holds the `film`, or what was `restored`.
    """
    nodes = [
        _node("ReduceMean", ["luma"], ["mean"], axes=[1], keepdims=1),
        _node("Mul", ["mean", "gain"], ["made"]),
        _node("Resize", ["made", "", "scales"], ["luma_out"], mode="nearest"),
    ]
    path = save_model(
        folder / "mean.onnx",
        nodes,
        {"luma": (1, past + 1 + future, *PICTURE)},
        {"luma_out": (1, 1, "H2", "W2")},
        _metadata(window=f"{past},{future}", size_multiple=multiple, scale=scale, aligned=aligned, past=sees),
        initializers=[constant("scales", [1, 1, scale, scale]), constant("gain", gain)],
    )
    return Model.load(path)


def shift_enhancer(folder: Path, *, luma: float, chroma: float, multiple: int = 2) -> Model:
    """Return a `ycbcr420` enhancer that adds constants times its strength."""
    nodes = [
        _node("Mul", ["strength", "by_luma"], ["more_luma"]),
        _node("Mul", ["strength", "by_chroma"], ["more_chroma"]),
        _node("Add", ["luma", "more_luma"], ["luma_out"]),
        _node("Add", ["chroma", "more_chroma"], ["chroma_out"]),
    ]
    path = save_model(
        folder / "shift.onnx",
        nodes,
        {"luma": (1, 1, *PICTURE), "chroma": (1, 2, "h", "w"), "strength": (1,)},
        {"luma_out": (1, 1, *PICTURE), "chroma_out": (1, 2, "h", "w")},
        _metadata(color_space="ycbcr420", size_multiple=multiple),
        initializers=[constant("by_luma", luma), constant("by_chroma", chroma)],
    )
    return Model.load(path)


def chroma_doubler(folder: Path) -> Model:
    """Return a `ycbcr420` enhancer that repeats pixels, twice as large, and adds 0.05 to both planes of chroma."""
    repeat = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    path = save_model(
        folder / "double.onnx",
        [
            _node("Resize", ["luma", "", "scales"], ["luma_out"], **repeat),
            _node("Add", ["chroma", "more"], ["changed"]),
            _node("Resize", ["changed", "", "scales"], ["chroma_out"], **repeat),
        ],
        {"luma": (1, 1, *PICTURE), "chroma": (1, 2, "h", "w")},
        {"luma_out": (1, 1, "H2", "W2"), "chroma_out": (1, 2, "h2", "w2")},
        _metadata(color_space="ycbcr420", size_multiple=2, scale=2),
        initializers=[constant("scales", [1, 1, 2, 2]), constant("more", 0.05)],
    )
    return Model.load(path)


def rgb_enhancer(folder: Path, *, value_range: str = "0,1") -> Model:
    """Return an `rgb` enhancer that takes a tenth of the range off red."""
    low, high = (float(part) for part in value_range.split(","))
    less = np.array([0.1 * (high - low), 0.0, 0.0]).reshape(1, 3, 1, 1)
    path = save_model(
        folder / "rgb.onnx",
        [_node("Sub", ["frames", "less"], ["frame"])],
        {"frames": (1, 3, *PICTURE)},
        {"frame": (1, 3, *PICTURE)},
        _metadata(color_space="rgb", value_range=value_range),
        initializers=[constant("less", less)],
    )
    return Model.load(path)


def counting_enhancer(folder: Path) -> Model:
    """Return a grey enhancer with a state: each frame of a shot becomes a hundredth brighter than the one before."""
    nodes = [
        _node("Add", ["count_in", "step"], ["count_out"]),
        _node("Add", ["luma", "count_in"], ["luma_out"]),
    ]
    path = save_model(
        folder / "count.onnx",
        nodes,
        {"luma": (1, 1, *PICTURE), "count_in": (1, 1, *PICTURE)},
        {"luma_out": (1, 1, *PICTURE), "count_out": (1, 1, *PICTURE)},
        _metadata(states='[{"input": "count_in", "output": "count_out"}]'),
        initializers=[constant("step", 0.01)],
    )
    return Model.load(path)


def pan_interpolator(folder: Path, *, motion: tuple[float, float], multiple: int = 4, rgb: bool = False) -> Model:
    """Return an interpolator that believes in one motion, pixels from `first` to `second` in x and y."""
    x, y = motion
    nodes = [
        _node("ReduceMean", ["first"], ["plane"], axes=[1], keepdims=1),
        _node("AveragePool", ["plane"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        _node("Mul", ["small", "zero"], ["none"]),
        _node("Concat", ["none", "none", "none", "none"], ["still"], axis=1),
        _node("Mul", ["timestep", "full"], ["back"]),
        _node("Sub", ["offset", "back"], ["moved"]),
        _node("Add", ["still", "moved"], ["flow"]),
        _node("Sub", ["one", "timestep"], ["rest"]),
        _node("Add", ["none", "rest"], ["mask"]),
    ]
    channels = 3 if rgb else 1
    path = save_model(
        folder / "pan.onnx",
        nodes,
        {"first": (1, channels, *PICTURE), "second": (1, channels, *PICTURE), "timestep": (1,)},
        {"flow": (1, 4, "h", "w"), "mask": (1, 1, "h", "w")},
        _metadata(role="interpolate", size_multiple=multiple, color_space="rgb" if rgb else "gray"),
        initializers=[
            constant("zero", 0.0),
            constant("one", 1.0),
            constant("full", np.array([x, y, x, y]).reshape(1, 4, 1, 1)),
            constant("offset", np.array([0, 0, x, y]).reshape(1, 4, 1, 1)),
        ],
    )
    return Model.load(path)


def fade_interpolator(folder: Path) -> Model:
    """Return an interpolator that gives a picture and no motion: the mean of both, whenever it is."""
    nodes = [
        _node("Add", ["first", "second"], ["sum"]),
        _node("Mul", ["timestep", "zero"], ["none"]),
        _node("Add", ["half", "none"], ["part"]),
        _node("Mul", ["sum", "part"], ["frame"]),
    ]
    path = save_model(
        folder / "fade.onnx",
        nodes,
        {"first": (1, 3, *PICTURE), "second": (1, 3, *PICTURE), "timestep": (1,)},
        {"frame": (1, 3, *PICTURE)},
        _metadata(role="interpolate", color_space="rgb"),
        initializers=[constant("half", 0.5), constant("zero", 0.0)],
    )
    return Model.load(path)


def counting_colorizer(folder: Path, *, references: bool = True) -> Model:
    """Return a colorizer: a* is 55 plus the references' mean a*, b* is 5.5 times the shot's frames so far.

    Features are the luma at an eighth of the size.
    """
    inputs: dict[str, Sequence[int | str]] = {"luma": (1, 1, *PICTURE), "count_in": (1, 1, *PICTURE)}
    outputs: dict[str, Sequence[int | str]] = {"ab": (1, 2, *PICTURE), "count_out": (1, 1, *PICTURE)}
    nodes = [
        _node("Mul", ["luma", "zero"], ["none"]),
        _node("Add", ["none", "half"], ["own"]),
        _node("Add", ["count_in", "step"], ["count_out"]),
        _node("Concat", ["a" if references else "own", "count_out"], ["ab"], axis=1),
    ]
    if references:
        inputs |= {
            "reference_features": (1, 1, "K"),
            "reference_ab": (1, 2, "K"),
            "reference_valid": (1, "K"),
        }
        outputs["features"] = (1, 1, "hf", "wf")
        nodes[3:3] = [
            _node("AveragePool", ["luma"], ["features"], kernel_shape=[8, 8], strides=[8, 8]),
            _node("ReduceMean", ["reference_features"], ["unused"], keepdims=0),
            _node("Mul", ["unused", "zero"], ["nothing"]),
            _node("Mul", ["reference_ab", "reference_valid"], ["heeded"]),
            _node("ReduceMean", ["heeded"], ["means"], axes=[2], keepdims=0),
            _node("Gather", ["means", "first"], ["mean_a"], axis=1),
            _node("Add", ["mean_a", "nothing"], ["their_a"]),
            _node("Add", ["own", "their_a"], ["a"]),
        ]
    path = save_model(
        folder / "colour.onnx",
        nodes,
        inputs,
        outputs,
        _metadata(
            role="colorize",
            color_space="lab",
            size_multiple=8,
            working_size="32,40",
            states='[{"input": "count_in", "output": "count_out"}]',
        ),
        initializers=[
            constant("zero", 0.0),
            constant("half", 0.5),
            constant("step", 0.05),
            constant("first", 0, np.int64),
        ],
    )
    return Model.load(path)


class FailingBackend(Backend):
    """A backend, ONNX Runtime's if none is given, whose sessions fail at the runs numbered in `at`, from 0."""

    name = "failing"

    def __init__(self, at: Sequence[int], error: FarshoreError | None = None, inner: Backend | None = None) -> None:
        self.runs = 0
        self._at, self._error = set(at), error or EngineError("the library broke")
        self._inner = inner or OnnxRuntimeBackend()

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        return _FailingSession(self, self._inner.open(model, profile, threads), profile)

    def fail_if_due(self) -> None:
        self.runs += 1
        if self.runs - 1 in self._at:
            raise self._error


class _FailingSession(Session):
    def __init__(self, backend: FailingBackend, inner: Session, profile: Profile) -> None:
        super().__init__(inner.model, profile, inner.output_shapes, device=inner.device)
        self._backend, self._inner = backend, inner

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        self._backend.fail_if_due()
        self._inner.enqueue(inputs, outputs, cuda_stream)


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def _metadata(**values: object) -> dict[str, str]:
    return {**METADATA, **{key: str(value) for key, value in values.items()}}
