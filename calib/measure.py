"""How far models are from the float32 one that they were made of, on footage: their loss, their time, their size."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calib.bound import milliseconds
from calib.calibrate import OnStep, record_films
from calib.loss import Judge, Loss
from calib.options import Options
from calib.record import read_runs
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of a model.

    loss : against the float32 model on the pictures kept apart; of that model itself it is 0
    milliseconds : of processor time that a run takes in ONNX Runtime on one thread
    """

    model: Model
    loss: Loss
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "name": self.model.card.name,
            "file": str(self.model.path),
            "precision": self.model.card.precision,
            "size_bytes": len(self.model.data),
            "loss": self.loss.value,
            "worst_loss": self.loss.worst,
            "unit": self.loss.unit,
            "psnr_to_float": self.loss.psnr,
            "pictures": self.loss.pictures,
            "milliseconds": self.milliseconds,
        }


def measure(
    model: Model,
    others: Sequence[Model],
    films: Sequence[Path],
    *,
    pictures: int = 12,
    settings: Settings | None = None,
    threads: int = 1,
    on_step: OnStep = lambda what, done, total: None,
) -> tuple[Measured, ...]:
    """Compare models with a float32 one on the pictures of films that calibration keeps apart.

    Parameters
    ----------
    model : float32, of a role that stands in the chain
    others : of the same inputs and outputs, in any precision that ONNX Runtime computes
    films : the ends of them are looked at
    pictures : over all films
    settings : of the restoration in which the model stands
    threads : for all but the timing, which is on one

    Returns
    -------
    The float32 model first, then the others in their order.

    Raises
    ------
    UnsupportedModelError
        The model is not float32, or another has other inputs or outputs.
    CalibrationError
        A film is damaged or too short.
    """
    if model.card.precision != "fp32":
        raise UnsupportedModelError(f"model {model.card.name}: is {model.card.precision}; wanted the float32 model")
    for other in others:
        if (dict(other.inputs), dict(other.outputs)) != (dict(model.inputs), dict(model.outputs)):
            raise UnsupportedModelError(
                f"model {other.path}: takes or gives other tensors than {model.card.name}; wanted one made of it"
            )
    found = Options(frames=max(1, len(films)), held_apart=pictures, threads=threads)
    with tempfile.TemporaryDirectory(prefix="farshore-measure-") as folder:
        recording = record_films(model, films, found, settings or Settings(), Path(folder), on_step)
        judge = Judge(model, threads)
        losses: list[Loss] = []
        for done, one in enumerate((model, *others), start=1):
            losses.append(judge.judge(one.data, recording.held_apart))
            on_step("search", done, 1 + len(others))
        inputs = read_runs(recording.held_apart[0])[-1]
        times = milliseconds({str(index): one.data for index, one in enumerate((model, *others))}, inputs)
    return tuple(
        Measured(model=one, loss=loss, milliseconds=times[str(index)])
        for index, (one, loss) in enumerate(zip((model, *others), losses, strict=True))
    )
