"""What settings take: every type that the settings use can be converted and described."""

import typing

import pytest

from engine.config_file import SECTIONS
from engine.setting_types import describe

KINDS = [kind for section in SECTIONS.values() for kind in typing.get_type_hints(section).values()]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_type_has_words(kind: object) -> None:
    assert describe(kind)
