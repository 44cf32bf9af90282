"""Plots as SVG text. Colours are classes of the page's style sheet, so that a plot is readable in light and dark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values onto pixels.

    low, high : values, both above 0 where `is_log`
    start, end : pixels
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = (math.log10(x) if self.is_log else x for x in (self.low, self.high, max(value, self._least)))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    @property
    def _least(self) -> float:
        return self.low if self.is_log else -math.inf

    def ticks(self) -> list[float]:
        """Return round values to be marked."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if math.log10(self.high / self.low) < 3 else (1,)
            values = [step * 10.0**power for power in powers for step in steps]
        else:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
            step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= 8)
            values = [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]


@dataclass(slots=True)
class Drawing:
    """Shapes in the order in which they are drawn."""

    width: int
    height: int
    parts: list[str] = field(default_factory=list[str])

    def rect(self, x: float, y: float, width: float, height: float, kind: str, title: str = "") -> None:
        """Draw a rectangle; the title shows when the pointer rests on it."""
        told = f"<title>{escape(title)}</title>" if title else ""
        place = f'x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.4):.2f}" height="{height:.2f}"'
        self.parts.append(f'<rect {place} class="{kind}">{told}</rect>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line."""
        self.parts.append(f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" class="{kind}"/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        told = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self.parts.append(f'<polyline points="{told}" class="{kind}"/>')

    def dot(self, x: float, y: float, radius: float, kind: str, title: str = "") -> None:
        """Draw a disc."""
        told = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius}" class="{kind}">{told}</circle>')

    def text(self, x: float, y: float, text: str, kind: str = "label", anchor: str = "start") -> None:
        """Write text."""
        self.parts.append(f'<text x="{x:.2f}" y="{y:.2f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>')

    def axis_below(self, scale: Scale, top: float, bottom: float, unit: str) -> None:
        """Mark values along the lower side."""
        for value in scale.ticks():
            self.line(scale(value), top, scale(value), bottom, "grid")
            self.text(scale(value), bottom + 14, f"{value:g}", "tick", "middle")
        self.text(scale.end, bottom + 29, unit, "tick", "end")

    def axis_left(self, scale: Scale, left: float, right: float, unit: str) -> None:
        """Mark values along the left side."""
        for value in scale.ticks():
            self.line(left, scale(value), right, scale(value), "grid")
            self.text(left - 6, scale(value) + 4, f"{value:g}", "tick", "end")
        self.text(left, min(scale.start, scale.end) - 8, unit, "tick", "start")

    def legend(self, x: float, y: float, entries: Iterable[tuple[str, str]]) -> None:
        """Explain colours in a row."""
        for kind, text in entries:
            self.rect(x, y - 9, 14, 10, kind)
            self.text(x + 19, y, text, "tick")
            x += 34 + 6.2 * len(text)

    def svg(self, title: str) -> str:
        """Return the element."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" role="img" '
            f'aria-label="{escape(title, quote=True)}">{"".join(self.parts)}</svg>'
        )
