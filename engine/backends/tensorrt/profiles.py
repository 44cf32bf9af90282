"""The range of sizes that an engine takes, from a model's role and what was asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt

from engine.errors import ConfigError, UnsupportedModelError
from engine.model import Model, ModelCard

Size = tuple[int, int]
"""Height and width."""

SMALLEST: Size = (64, 64)
USUAL: Size = (480, 640)
LARGEST: Size = (1080, 1920)
LARGEST_FOR_FOUR: Size = (768, 1024)
"""Pictures that go in, where nothing else is said: film from thumbnails to full HD; ×4 ends at 4096 wide."""

WIDEST_ASPECT = 2.4
"""A colorizer keeps its working size's area whatever the film's shape: up to CinemaScope, lying or upright."""

TOKENS_PER_PIXEL = 1 / 16
"""Of the finest features that a colorizer of ours matches: a token for 4×4 pixels."""

REFERENCES = 4
"""Reference pictures at a time for which a colorizer's engine is made where nothing else is said."""

TOKEN_INPUTS = frozenset({"reference_features", "reference_ab", "reference_valid"})
"""Inputs whose last axis counts reference tokens."""

REDUCED_INPUTS = {"chroma": 2, "motion": 4, "evidence": 4}
"""Picture inputs smaller than the picture, by how much (`engine/models/README.md`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRange:
    """The smallest, usual and largest shape of one input. The engine is fastest at the usual one."""

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What was asked for; None leaves it to the model's role.

    usual, smallest, largest : of the picture that the network sees
    tokens : most reference tokens at a time
    """

    usual: Size | None = None
    smallest: Size | None = None
    largest: Size | None = None
    tokens: int | None = None


def build_profile(model: Model, asked: Sizes) -> dict[str, ShapeRange]:
    """Return a range for each input whose shape is open; empty where all are fixed.

    Raises
    ------
    ConfigError
        What was asked for contradicts itself, or the model's sizes are fixed.
    UnsupportedModelError
        An input is open in a way that its role does not explain.
    """
    name, card = model.card.name, model.card
    is_open = {key: None in spec.shape for key, spec in model.inputs.items()}
    if asked.tokens is not None and not any(is_open[key] for key in TOKEN_INPUTS & is_open.keys()):
        raise ConfigError(f"--tokens: model {name} takes no references; leave it out")
    pictures = [key for key, open_ in is_open.items() if open_ and key not in TOKEN_INPUTS]
    if not pictures and (asked.usual or asked.smallest or asked.largest):
        fixed = ", ".join(f"{key} {spec.shape}" for key, spec in model.inputs.items())
        raise ConfigError(f"--size: the sizes of model {name} are fixed ({fixed}); leave it out")
    smallest, usual, largest = _picture_sizes(card, asked)
    tokens = _tokens(usual, asked.tokens)
    return {
        key: ShapeRange(
            smallest=_shape(model, key, smallest, tokens[0]),
            usual=_shape(model, key, usual, tokens[1]),
            largest=_shape(model, key, largest, tokens[2]),
        )
        for key, open_ in is_open.items()
        if open_
    }


def usual_shapes(model: Model, size: Size) -> dict[str, tuple[int, ...]]:
    """Return a shape for every input, for trying a model on pictures of a size; sizes that the file fixes are kept.

    Raises
    ------
    UnsupportedModelError
        An input is open in a way that its role does not explain.
    """
    has_open_pictures = any(None in spec.shape for key, spec in model.inputs.items() if key not in TOKEN_INPUTS)
    ranges = build_profile(model, Sizes(usual=size if has_open_pictures else None))
    return {
        key: ranges[key].usual if key in ranges else tuple(side or 1 for side in spec.shape)
        for key, spec in model.inputs.items()
    }


def _picture_sizes(card: ModelCard, asked: Sizes) -> tuple[Size, Size, Size]:
    """Return the smallest, usual and largest size, all multiples of what the model wants."""
    multiple = card.size_multiple
    if card.color_space == "ycbcr420" and multiple % 2:
        multiple *= 2
    smallest, usual, largest = _default_sizes(card)
    if asked.usual is not None:
        usual = asked.usual
        smallest, largest = _each(min, smallest, usual), _each(max, largest, usual)
    smallest, largest = asked.smallest or smallest, asked.largest or largest
    if asked.usual is None:
        usual = _each(min, _each(max, usual, smallest), largest)
    for low, high, text in (
        (smallest, usual, f"--min-size {_text(smallest)}: larger than --size {_text(usual)}"),
        (usual, largest, f"--max-size {_text(largest)}: smaller than --size {_text(usual)}"),
    ):
        if any(a > b for a, b in zip(low, high, strict=True)):
            raise ConfigError(f"{text}; wanted --min-size ≤ --size ≤ --max-size, in width and in height")
    return _padded(smallest, multiple), _padded(usual, multiple), _padded(largest, multiple)


def _default_sizes(card: ModelCard) -> tuple[Size, Size, Size]:
    if card.working_size is None:
        return SMALLEST, USUAL, (LARGEST if card.scale < 4 else LARGEST_FOR_FOUR)
    area = card.working_size[0] * card.working_size[1]
    short, long = int(sqrt(area / WIDEST_ASPECT)), ceil(sqrt(area * WIDEST_ASPECT))
    below = max(card.size_multiple, short // card.size_multiple * card.size_multiple)
    return (below, below), card.working_size, (long, long)


def _tokens(usual: Size, asked: int | None) -> tuple[int, int, int]:
    """Return how many reference tokens: one stands for none."""
    one_picture = ceil(usual[0] * usual[1] * TOKENS_PER_PIXEL)
    most = REFERENCES * one_picture if asked is None else asked
    if most < 1:
        raise ConfigError(f"--tokens {most}: wanted 1 or more")
    return 1, min(one_picture, most), most


def _shape(model: Model, key: str, size: Size, tokens: int) -> tuple[int, ...]:
    """Fill the open places of an input's shape."""
    spec = model.inputs[key]
    if key in TOKEN_INPUTS:
        filled: Mapping[int, int] = {len(spec.shape) - 1: tokens}
    elif len(spec.shape) == 4:
        reduced = REDUCED_INPUTS.get(key, 1)
        filled = {0: 1, 2: size[0] // reduced, 3: size[1] // reduced}
    else:
        filled = {}
    unexplained = [axis for axis, side in enumerate(spec.shape) if side is None and axis not in filled]
    if unexplained:
        raise UnsupportedModelError(
            f"model {model.card.name}: axis {unexplained[0]} of input {key!r} {spec.shape} is open, and its role does "
            "not say how large it is; export it with that axis fixed"
        )
    return tuple(filled[axis] if side is None else side for axis, side in enumerate(spec.shape))


def _each(choose: Callable[[int, int], int], first: Size, second: Size) -> Size:
    return choose(first[0], second[0]), choose(first[1], second[1])


def _padded(size: Size, multiple: int) -> Size:
    height, width = (-(-side // multiple) * multiple for side in size)
    return height, width


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
