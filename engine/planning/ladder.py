"""What to give up first: the declared ladder, one rung after the other, until the film's rate is held.

The order is that of the live governor: fewer synthesized frames, smaller working sizes, lighter models, stages left
out. Before all of them come the same networks in 8 bits, which give up next to nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, isqrt
from typing import Any

from engine.chain import INT8_SUFFIXES
from engine.errors import ConfigError, FarshoreError
from engine.model import builtin_models, installed_models
from engine.model_header import read_card
from engine.planning.demand import Demand, survey
from engine.planning.device import Device
from engine.planning.estimate import Estimate, estimate, stage_named
from engine.planning.host import HostCost
from engine.settings import Settings

FASTER = 0.9
"""A lighter model is one that takes no more than this share of the time."""

SMALLEST_WORKING_SIZE = 128
"""Side of the square whose area a colorizer sees, at least."""

STAGE_OF = {"enhance": "enhance", "interpolate": "interpolate", "colorize": "colorize"}
"""Role → stage whose settings name its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step down; everything above it is given up too.

    what : in words
    settings : from here on
    """

    what: str
    settings: Settings
    demand: Demand
    estimate: Estimate


class Planner:
    """Estimates chains for one film on one device.

    Parameters
    ----------
    device : what models run on
    host : what the rest costs
    width, height, rate : of the film
    """

    def __init__(
        self, device: Device, host: Mapping[str, HostCost], *, width: int, height: int, rate: Fraction
    ) -> None:
        self._device, self._host = device, host
        self._width, self._height, self._rate = width, height, rate

    def rung(self, what: str, settings: Settings) -> Rung:
        """Estimate a chain.

        Raises
        ------
        FarshoreError
            The chain cannot be built.
        """
        demand = survey(settings, width=self._width, height=self._height, rate=self._rate)
        return Rung(what=what, settings=settings, demand=demand, estimate=estimate(demand, self._device, self._host))

    def plan(self, settings: Settings) -> list[Rung]:
        """Return the chain as asked for and the rungs below it, down to the first that surely holds the film's rate."""
        rungs = [self.rung("as asked for", settings)]
        for step in _STEPS:
            for what, changed in step(self, rungs):
                if rungs[-1].estimate.holds == "yes":
                    return rungs
                found = self.rung(what, changed)
                if found.estimate.fps.value > rungs[-1].estimate.fps.value:
                    rungs.append(found)
        return rungs

    def lighter(self, rung: Rung, role: str) -> Rung | None:
        """Return the next rung with another model of a role: the slowest of those that are clearly faster."""
        stage = stage_named(rung.demand, STAGE_OF[role])
        if stage is None or not stage.models:
            return None
        now = _seconds(rung, STAGE_OF[role])
        found: list[tuple[float, Rung]] = []
        for name in _models_of(role, self._device):
            if name == stage.models[0].model.card.name:
                continue
            other = self._with_model(rung, role, name)
            if other is not None and (seconds := _seconds(other, STAGE_OF[role])) <= FASTER * now:
                found.append((seconds, other))
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _with_model(self, rung: Rung, role: str, name: str) -> Rung | None:
        """Return a rung with another model; None where that cannot take the place."""
        try:
            return self.rung(f"lighter model: {role} by {name}", _with_model(rung.settings, role, name))
        except FarshoreError:  # another colour space, scale, references, unmeasured 8-bit loss: no choice for this film
            return None

    def eight_bits(self, rung: Rung) -> Settings | None:
        """Return settings with the same networks in 8 bits where there are any; None where there are none."""
        settings, found = rung.settings, False
        for role, stage_name in STAGE_OF.items():
            stage = stage_named(rung.demand, stage_name)
            if stage is None or not stage.models:
                continue
            name = stage.models[0].model.card.name + INT8_SUFFIXES["tensorrt" if self._device.is_gpu else "cpu"]
            if name in _models_of(role, self._device) and self._with_model(rung, role, name) is not None:
                settings, found = _with_model(settings, role, name), True
        return settings if found else None


Step = Callable[[Planner, Sequence[Rung]], Iterator[tuple[str, Settings]]]
"""Is given the rungs so far, which grow while it runs; yields what to try below the last of them."""


