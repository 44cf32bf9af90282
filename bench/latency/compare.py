"""Whether one build is slower than another, from repeated runs of both."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.latency.student import welch
from engine.errors import ConfigError

FALSE_ALARMS = 0.01
"""How often equal builds are called slower, at most, whatever the number of figures compared."""

SMALLEST_SLOWDOWN = 0.02
"""Slow-downs below this are not told as such, however sure they are."""

Verdict = Literal["slower", "faster", "no difference shown"]
Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one figure changed.

    case : its label
    what : the figure
    before, after : geometric means of the runs
    slowdown, low, high : as a share, positive where it became worse, and the ends of its interval; 0.05 is 5 % slower
    """

    case: str
    what: str
    before: float
    after: float
    slowdown: float
    low: float
    high: float
    verdict: Verdict


def compare(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    false_alarms: float = FALSE_ALARMS,
    smallest: float = SMALLEST_SLOWDOWN,
) -> list[Change]:
    """Compare the figures of the cases that two results share.

    Runs, not frames, are what is counted: frames of one run share its luck. The logarithms of the runs' figures are
    compared, so that changes are ratios, by Welch's interval at `false_alarms` ÷ the number of figures (Bonferroni). It
    needs no equal scatter and serves from 2 runs on; resampling so few runs (a bootstrap) gives intervals that are too
    narrow, and cannot reach into tails this far. A run that was disturbed widens the interval: that hides a slow-down
    rather than inventing one.

    Parameters
    ----------
    before, after : results, read and checked
    false_alarms : probability that equal builds are called slower
    smallest : slow-down from which one is told

    Raises
    ------
    ConfigError
        The results share no case, measured different kinds, or hold a single run of one.
    """
    if before["kind"] != after["kind"]:
        raise ConfigError(f"compare: one file holds {before['kind']}, the other {after['kind']}; wanted two of a kind")
    pairs = list(_pairs(before, after))
    if not pairs:
        raise ConfigError("compare: the files share no case; measure the same sizes, precisions, models and seconds")
    if not 0 < false_alarms < 0.5:
        raise ConfigError(f"false alarms: got {false_alarms:g}; wanted more than 0 and less than 0.5")
    figures = [
        (label, what, first, second)
        for label, old, new in pairs
        for what, (first, second) in _figures(label, old["runs"], new["runs"])
    ]
    return [_change(*figure, false_alarms / len(figures), smallest) for figure in figures]


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for old in before["cases"]:
        for new in after["cases"]:
            if old["case"] == new["case"]:
                case = old["case"]
                yield f"{case['width']}x{case['height']} {case['precision']} {case['backend']}", old, new


def _figures(
    label: str, old: Sequence[Run], new: Sequence[Run]
) -> Iterator[tuple[str, tuple[list[float], list[float]]]]:
    """Yield each figure of two cases as times: rates are turned over."""
    if min(len(old), len(new)) < 2:
        raise ConfigError(f"compare: case {label} has a single run in one file; measure with --repeat 5 or more")
    stages = [stage["stage"] for stage in old[0]["stages"]]
    if stages != [stage["stage"] for stage in new[0]["stages"]]:
        raise ConfigError(f"compare: case {label} has other stages in one file; compare chains of the same stages")
    readers: dict[str, Callable[[Run], float]] = {
        "ms a frame": lambda run: 1000 / run["fps_out"],
        "delay": lambda run: run["delay_ms"]["median_ms"],
    }
    for number, stage in enumerate(stages):
        readers[f"{stage} mean"] = lambda run, n=number: run["stages"][n]["mean_ms"]
        readers[f"{stage} p95"] = lambda run, n=number: run["stages"][n]["p95_ms"]
    for what, read in readers.items():
        yield what, ([read(run) for run in old], [read(run) for run in new])


def _change(label: str, what: str, first: list[float], second: list[float], tail: float, smallest: float) -> Change:
    logs = [[math.log(max(value, 1e-6)) for value in values] for values in (first, second)]
    difference, low, high = welch(logs[0], logs[1], tail)
    verdict: Verdict = "no difference shown"
    if low > 0 and math.expm1(difference) >= smallest:
        verdict = "slower"
    elif high < 0 and math.expm1(-difference) >= smallest:
        verdict = "faster"
    return Change(
        case=label,
        what=what,
        before=math.exp(sum(logs[0]) / len(first)),
        after=math.exp(sum(logs[1]) / len(second)),
        slowdown=math.expm1(difference),
        low=math.expm1(low),
        high=_expm1(high),
        verdict=verdict,
    )


def _expm1(value: float) -> float:
    """Return e**value - 1, infinite where that is too much for a float: two runs that differ tell next to nothing."""
    return math.expm1(value) if value < 700 else math.inf
