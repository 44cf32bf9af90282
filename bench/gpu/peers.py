"""PyTorch beside ours: published networks with drawn weights as models, and the same networks timed there.

PyTorch lives in an environment of its own, whose interpreter is run as a child on the same GPU.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calib.calibrate import quantize_unmeasured
from engine.backends.base import Array
from engine.backends.tensorrt.profiles import usual_shapes
from engine.errors import EngineError
from engine.model import Model

ROOT = Path(__file__).parents[2]

RANGED_AT = (128, 192)
"""Height and width of the pictures of noise that 8-bit ranges are taken from, where the size is open."""
RANGED_ON = 2


class Peers:
    """What PyTorch is asked for.

    Parameters
    ----------
    python : an interpreter with PyTorch, onnx, onnxruntime and safetensors
    folder : for the models that are written
    names : of published models; None: one of every family
    """

    def __init__(self, python: str, folder: Path, names: Sequence[str] | None = None) -> None:
        self._python, self._folder = python, folder
        self._only = [part for name in names or () for part in ("--model", name)]

    def write(self) -> list[Model]:
        """Write published networks with drawn weights as models: float32, half, and 8 bits for TensorRT.

        The 8-bit ones are for timing alone: ranges are those of noise, the loss is not measured.

        Raises
        ------
        EngineError
            PyTorch, or what it needs, is missing or fails.
        """
        self._run("write", str(self._folder), *self._only)
        models = [Model.load(path) for path in self._folder.glob("*.onnx")]
        models += [
            quantize_on_noise(model, self._folder / f"{model.card.name}-int8-tensorrt.onnx")
            for model in models
            if model.card.precision == "fp32"
        ]
        return sorted(models, key=lambda model: model.path.name)

    def time(self, width: int, height: int, device: str, ways: Sequence[str] = ()) -> Mapping[str, Any]:
        """Return what PyTorch took for the built-in and the written networks; `export.peers` says what is in it.

        Parameters
        ----------
        width, height : of the pictures
        device : as PyTorch calls it
        ways : such as ``eager-fp16``; none: all

        Raises
        ------
        EngineError
            As `write`.
        """
        where = ("--size", f"{width}x{height}", "--device", device)
        only = [part for way in ways for part in ("--way", way)]
        return json.loads(self._run("time", str(self._folder), *where, *only, *self._only))

    def _run(self, *arguments: str) -> str:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        try:
            done = subprocess.run(
                [self._python, "-m", "export.peers", *arguments],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            raise EngineError(
                f"PyTorch: {self._python}: {error.strerror}; give an interpreter that has it: --torch PYTHON"
            ) from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            raise EngineError(f"PyTorch: {last}")
        return done.stdout


def quantize_on_noise(model: Model, path: Path) -> Model:
    """Write a model in 8 bits for TensorRT with ranges of noise, for timing alone."""
    rng = np.random.default_rng(1)
    shapes = usual_shapes(model, model.own_size or RANGED_AT)
    runs: list[dict[str, Array]] = [
        {name: rng.random(shape, np.float32) for name, shape in shapes.items()} for _ in range(RANGED_ON)
    ]
    return quantize_unmeasured(model, runs, path, "tensorrt")


def beside(found: Mapping[str, Any]) -> list[str]:
    """Return a line for each network and precision: what PyTorch took, and what each backend of ours did.

    Parameters
    ----------
    found : what `bench.gpu.check.check` returns
    """
    lines: list[str] = []
    for row in found["peers"].get("rows", ()):
        ours = {
            f"{name} {model['precision']}": timing["milliseconds"]
            for name, backend in found["backends"].items()
            for model in backend["models"]
            if model["network"] == row["model"] and model["precision"] in (row["precision"], "int8")
            for timing in model["timings"]
            if (timing["height"], timing["width"]) == (row["height"], row["width"]) and timing["milliseconds"]
        }
        theirs = row["milliseconds"]
        said = row["reason"] if theirs is None else f"{theirs:.2f} ms"
        told = [
            f"{name} {taken:.2f} ms" + ("" if theirs is None else f" ({theirs / taken:.2f} times as fast)")
            for name, taken in ours.items()
        ]
        size = f"{row['width']}x{row['height']}"
        lines.append(f"{row['model']} {size}: PyTorch {row['how']} {row['precision']} {said}; {'; '.join(told)}")
    return lines
