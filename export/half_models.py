"""Make half-precision files of finished models: ``python -m export.half_models NAME.onnx...``.

Each ``NAME.onnx`` gives ``NAME-fp16.onnx`` beside it (or in ``--out``): float16 where the work is, float32 where place
or range needs it (`export/onnx/half.py`), tensors in and out in float32, the same metadata with ``precision`` fp16.
What it loses against the float32 file, on random pictures of two sizes, is printed and must stay within ``--least-db``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from engine.backends.base import Profile
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.tensorrt.profiles import usual_shapes
from engine.errors import BuildError
from engine.model import Model
from export.onnx.half import halve
from export.onnx.write import save_model

SIZES = ((96, 128), (240, 320))
"""Heights and widths at which the two files are compared."""

LEAST_DB = 60.0
"""PSNR below which half precision counts as broken: an 8-bit code is 48 dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halved:
    """A half-precision file.

    path : where it is
    bytes : of the file
    psnr_db : of the worst output at the worst size against float32, with the output's own range as peak
    """

    path: Path
    bytes: int
    psnr_db: float


def write_half(source: Path, folder: Path, *, least_db: float = LEAST_DB) -> Halved:
    """Write the half-precision file of a model.

    Parameters
    ----------
    source : a float32 model with metadata
    folder : for the file

    Raises
    ------
    BuildError
        The model is not float32, or loses more than `least_db` allows; nothing is written.
    """
    model = Model.load(source)
    if model.card.precision != "fp32":
        raise BuildError(f"model {source}: its precision is {model.card.precision}; wanted fp32")
    graph = onnx.load(source)
    half = halve(graph)
    for entry in half.metadata_props:
        if entry.key == "farshore.precision":
            entry.value = "fp16"
    target = folder / f"{source.stem}-fp16.onnx"
    loss = min(compare(model, half.SerializeToString(), size) for size in SIZES)
    if loss < least_db:
        raise BuildError(f"model {source}: in half precision {loss:.1f} dB from float32; wanted {least_db:.0f} or more")
    save_model(half, target, role=model.card.role)
    return Halved(path=target, bytes=target.stat().st_size, psnr_db=loss)


def compare(model: Model, half: bytes, size: tuple[int, int]) -> float:
    """Return the PSNR, dB, of the worst output of a half-precision file against its float32 model."""
    shapes = usual_shapes(model, size)
    rng = np.random.default_rng(1)
    inputs = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    halved = Model(path=model.path, sha256="", data=half, card=model.card, inputs=model.inputs, outputs=model.outputs)
    found: list[Mapping[str, np.ndarray]] = []
    for each in (model, halved):
        session = OnnxRuntimeBackend().open(each, Profile(shapes), 1)
        outputs = {name: np.zeros(shape, np.float32) for name, shape in session.output_shapes.items()}
        session.enqueue(inputs, outputs)
        found.append(outputs)
    return min(_psnr(truth, found[1][name]) for name, truth in found[0].items())


def _psnr(truth: np.ndarray, got: np.ndarray) -> float:
    error = float(np.mean((truth.astype(np.float64) - got) ** 2))
    if not np.isfinite(error):
        return -np.inf
    peak = max(float(np.abs(truth).max()), 1e-6)
    return float(10 * np.log10(peak**2 / error)) if error else np.inf


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="NAME.onnx")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the files; beside the models unless given")
    parser.add_argument("--least-db", type=float, default=LEAST_DB, help="PSNR below which a file is not written")
    options = parser.parse_args(arguments)
    for source in options.models:
        made = write_half(source, options.out or source.parent, least_db=options.least_db)
        sys.stdout.write(f"{made.path.name}: {made.bytes / 1e6:.2f} MB, {made.psnr_db:.1f} dB from float32\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
