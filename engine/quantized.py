"""8-bit models must say what their quantization cost; one that does not, or costs more than it may, is refused."""

import logging
from collections.abc import Mapping
from typing import Any

from engine.errors import UnsupportedModelError
from engine.model import Model

log = logging.getLogger(__name__)

QUANTIZED = ("int8", "fp8")
"""Precisions whose loss must be known."""


def check_loss(model: Model, *, force: bool) -> None:
    """Refuse an 8-bit model whose loss was not measured, or is over the bound that it was made for.

    Parameters
    ----------
    force : warn instead

    Raises
    ------
    UnsupportedModelError
        The card has no measured loss, or one over its bound.
    """
    if model.card.precision not in QUANTIZED:
        return
    problem = _problem(model.card.calibration or {})
    if problem is None:
        return
    message = f"model {model.card.name}: is {model.card.precision} and {problem}"
    if not force:
        raise UnsupportedModelError(
            f"{message}; make it anew with farshore calibrate, or accept it with --force-int8 (runtime.force_int8)"
        )
    log.warning("%s; it runs because that was asked for", message)


def _problem(calibration: Mapping[str, Any]) -> str | None:
    loss, bound, unit = (calibration.get(key) for key in ("loss", "max_loss", "unit"))
    if not isinstance(loss, (int, float)) or not isinstance(bound, (int, float)):
        return "its card has no measured loss"
    if not loss <= bound:
        return f"loses {loss:g} {unit}, more than the {bound:g} that it may"
    return None
