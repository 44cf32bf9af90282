"""Settings from a TOML file.

The sections are those of `Settings` and the keys those of each section's dataclass, so whatever the code knows can be
written down and nothing else can::

    preset = "silent-film"      # optional: what to start from

    [enhance]
    strength = 0.7

    [interpolate]
    rate = "60000/1001"

Exact fractions are written as text ("24000/1001"). "none" unsets a key. Relative paths start at the file's folder.
An unknown section or key is an error. Order of precedence: defaults, preset, configuration file, command line.
"""

import difflib
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.presets import preset
from engine.setting_types import convert, describe
from engine.settings import Settings, exact_rate

Overrides = Mapping[str, Mapping[str, object]]
"""Section → key → value, of settings that differ from what they are laid over."""

SECTIONS: Mapping[str, type] = typing.get_type_hints(Settings)
"""Section → dataclass of its keys."""


def load_settings(*, config: Path | None = None, preset_name: str | None = None) -> Settings:
    """Lay a configuration file over a preset over the defaults.

    Parameters
    ----------
    config : a TOML file; None for none
    preset_name : what to start from; wins over the file's own `preset`

    Raises
    ------
    ConfigError
        The file cannot be read, or holds something unknown or out of range; the message has the line.
    """
    if config is None:
        return preset(preset_name).settings if preset_name else Settings()
    text = _read(config)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{config}: not TOML: {error}") from error
    lines = _Lines(config, text)
    own_preset = document.pop("preset", None)
    name = preset_name or own_preset
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"{lines.at(None, 'preset')}: preset: got {name!r}; wanted a name in quotes")
    return _lay_over(preset(name).settings if name else Settings(), document, lines)


def override(settings: Settings, overrides: Overrides) -> Settings:
    """Return the settings with some values, already of the right types, put in place of their own.

    Where two keys exclude each other (a rate and a factor), the one given takes the place of the other.
    """
    sections: dict[str, Any] = {}
    for section, values in overrides.items():
        excluded = {other: None for key in values if (other := _EXCLUDES.get((section, key)))}
        sections[section] = replace(getattr(settings, section), **{**excluded, **values})
    return replace(settings, **sections)


_EXCLUDES = {("interpolate", "rate"): "factor", ("interpolate", "factor"): "rate"}


class _Lines:
    """Where each key stands in a file; `tomllib` does not say."""

    def __init__(self, path: Path, text: str) -> None:
        self.folder = path.parent
        self._path = path
        self._lines: dict[tuple[str | None, str | None], int] = {}
        section: str | None = None
        for number, line in enumerate(text.splitlines(), start=1):
            if header := re.match(r"\s*\[+\s*([\w.-]+)", line):
                section = header[1]
                self._lines.setdefault((section, None), number)
            elif key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[.=]", line):
                self._lines.setdefault((section, key[1]), number)

    def at(self, section: str | None, key: str | None) -> str:
        """Return "file:line", or the file alone where the key is written in some unusual way."""
        line = self._lines.get((section, key)) or self._lines.get((None, section))
        return f"{self._path}:{line}" if line else str(self._path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path given to --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file (not UTF-8 text)") from error


def _lay_over(base: Settings, document: Mapping[str, Any], lines: _Lines) -> Settings:
    settings = base
    for section, table in document.items():
        if section not in SECTIONS:
            kind = "section" if isinstance(table, dict) else "key"
            raise ConfigError(
                f"{lines.at(section, None) if kind == 'section' else lines.at(None, section)}: "
                f"unknown {kind} {section!r}{_nearest(section, SECTIONS)}; sections are {', '.join(SECTIONS)}"
            )
        if not isinstance(table, dict):
            raise ConfigError(f"{lines.at(None, section)}: {section!r} is a section; write [{section}] above its keys")
        values = {key: _value(section, key, value, lines) for key, value in table.items()}
        try:
            settings = override(settings, {section: values})
        except ConfigError as error:
            raise ConfigError(f"{_first_line(section, values, lines)}: [{section}] {error}") from error
    return settings


def _first_line(section: str, values: Mapping[str, object], lines: _Lines) -> str:
    """Return the line of a section's only key, else that of its header."""
    return lines.at(section, next(iter(values)) if len(values) == 1 else None)


def _value(section: str, key: str, value: object, lines: _Lines) -> object:
    kinds = typing.get_type_hints(SECTIONS[section])
    where = lines.at(section, key)
    if key not in kinds:
        raise ConfigError(
            f"{where}: unknown key {key!r} in [{section}]{_nearest(key, kinds)}; keys are {', '.join(kinds)}"
        )
    try:
        converted = convert(kinds[key], value)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{where}: [{section}] {key}: got {value!r}; wanted {describe(kinds[key])}") from error
    return _in_place(key, converted, lines.folder)


def _in_place(key: str, value: Any, folder: Path) -> object:
    """Resolve what depends on where the file lies or on the key: relative paths, rounded rates."""
    if key == "references":
        return tuple(folder / path for path in value)
    if key in ("model", "detector") and value is not None and value.endswith(".onnx"):
        return str(folder / value)
    if key == "rate" and isinstance(value, Fraction):
        return exact_rate(value)
    return value


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
