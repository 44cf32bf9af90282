"""Run the float32 model on what was recorded and count the values of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from calib.loss import open_session
from calib.onnx_tools import Values
from calib.ranges import Histogram
from calib.record import read_runs

TENSORS_AT_ONCE = 24
"""Tensors that one run gives out; all of a large network together would not fit into memory."""


def with_outputs(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """Return a copy of a model whose outputs are these tensors."""
    made = onnx.ModelProto.FromString(model.SerializeToString())
    del made.graph.output[:]
    for name in tensors:
        made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return made


def collect(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    pictures: Sequence[Path],
    *,
    threads: int,
    on_picture: Callable[[int], None] = lambda _: None,
) -> dict[str, Histogram]:
    """Count the values of tensors over recorded pictures.

    Parameters
    ----------
    model : prepared, float32
    tensors : inputs of the model among them are counted as they came
    on_picture : told how many pictures are done

    Raises
    ------
    CalibrationError
        A tensor holds values that are not finite.
    """
    histograms = {name: Histogram() for name in tensors}
    given = {value.name for value in model.graph.input}
    inner = [name for name in tensors if name not in given]
    parts = [inner[start : start + TENSORS_AT_ONCE] for start in range(0, len(inner), TENSORS_AT_ONCE)]
    sessions = [(part, open_session(with_outputs(model, part), threads)) for part in parts]
    for number, path in enumerate(pictures, start=1):
        inputs = read_runs(path)[-1]
        for name in tensors:
            if name in given:
                histograms[name].add(inputs[name], name)
        for part, session in sessions:
            for name, values in zip(part, session.run(part, inputs), strict=True):
                histograms[name].add(np.asarray(values, np.float32), name)
        on_picture(number)
    return histograms


def channel_means(
    model: onnx.ModelProto, tensors: Sequence[str], pictures: Sequence[Path], *, threads: int
) -> dict[str, Values]:
    """Return for each tensor (1, C, ...) the mean of every channel over recorded pictures, float32 (C,)."""
    session = open_session(with_outputs(model, tensors), threads)
    sums = {name: np.zeros(1) for name in tensors}
    for path in pictures:
        for name, values in zip(tensors, session.run(list(tensors), read_runs(path)[-1]), strict=True):
            array = np.asarray(values, np.float64)
            sums[name] = sums[name] + array.mean(axis=(0, *range(2, array.ndim)))
    return {name: (total / len(pictures)).astype(np.float32) for name, total in sums.items()}
