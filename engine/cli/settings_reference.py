"""Every setting with its meaning, type and default, taken from the dataclasses themselves.

`python -m engine.cli.settings_reference` writes the page `docs/settings.md`; a test keeps the two equal.
"""

import inspect
import re
import sys
import typing
from dataclasses import fields
from fractions import Fraction

from engine.config_file import SECTIONS
from engine.presets import PRESETS
from engine.setting_types import describe


def explain(section: str, key: str) -> str:
    """Return what a setting means, as a sentence."""
    text = explanations(SECTIONS[section])[key]
    return text[0].upper() + text[1:] + "."


def explanations(section: type) -> dict[str, str]:
    """Return key → meaning of a section, as its docstring has them ("name : meaning", continued on indented lines)."""
    found: dict[str, str] = {}
    key = None
    for line in inspect.getdoc(section).splitlines():  # pyright: ignore[reportOptionalMemberAccess] - all have one
        if match := re.match(r"(\w+) : (.+)", line):
            key = match[1]
            found[key] = match[2]
        elif key is not None and line.startswith(" "):
            found[key] += " " + line.strip()
        else:
            key = None
    return found


def reference() -> str:
    """Return the page of all settings and presets, Markdown."""
    parts = [_INTRODUCTION]
    for name, section in SECTIONS.items():
        summary = inspect.getdoc(section).splitlines()[0]  # pyright: ignore[reportOptionalMemberAccess]
        parts.append(f"## [{name}]\n\n{summary}\n\n{_table(section)}")
    parts.append("## Presets\n\n" + "\n\n".join(_preset_text(name) for name in PRESETS))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
# Settings

Written by `python -m engine.cli.settings_reference` from `engine/settings.py`; do not edit by hand.

A configuration file (`farshore restore --config FILE`) is TOML with these sections and keys. A line
`preset = "NAME"` above the first section says which preset to start from. Order of precedence: defaults, preset,
configuration file, command line. An unknown section or key is an error."""


def _table(section: type) -> str:
    kinds, meanings, defaults = typing.get_type_hints(section), explanations(section), section()
    rows = ["| key | takes | default | meaning |", "| --- | --- | --- | --- |"]
    for item in fields(section):
        value = _in_toml(getattr(defaults, item.name))
        rows.append(f"| `{item.name}` | {describe(kinds[item.name])} | {value} | {meanings[item.name]} |")
    return "\n".join(rows)


def _in_toml(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Fraction) and value.denominator == 1:
        return f"`{value.numerator}`"
    return f'`"{value}"`' if isinstance(value, (str, Fraction)) else f"`{value}`"


def _preset_text(name: str) -> str:
    item = PRESETS[name]
    changed = [
        f"{section}.{key.name} = {_in_toml(value)}"
        for section, kind in SECTIONS.items()
        for key in fields(kind)
        if (value := getattr(getattr(item.settings, section), key.name)) != getattr(kind(), key.name)
    ]
    return f"**{name}**: {item.film}. {item.reasons}\n\n" + "\n".join(f"- {line}" for line in changed)


if __name__ == "__main__":
    sys.stdout.write(reference())
