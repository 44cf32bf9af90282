"""What was measured: rows of scores, and how they are averaged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.quality.sheet import Exhibit

Scores = Mapping[str, float | None]
"""Metric → value; None where it could not be taken (no moving pixels, no dust)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case: a clip with one damage, one moment between two frames, one photograph.

    case : what it is; keys differ between sections
    scores : contender → metric → value
    """

    case: Mapping[str, str | int | float]
    scores: Mapping[str, Scores]


@dataclass(slots=True, kw_only=True)
class Section:
    """One bench: restore, interpolate or colorize.

    models : labels of the contenders that are models; the first is the one that is judged
    rows : in the order measured
    exhibits : pictures of the worst and best cases
    failures : frames that a stage passed through because its model failed
    """

    name: str
    models: Sequence[str]
    rows: list[Row] = field(default_factory=list[Row])
    exhibits: Sequence[Exhibit] = ()
    failures: int = 0

    def where(self, **case: str | int | float) -> list[Row]:
        """Return the rows whose case has these values."""
        return [row for row in self.rows if all(row.case.get(key) == value for key, value in case.items())]


class Extremes:
    """Keeps the cases with the lowest and the highest value of each kind, and makes pictures of no others."""

    def __init__(self) -> None:
        self._lowest: dict[str, tuple[float, Exhibit]] = {}
        self._highest: dict[str, tuple[float, Exhibit]] = {}

    def offer(self, kind: str, value: float, make: Callable[[], Exhibit]) -> None:
        """Take a case in, if it is more extreme than those seen of its kind; `make` draws it."""
        if kind not in self._lowest or value < self._lowest[kind][0]:
            self._lowest[kind] = value, make()
        if kind not in self._highest or value > self._highest[kind][0]:
            self._highest[kind] = value, make()

    def exhibits(self) -> list[Exhibit]:
        """Return the pictures, kind by kind, lowest value first; one where they are the same case."""
        found: list[Exhibit] = []
        for kind, (value, exhibit) in self._lowest.items():
            found.append(exhibit)
            if self._highest[kind][0] != value:
                found.append(self._highest[kind][1])
        return found


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values there are, or None."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def values(rows: Iterable[Row], contender: str, metric: str) -> list[float | None]:
    """Return one metric of one contender, row by row."""
    return [row.scores.get(contender, {}).get(metric) for row in rows]


def gains(rows: Iterable[Row], contender: str, over: str, metric: str) -> list[float]:
    """Return by how much a contender's metric exceeds another's, for the rows that have both."""
    rows = list(rows)
    pairs = zip(values(rows, contender, metric), values(rows, over, metric), strict=True)
    return [first - second for first, second in pairs if first is not None and second is not None]
