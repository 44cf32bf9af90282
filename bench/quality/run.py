"""The whole bench: find material and models, measure, judge."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from bench.quality import colorize, interpolate, restore
from bench.quality.bars import Bar, bars
from bench.quality.contender import Contender, contenders
from bench.quality.head import head
from bench.quality.material import Material, find_material
from bench.quality.plan import PARTS, Part, Plan
from bench.quality.report import to_json
from bench.quality.result import Section
from engine.errors import ConfigError, EncodeError
from engine.model import Model, find_model

_MEASURES: Mapping[Part, Callable[[Sequence[Contender], Material, Callable[[str], None]], Section]] = {
    "restore": restore.measure,
    "interpolate": interpolate.measure,
    "colorize": colorize.measure,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found.

    head : version, machine, models, plan, seconds
    """

    head: Mapping[str, Any]
    sections: Sequence[Section]
    bars: Sequence[Bar]

    @property
    def failures(self) -> int:
        """Frames that a model failed on; the figures then are not the model's alone."""
        return sum(section.failures for section in self.sections)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return to_json(self.head, self.sections, self.bars)


def load_models(names: Sequence[str]) -> list[Model]:
    """Load models by name or path."""
    return [find_model(name, None) for name in names]


def measure(
    plan: Plan, *, parts: Sequence[Part] = (), models: Sequence[Model] = (), tell: Callable[[str], None]
) -> Outcome:
    """Measure.

    Parameters
    ----------
    plan : what of which material
    parts : which benches; none given: those for which there is a model
    models : instead of the built-in ones, each for the part of its role
    tell : is told what is being worked on

    Raises
    ------
    ConfigError
        There is no material, or no model for a part that was asked for.
    """
    cv2.setNumThreads(1)
    material = find_material(plan)
    found: dict[Part, list[Contender]] = {part: contenders(part, models) for part in parts or PARTS}
    for part in parts:
        if not found[part]:
            raise ConfigError(f"--only {part}: none of the models given is for it; give one, or leave --model out")
    found = {part: chosen for part, chosen in found.items() if chosen}
    if not found:
        raise ConfigError("--model: none of those given is for restoring, interpolating or colouring")
    facts, start = head(material, found), time.monotonic()
    sections: list[Section] = []
    seconds: dict[str, float] = {}
    for part, chosen in found.items():
        begun = time.monotonic()
        sections.append(_MEASURES[part](chosen, material, tell))
        seconds[part] = round(time.monotonic() - begun, 1)
    facts["seconds"] = {**seconds, "all": round(time.monotonic() - start, 1)}
    return Outcome(head=facts, sections=sections, bars=[bar for section in sections for bar in bars(section)])


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Raises
    ------
    EncodeError
        The file cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise EncodeError(f"{path}: cannot be written ({error.strerror}); choose another --json") from error
