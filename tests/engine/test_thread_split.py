import doctest

import pytest

from engine import thread_split
from engine.errors import ConfigError
from engine.thread_split import choose_split


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(thread_split).failed == 0


def test_equal_stages_share_the_cores_one_thread_each() -> None:
    cost = {1: 0.05, 2: 0.028}
    assert choose_split({"enhance": cost, "colorize": cost}, 2) == {"enhance": 1, "colorize": 1}


def test_one_dominant_stage_is_divided() -> None:
    assert choose_split({"enhance": {1: 0.09, 2: 0.05}, "colorize": {1: 0.01, 2: 0.01}}, 2)["enhance"] == 2


def test_threads_that_bring_nothing_are_not_used() -> None:
    assert choose_split({"enhance": {1: 0.09, 2: 0.0899}}, 2) == {"enhance": 1}


def test_no_stage_with_a_model_is_an_empty_split() -> None:
    assert choose_split({}, 2) == {}


def test_no_cores_is_refused() -> None:
    with pytest.raises(ConfigError, match="wanted 1 or more"):
        choose_split({}, 0)