def _eight_bits(planner: Planner, rungs: Sequence[Rung]) -> Iterator[tuple[str, Settings]]:
    settings = planner.eight_bits(rungs[-1])
    if settings is not None:
        yield "the same networks in 8 bits", settings


def _fewer_frames(planner: Planner, rungs: Sequence[Rung]) -> Iterator[tuple[str, Settings]]:
    for fewer in range(ceil(rungs[-1].settings.interpolate.factor or 2) - 1, 1, -1):
        settings = _interpolate(rungs[-1], factor=Fraction(fewer), rate=None)
        yield f"fewer synthesized frames: {fewer} times the film's", settings
    wanted = rungs[-1].settings.interpolate
    if wanted.factor is not None or wanted.rate is not None:
        yield "no synthesized frames", _interpolate(rungs[-1], factor=None, rate=None)


def _smaller(planner: Planner, rungs: Sequence[Rung]) -> Iterator[tuple[str, Settings]]:
    stage = stage_named(rungs[-1].demand, "interpolate")
    if stage is not None and stage.models:
        for scale in (0.5, 0.25):
            yield f"smaller working size: motion at {scale:g} of the size", _interpolate(rungs[-1], scale=scale)
    stage = stage_named(rungs[-1].demand, "colorize")
    if stage is not None and stage.models:
        width, height = stage.models[0].picture
        side = isqrt(width * height) // 2
        if side >= SMALLEST_WORKING_SIZE:
            settings = rungs[-1].settings
            smaller = replace(settings, colorize=replace(settings.colorize, working_size=side))
            yield f"smaller working size: colours at the area of {side}×{side}", smaller


def _lighter(planner: Planner, rungs: Sequence[Rung]) -> Iterator[tuple[str, Settings]]:
    for role in sorted(STAGE_OF, key=lambda role: -_seconds(rungs[-1], STAGE_OF[role])):
        before = None
        while rungs[-1] is not before and (found := planner.lighter(rungs[-1], role)) is not None:
            before = rungs[-1]
            yield found.what, found.settings


def _without(planner: Planner, rungs: Sequence[Rung]) -> Iterator[tuple[str, Settings]]:
    settings = rungs[-1].settings
    if settings.faces.enabled:
        yield "without faces", replace(settings, faces=replace(settings.faces, enabled=False))
    settings = rungs[-1].settings
    if settings.enhance.enabled and (settings.enhance.upscale or 1) > 1:
        yield "without enlarging", replace(settings, enhance=replace(settings.enhance, upscale=1, model=None))
    settings = rungs[-1].settings
    if settings.colorize.mode != "never":
        yield "without colour", replace(settings, colorize=replace(settings.colorize, mode="never"))
    settings = rungs[-1].settings
    if settings.enhance.enabled:
        yield "without cleaning", replace(settings, enhance=replace(settings.enhance, enabled=False, upscale=None))


def _interpolate(rung: Rung, **changes: Any) -> Settings:
    return replace(rung.settings, interpolate=replace(rung.settings.interpolate, **changes))


_STEPS: tuple[Step, ...] = (_eight_bits, _fewer_frames, _smaller, _lighter, _without)


def _seconds(rung: Rung, stage_name: str) -> float:
    return sum(stage.model_seconds for stage in rung.estimate.stages if stage.name == stage_name)


def _with_model(settings: Settings, role: str, name: str) -> Settings:
    if role == "enhance":
        return replace(settings, enhance=replace(settings.enhance, model=name))
    if role == "interpolate":
        return replace(settings, interpolate=replace(settings.interpolate, model=name))
    if role == "colorize":
        return replace(settings, colorize=replace(settings.colorize, model=name))
    raise ConfigError(f"role: got {role}; wanted one of {', '.join(STAGE_OF)}")


def _models_of(role: str, device: Device) -> list[str]:
    """Return the names of the models that are here for a device, by what their files say of themselves."""
    other = "cpu" if device.is_gpu else "tensorrt"
    names: list[str] = []
    for name, path in {**installed_models(), **builtin_models()}.items():
        try:
            card = read_card(path)
            if card.role == role and (card.calibration or {}).get("form") != other:
                names.append(name)
        except FarshoreError:  # `farshore models list` shows what is wrong with it
            continue
    return names
