"""What one run measures."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

from engine.chain import BUILT_IN, ENHANCERS
from engine.errors import ConfigError
from engine.model import builtin_models, find_model, installed_models
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InterpolateSettings,
    RuntimeSettings,
    Settings,
    exact_rate,
)

Kind = Literal["stages", "chain"]

PRECISIONS = ("fp32", "fp16", "int8")
"""Of the built-in models, as the command line takes them."""

GPU_BACKENDS = ("tensorrt", "cuda")

_ROLES = ("enhance", "interpolate", "colorize")
_SMALLEST, _LARGEST = 64, 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One configuration.

    kind : `stages`: one stage after the other, none beside another; `chain`: all at once, as a film is restored
    width, height : of the film, pixels, even
    precision : of the built-in models
    backend : what models run on
    models : names or files that stand for built-in ones of their roles
    rate : of the film, pictures a second, "25" or "24000/1001"; what there is time for
    interpolate : as `farshore restore --interpolate`
    upscale : as `farshore restore --upscale`
    threads : processor cores to use; 0 is all
    queue_frames : frames that may wait between two stages
    warm_up, seconds : how long to run before measuring, and measuring
    live : of a chain, whether frames come at the film's rate, as a signal's do, or as fast as they are taken
    """

    kind: Kind
    width: int = 640
    height: int = 480
    precision: str = "fp32"
    backend: str = "onnxruntime"
    models: tuple[str, ...] = ()
    rate: str = "24"
    interpolate: str = "2x"
    upscale: int = 1
    threads: int = 0
    queue_frames: int = 4
    warm_up: float = 2.0
    seconds: float = 5.0
    live: bool = False

    def __post_init__(self) -> None:
        if any(side % 2 or not _SMALLEST <= side <= _LARGEST for side in (self.width, self.height)):
            raise ConfigError(
                f"size: got {self.width}x{self.height}; wanted even numbers from {_SMALLEST} to {_LARGEST}"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision: got {self.precision!r}; wanted one of {', '.join(PRECISIONS)}")
        if self.kind == "stages" and self.backend in GPU_BACKENDS:
            raise ConfigError(
                f"backend: got {self.backend} for bench stages, which times one stage after the other on the "
                "processor; on a GPU use farshore bench chain, whose times are the GPU's"
            )
        if not 0.1 <= self.seconds <= 3600:
            raise ConfigError(f"seconds: got {self.seconds:g}; wanted 0.1 to 3600")
        if not 0 <= self.warm_up <= 600:
            raise ConfigError(f"warm-up: got {self.warm_up:g} seconds; wanted 0 to 600")
        if not 1 <= self.film_rate <= 1000:
            raise ConfigError(f"rate: got {self.rate}; wanted 1 to 1000 frames a second")

    @property
    def label(self) -> str:
        """Name the case by what tells it from others of a run."""
        live = " live" if self.live else ""
        return f"{self.width}x{self.height} {self.precision} {self.backend}{live}"

    @property
    def film_rate(self) -> Fraction:
        """The rate as an exact number."""
        try:
            return exact_rate(Fraction(self.rate))
        except (ValueError, ZeroDivisionError) as error:
            raise ConfigError(f"rate: got {self.rate!r}; wanted a rate such as 25 or 24000/1001") from error

    def settings(self) -> Settings:
        """Return the restoration's settings, models chosen.

        Raises
        ------
        ConfigError, ModelError
            A model is missing, or none has the precision.
        """
        given = {find_model(name, None).card.role: name for name in self.models}
        wrong = sorted(set(given) - set(_ROLES))
        if wrong:
            raise ConfigError(f"models: got one for {', '.join(wrong)}; wanted {', '.join(_ROLES)}")
        named = {role: given.get(role) or self._built_in(role) for role in _ROLES}
        wanted = InterpolateSettings.parse(self.interpolate, model=named["interpolate"])
        return Settings(
            enhance=EnhanceSettings(upscale=self.upscale, model=named["enhance"]),
            interpolate=wanted,
            colorize=ColorizeSettings(mode="always", model=named["colorize"]),
            runtime=RuntimeSettings(
                backend=self.backend,  # pyright: ignore[reportArgumentType] - the settings check it
                threads=self.threads,
                queue_frames=self.queue_frames,
            ),
        )

    def _built_in(self, role: str) -> str | None:
        name = ENHANCERS.get(self.upscale, "") if role == "enhance" else BUILT_IN[role]
        if self.precision == "fp32":
            return name or None
        there = {**installed_models(), **builtin_models()}
        forms = [f"{name}{mark}{self.precision}" for mark in "-."]
        found = next((form for form in forms if form in there), None)
        if found is None:
            raise ConfigError(
                f"precision {self.precision}: there is no such form of {name}; make one with "
                f"`farshore calibrate {name}`, or measure with --precision fp32"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the case as plain values."""
        return {**asdict(self), "models": list(self.models)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Case":
        """Return the case that `to_json` told."""
        values: dict[str, Any] = {**value, "models": tuple(value["models"])}
        return cls(**values)


def parse_size(text: str) -> tuple[int, int]:
    """Return the width and height of "640x480"."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower())
    if match is None:
        raise ConfigError(f"--size: got {text!r}; wanted WIDTHxHEIGHT such as 640x480")
    return int(match[1]), int(match[2])


def cases(
    kind: Kind, *, sizes: Sequence[str], precisions: Sequence[str], backends: Sequence[str], **other: Any
) -> list[Case]:
    """Return a case for each size, precision and backend."""
    return [
        Case(kind=kind, width=width, height=height, precision=precision, backend=backend, **other)
        for width, height in map(parse_size, sizes)
        for precision in precisions
        for backend in backends
    ]
