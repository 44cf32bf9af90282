"""Which models are measured, and what they are called in tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.quality.plan import Part
from engine.errors import ConfigError
from engine.model import Model, builtin_models

ROLES: dict[Part, str] = {"restore": "enhance", "interpolate": "interpolate", "colorize": "colorize"}
BUILT_IN: dict[Part, str] = {"restore": "film-restore", "interpolate": "film-interpolate", "colorize": "film-colorize"}
INT8 = "-int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model and its name in tables."""

    label: str
    model: Model


def contenders(part: Part, given: Sequence[Model]) -> list[Contender]:
    """Return the models that play a part: those given, else the built-in one and its INT8 sibling where there is one.

    Float models first: the first one is judged, the others are compared with it.

    Raises
    ------
    ConfigError
        A model enlarges, which is not measured here.
    """
    models = [model for model in given if model.card.role == ROLES[part]]
    if not given:
        there = builtin_models()
        names = [BUILT_IN[part], BUILT_IN[part] + INT8]
        models = [Model.load(there[name], role=ROLES[part]) for name in names if name in there]
    for model in models:
        if model.card.scale != 1:
            raise ConfigError(
                f"--model {model.path}: it enlarges by {model.card.scale}; wanted a model that keeps the size, since "
                "the bench knows no larger truth"
            )
    models.sort(key=lambda model: model.card.precision == "int8")
    names = [_name(model) for model in models]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return [
        Contender(label=f"{name} {model.sha256[:8]}" if name in twice else name, model=model)
        for name, model in zip(names, models, strict=True)
    ]


def _name(model: Model) -> str:
    name, is_said = model.card.name, model.card.name.endswith(INT8)
    return name + INT8 if model.card.precision == "int8" and not is_said else name
