"""What a setting takes: values from a file turned into its type, and its type in words."""

import types
import typing
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Union


def convert(wanted: Any, value: object) -> object:
    """Turn a value as TOML has it into a setting's type.

    Parameters
    ----------
    wanted : the type of a field of the settings: bool, int, float, str, Fraction, Path, a Literal, a tuple of one of
        these, or one of these or None
    value : text, number, boolean or list; "none" is None where the setting can be None

    Raises
    ------
    TypeError, ValueError, ZeroDivisionError
        The value does not fit; `describe(wanted)` says what would.
    """
    if is_optional(wanted):
        return None if value == "none" else convert(_without_none(wanted), value)
    if typing.get_origin(wanted) is Literal:
        if value not in typing.get_args(wanted):
            raise ValueError(value)
        return value
    if typing.get_origin(wanted) is tuple:
        if not isinstance(value, list):
            raise TypeError(value)
        return tuple(convert(typing.get_args(wanted)[0], item) for item in value)
    return _CONVERTERS[wanted](value)


def describe(wanted: Any) -> str:
    """Say in words what a setting takes."""
    if is_optional(wanted):
        return f'{describe(_without_none(wanted))}, or "none"'
    if typing.get_origin(wanted) is Literal:
        return " or ".join(f'"{choice}"' for choice in typing.get_args(wanted))
    if typing.get_origin(wanted) is tuple:
        return f"a list; each item {describe(typing.get_args(wanted)[0])}"
    return _IN_WORDS[wanted]


def is_optional(wanted: Any) -> bool:
    """Whether a setting can be unset."""
    return typing.get_origin(wanted) in (Union, types.UnionType) and type(None) in typing.get_args(wanted)


def _without_none(wanted: Any) -> Any:
    (inner,) = (kind for kind in typing.get_args(wanted) if kind is not type(None))
    return inner


def _exactly(*kinds: type, to: Callable[[Any], object]) -> Callable[[object], object]:
    """Make a converter of values whose type is one of `kinds` itself: `true` is no number."""

    def converter(value: object) -> object:
        if type(value) not in kinds:
            raise TypeError(value)
        return to(value)

    return converter


_CONVERTERS: Mapping[Any, Callable[[object], object]] = {
    bool: _exactly(bool, to=bool),
    int: _exactly(int, to=int),
    str: _exactly(str, to=str),
    float: _exactly(int, float, to=float),
    Fraction: _exactly(int, float, str, to=lambda value: Fraction(str(value))),
    Path: _exactly(str, to=lambda value: Path(value).expanduser()),
}

_IN_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text in quotes",
    float: "a number",
    Fraction: 'a number, or a fraction such as "24000/1001"',
    Path: "a path in quotes",
}
