"""What became of a thing that was tried on a GPU, and what of it counts as a failure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from engine.errors import BuildError, ConfigError, FarshoreError, Interrupted, MissingExtraError, ModelError

Outcome = Literal["right", "wrong", "refused", "failed"]
"""Ran and is what it should be; ran and is not; was turned down by the backend; an error came."""

FOR_PROCESSORS = (
    "the 8-bit files that come with farshore are for processors; make one for a GPU with "
    "`farshore calibrate MODEL --form tensorrt`"
)

Found = Mapping[str, Any]


def outcome_of(error: FarshoreError) -> Outcome:
    """Return ``refused`` where a backend says that it does not run this, ``failed`` for everything else.

    Raises
    ------
    Interrupted
        It is one: the check ends.
    """
    if isinstance(error, Interrupted):
        raise error
    is_refusal = isinstance(error, (BuildError, ConfigError, MissingExtraError, ModelError))
    return "refused" if is_refusal else "failed"


def failures(found: Found) -> list[str]:
    """Return a line for everything that is not as it should be; none: the GPU is right.

    What one backend refuses is no failure by itself, for another may run it. What all refuse is one: a built-in model,
    the chain, or the film. In 8 bits it is none: not every backend computes on integers.

    Parameters
    ----------
    found : what `bench.gpu.check.check` returns
    """
    lines = [
        f"kernel {row['kernel']} ({row['element']}): {', '.join(row['failed'])}"
        for row in found["kernels"]
        if row["failed"]
    ]
    times = found["kernel_times"]
    lines += [
        f"{kind} {row['name']} at {times['width']}x{times['height']}: {row['reason']}"
        for kind, rows in (("part", times["parts"]), ("kernel", times["kernels"]))
        for row in rows
        if row["outcome"] == "failed"
    ]
    if times["reason"] is not None:
        lines.append(f"copy beside the kernels: {times['reason']}")
    tried: dict[str, list[str]] = {}
    for name, backend in found["backends"].items():
        for what, row in _rows(backend):
            if row["outcome"] in ("wrong", "failed"):
                lines.append(f"{name}: {what}: {row['outcome']}: {row['reason']}")
            if row.get("builtin", True) and row["reason"] != FOR_PROCESSORS:
                tried.setdefault(what, []).append(row["outcome"])
        if not backend["roof"]["bytes_per_second"]:
            lines.append(f"{name}: what the device can do: failed: {backend['roof']['refused']['copy']}")
    refused = (what for what, outcomes in tried.items() if set(outcomes) == {"refused"})
    return lines + [f"{what}: every backend refuses it" for what in refused]


def refusals(found: Found) -> list[str]:
    """Return a line for everything that a backend refuses, and for every backend that could not be opened."""
    lines = [f"{name}: {reason}" for name, reason in found["refused"].items()]
    if found["peers"]["reason"] is not None:
        lines.append(found["peers"]["reason"])
    lines += [
        f"PyTorch: {row['model']} {row['how']} {row['precision']}: {row['reason']}"
        for row in found["peers"]["rows"]
        if row["reason"] is not None
    ]
    for name, backend in found["backends"].items():
        products = {what: reason for what, reason in backend["roof"]["refused"].items() if what != "copy"}
        lines += [f"{name}: products in {precision}: {reason}" for precision, reason in products.items()]
        lines += [f"{name}: {what}: {row['reason']}" for what, row in _rows(backend) if row["outcome"] == "refused"]
    return lines


def _rows(backend: Found) -> Iterator[tuple[str, Found]]:
    for row in backend["models"]:
        yield f"model {row['model']}", row
        for timing in row["timings"]:
            yield f"model {row['model']} {timing['width']}x{timing['height']}", {**timing, "builtin": row["builtin"]}
    for row in backend["chains"]:
        name = f"chain {row['width']}x{row['height']} {row['precision']}"
        yield name, {**row, "builtin": row["precision"] != "int8"}
    for row in backend["films"]:
        yield f"film {row['width']}x{row['height']} {row['precision']}", row
