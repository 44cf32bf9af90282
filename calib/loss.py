"""What quantization cost: how far the 8-bit model's pictures are from the float32 model's, as a loss of quality.

The user's footage has no truth to compare with. The loss in dB is therefore what the difference between both models
takes from a float32 model that is itself `TRUTH_PSNR` away from the truth, both errors being independent::

    loss = 10 log10(1 + mse(int8, float32) / mse0),  mse0 = 10^(-TRUTH_PSNR / 10)

A difference of 52.4 dB thus costs 0.1 dB. A better model loses more to the same difference, a worse one less: 36 dB is
what a good restorer reaches on film of medium damage. Colour is compared as the eye sees it: the mean CIEDE2000
difference at the picture's own lightness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from calib.record import read_runs
from engine.backends.base import Array
from engine.media.colour_error import ciede2000
from engine.model import Model
from engine.stages.exemplars import AB_RANGE
from engine.stages.warp import Warper

TRUTH_PSNR = 36.0
"""dB, of the float32 model against the truth."""

PSNR_CEILING = 99.0
"""dB, where both pictures are equal."""

Outputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What quantization cost over some pictures.

    value : in `unit`; of all pictures together
    worst : of the worst picture
    unit : `dB` or `CIEDE2000`
    psnr : of the 8-bit model's pictures against the float32 model's, dB; None for colour
    pictures : measured
    """

    value: float
    worst: float
    unit: str
    psnr: float | None
    pictures: int


def unit_of(role: str) -> str:
    """Return in which unit a role's loss is measured."""
    return "CIEDE2000" if role == "colorize" else "dB"


def loss_in_db(mse: float) -> float:
    """Return the loss that goes with a mean squared difference of pictures in [0, 1]."""
    return 10 * log10(1 + mse * 10 ** (TRUTH_PSNR / 10))


class Judge:
    """Compares models with the float32 one on recorded pictures.

    Parameters
    ----------
    model : the float32 one
    threads : processor threads for its runs and for those of the others
    """

    def __init__(self, model: Model, threads: int) -> None:
        self._card, self._threads = model.card, threads
        self._states = {pair.input: pair.output for pair in model.card.states}
        self._low, high = model.card.value_range
        self._span = high - self._low
        self._wanted: dict[Path, dict[str, Array]] = {}
        self._reference = open_session(model.data, threads)

    def judge(self, data: bytes | onnx.ModelProto, pictures: Sequence[Path]) -> Loss:
        """Measure the loss of a model over recorded pictures."""
        session = open_session(data, self._threads)
        differences = [self._difference(session, path) for path in pictures]
        mean = float(np.mean(differences))
        if self._card.role == "colorize":
            return Loss(value=mean, worst=max(differences), unit="CIEDE2000", psnr=None, pictures=len(differences))
        psnr = PSNR_CEILING if mean <= 0 else min(PSNR_CEILING, -10 * log10(mean))
        return Loss(
            value=loss_in_db(mean),
            worst=loss_in_db(max(differences)),
            unit="dB",
            psnr=psnr,
            pictures=len(differences),
        )

    def _difference(self, session: onnxruntime.InferenceSession, path: Path) -> float:
        """Return the mean squared difference of one picture, or the mean CIEDE2000."""
        runs = read_runs(path)
        if path not in self._wanted:
            self._wanted[path] = self._shown(runs[-1], self._replay(self._reference, runs))
        wanted, found = self._wanted[path], self._shown(runs[-1], self._replay(session, runs))
        if self._card.role == "colorize":
            return float(ciede2000(wanted["lab"], found["lab"]).mean())
        # Luma and chroma each count for themselves: film is looked at for its luma, but colour must not drift unseen.
        return max(float(np.square(found[name] - plane).mean()) for name, plane in wanted.items())

    def _replay(self, session: onnxruntime.InferenceSession, runs: Sequence[Mapping[str, Array]]) -> Outputs:
        """Run a clip; a recurrent model follows its own states from the first run on."""
        names = [output.name for output in session.get_outputs()]
        given: dict[str, Array] = {}
        outputs: dict[str, Any] = {}
        for run in runs:
            given = {**run, **{name: outputs[output] for name, output in self._states.items() if outputs}}
            outputs = dict(zip(names, session.run(names, given), strict=True))
        return outputs

    def _shown(self, inputs: Mapping[str, Array], outputs: Outputs) -> dict[str, Array]:
        """Return what is seen of a run, in [0, 1] (for colour L*a*b*), by name."""
        if self._card.role == "colorize":
            ab = outputs["ab"][0] * AB_RANGE
            return {"lab": np.concatenate([inputs["luma"][0] * 100, ab]).transpose(1, 2, 0)}
        if "flow" in outputs and "mask" in outputs:
            return {"frame": self._between(inputs, outputs)}
        skipped = {*self._states.values(), "features"}
        if _is_constant(inputs.get("chroma")):
            skipped.add("chroma_out")  # a grey film ignores it
        return {
            name: np.clip((array - self._low) / self._span, 0, 1)
            for name, array in outputs.items()
            if name not in skipped
        }

    def _between(self, inputs: Mapping[str, Array], outputs: Outputs) -> Array:
        """Return the picture between two, in [0, 1]."""
        first, second = ((inputs[name][0] - self._low) / self._span for name in ("first", "second"))
        flow, mask = outputs["flow"][0], outputs["mask"][0]
        height, width = first.shape[1:]
        warper = Warper(height, width)
        warper.aim(flow, mask, height // flow.shape[1])
        made = np.empty_like(first, np.float32)
        for before, after, out in zip(first, second, made, strict=True):
            warper.blend(np.ascontiguousarray(before, np.float32), np.ascontiguousarray(after, np.float32), out)
        return np.clip(made, 0, 1)


def open_session(data: bytes | onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """Open a model in ONNX Runtime on the processor, as the runtime does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if not isinstance(data, bytes) and _holds_float8(data):
        # Its further rewriting makes wrong results of 8-bit floats: off by 3.6 where basic rewriting is off by 0.0014.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    content = data if isinstance(data, bytes) else data.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _holds_float8(model: onnx.ModelProto) -> bool:
    return any(tensor.data_type == onnx.TensorProto.FLOAT8E4M3FN for tensor in model.graph.initializer)


def _is_constant(array: Array | None) -> bool:
    return array is not None and float(np.ptp(array)) == 0.0
