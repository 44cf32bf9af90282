"""Presets: named, reasoned, and near-misses are pointed out."""

import pytest

from engine.errors import ConfigError
from engine.presets import PRESETS, preset
from engine.settings import Settings


def test_the_four_kinds_of_film_have_presets() -> None:
    assert list(PRESETS) == ["silent-film", "newsreel", "home-movie", "broadcast-archive"]


@pytest.mark.parametrize("name", PRESETS)
def test_each_differs_from_the_defaults_and_says_why(name: str) -> None:
    found = preset(name)
    assert found.name == name
    assert found.settings != Settings()
    assert len(found.reasons) > 50
    assert found.film


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"got 'silent-filn'; did you mean 'silent-film'\? presets are silent-film, "):
        preset("silent-filn")
