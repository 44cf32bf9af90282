"""What a library builds of a model, layer by layer: an engine is built for this, and thrown away."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.backends.tensorrt.builder import Note
from engine.backends.tensorrt.layers import Account, Convolution, Share, convolutions, read_account, shares
from engine.backends.tensorrt.library import TITLES, Library
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.process import Limits, run_build
from engine.backends.tensorrt.progress import Report
from engine.model import Model

SCHEMA = "farshore.layers/1"


def inspect_build(model: Model, key: PlanKey, library: Library, limits: Limits, report: Report, note: Note) -> Account:
    """Build a plan as `ensure.ensure_plan` does, with the library's account of it.

    The plan is not kept: an engine with an account is larger, and TensorRT says that it may run slower. TensorRT for
    RTX makes the same layers each time; TensorRT chooses by the clock, and may choose others for the plan that is kept.

    Parameters
    ----------
    model, key, library : the key is of this model and library
    limits : what building may take
    report, note : take progress and warnings while it is built

    Raises
    ------
    BuildError
        It cannot be built, or the library says nothing of its layers, or nothing that is understood.
    """
    accounts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="farshore-layers-") as folder:
        run_build(library.name, model.data, key, Path(folder) / "looked-at.plan", limits, report, note, accounts.append)
    return read_account(accounts[0])


def account_facts(account: Account, key: PlanKey) -> dict[str, Any]:
    """Return an account as plain values."""
    found = convolutions(account.layers)
    return {
        "schema": SCHEMA,
        "key": key.as_json(),
        "convolutions": share_facts(shares(found)),
        "convolution_layers": [asdict(item) for item in found],
        "layers": [asdict(layer) for layer in account.layers],
        "engine": list(account.engine),
    }


def share_facts(found: Sequence[Share]) -> dict[str, Any]:
    """Return shares as plain values, by datatype."""
    return {
        share.datatype: {"count": share.count, "multiply_accumulates": share.multiply_accumulates} for share in found
    }


def summary(account: Account, key: PlanKey) -> str:
    """Return in one line how many of the convolutions multiply in which type, and how much of the work that is."""
    found: Sequence[Convolution] = convolutions(account.layers)
    text = f"{len(account.layers)} layers as {TITLES[key.library]} {key.version} builds them; "
    if not found:
        return f"{text}no convolutions"
    by_type = shares(found)
    work = [share.multiply_accumulates for share in by_type]
    total = sum(item or 0 for item in work)
    text += f"of {len(found)} convolutions {', '.join(f'{share.count} in {share.datatype}' for share in by_type)}"
    if any(item is None for item in work) or not total:
        return (
            f"{text}; of multiply-accumulates unknown, since sizes are open (fixed by --size, --min-size, --max-size)"
        )
    parts = ", ".join(
        f"{(item or 0) / total:.1%} in {share.datatype}" for item, share in zip(work, by_type, strict=True)
    )
    return f"{text}; of {total / 1e9:.3g} G multiply-accumulates {parts}"
