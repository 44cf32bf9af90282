import doctest
import os
import sys
import threading
from dataclasses import replace
from fractions import Fraction

import pytest

from engine import thread_split
from engine.errors import ConfigError
from engine.thread_split import NICER, choose_split, heaviest, wait_behind, work_beside
from tests.support.chain import film_spec


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


def test_cores_that_the_rest_of_the_chain_fills_are_left_to_it() -> None:
    costs = {"enhance": {1: 0.029, 2: 0.0155}, "colorize": {1: 0.009, 2: 0.006}}
    assert choose_split(costs, 2)["enhance"] == 2
    assert choose_split(costs, 2, beside=0.05) == {"enhance": 1, "colorize": 1}
    assert choose_split(costs, 8, beside=0.05)["enhance"] == 2


def test_work_beside_grows_with_what_is_read_and_written() -> None:
    film = film_spec(640, 480)
    doubled = replace(film, rate=Fraction(48))
    assert work_beside(film, film) == pytest.approx(1.2e-7 * 640 * 480)
    assert work_beside(film, doubled) == pytest.approx(1.6e-7 * 640 * 480)
    assert work_beside(replace(film, rate=None), doubled) == work_beside(film, film)


def test_the_heaviest_stage_is_the_one_whose_models_take_longest() -> None:
    assert heaviest({"enhance": {1: 0.03, 2: 0.02}, "colorize": {1: 0.04, 2: 0.01}}) == "colorize"
    assert heaviest({}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_a_thread_that_waits_behind_is_nicer_than_the_others() -> None:
    before, seen = os.getpriority(os.PRIO_PROCESS, 0), list[int]()

    def work() -> None:
        wait_behind()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(before + NICER, 19)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_a_system_that_refuses_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    wait_behind()
    assert "cannot wait behind others" in caplog.text
