"""The page of all settings is complete and current."""

from dataclasses import fields
from pathlib import Path

import pytest

from engine.cli.settings_reference import explain, explanations, reference
from engine.config_file import SECTIONS
from engine.presets import PRESETS

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_explained_and_nothing_else(section: str) -> None:
    assert list(explanations(SECTIONS[section])) == [item.name for item in fields(SECTIONS[section])]


def test_an_explanation_is_a_sentence() -> None:
    assert explain("runtime", "threads") == "Processor cores to use; 0 is all."


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == reference(), "run: python -m engine.cli.settings_reference > docs/settings.md"


def test_the_page_has_every_preset() -> None:
    assert all(f"**{name}**" in reference() for name in PRESETS)
