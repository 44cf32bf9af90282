"""Keep the loss within a bound: rank layers by what their quantization costs, put the worst back to floating point."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import onnx

from calib.loss import Judge, Loss, open_session
from calib.record import Run
from engine.errors import CalibrationError

TIMED_RUNS = 5

Build = Callable[[Sequence[str]], onnx.ModelProto]
"""Makes the quantized model in which the named layers run in 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the quantization of one layer costs.

    layer : its name
    loss : where this layer alone runs in 8 bits
    """

    layer: str
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A model of the search.

    kept : layers put back to floating point, the costliest first
    loss : on the pictures kept apart
    milliseconds : of processor time for one run on one thread; None where speed on this machine says nothing
    """

    kept: tuple[str, ...]
    loss: Loss
    milliseconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was tried.

    costs : of all layers, the costliest first
    points : with no, one, two, ... layers kept
    chosen : index of the point that was taken: the first within the bound
    """

    costs: tuple[Cost, ...]
    points: tuple[Point, ...]
    chosen: int


def rank(judge: Judge, build: Build, layers: Sequence[str], pictures: Sequence[Path]) -> list[Cost]:
    """Return the cost of every layer, the costliest first."""
    costs = [Cost(layer=layer, loss=judge.judge(build([layer]), pictures).value) for layer in layers]
    return sorted(costs, key=lambda cost: -cost.loss)


def search(
    judge: Judge,
    build: Build,
    layers: Sequence[str],
    *,
    max_loss: float,
    rank_on: Sequence[Path],
    measure_on: Sequence[Path],
    timed: Mapping[str, onnx.ModelProto | bytes] | None,
    timed_inputs: Run,
    whole_curve: bool = True,
    on_point: Callable[[int, int], None] = lambda done, total: None,
) -> Search:
    """Put layers back to floating point, the costliest first, until the bound holds.

    Parameters
    ----------
    max_loss : in the unit of the role
    rank_on : pictures by which layers are ranked; the bound is not measured on these
    measure_on : pictures kept apart, on which it is
    timed : other models to time beside each point, so that both meet the same machine; None: time nothing
    timed_inputs : of the runs that are timed
    whole_curve : go on behind the chosen point, for the report
    on_point : told how many models of how many were measured

    Raises
    ------
    CalibrationError
        No layer may be quantized within the bound.
    """
    costs = rank(judge, build, layers, rank_on)
    order = [cost.layer for cost in costs]
    points: list[Point] = []
    chosen: int | None = None
    for count in range(len(order)):
        kept = set(order[:count])
        model = build([name for name in layers if name not in kept])
        loss = judge.judge(model, measure_on)
        taken = None if timed is None else milliseconds({**timed, "": model}, timed_inputs)[""]
        points.append(Point(kept=tuple(order[:count]), loss=loss, milliseconds=taken))
        if chosen is None and loss.value <= max_loss:
            chosen = count
        on_point(count + 1, len(order))
        if chosen is not None and not whole_curve:
            break
    if chosen is None:
        unit = points[0].loss.unit
        least = min(point.loss.value for point in points)
        raise CalibrationError(
            f"bound: the least loss with any layer in 8 bits is {least:.3g} {unit}; at most {max_loss:g} was allowed; "
            "raise --max-loss, or use the float32 model"
        )
    return Search(costs=tuple(costs), points=tuple(points), chosen=chosen)


def milliseconds(
    models: Mapping[str, onnx.ModelProto | bytes], inputs: Run, runs: int = TIMED_RUNS
) -> dict[str, float]:
    """Return the median processor time of a run of each model on one thread, taken in turns.

    Processor time, so that what else the machine does counts little.
    """
    sessions = {name: open_session(model, 1) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(runs + 1):
        for name, session in sessions.items():
            start = time.process_time()
            session.run(None, inputs)
            if turn > 0:
                times[name].append((time.process_time() - start) * 1e3)
    return {name: median(values) for name, values in times.items()}
