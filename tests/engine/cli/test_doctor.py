import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.doctor import run
from engine.doctor.finding import Finding, bad, good, not_applicable


def checks(*findings: Finding) -> Any:
    def check() -> Iterator[Finding]:
        yield from findings

    return {"group": (check,)}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the doctor find this."""

    def given(*findings: Finding) -> None:
        monkeypatch.setattr(run.examine, "__defaults__", (checks(*findings),))

    return given


def test_bad_has_its_cure_beneath_it_and_exit_code_1(farshore: Callable[..., Any], found: Callable[..., None]) -> None:
    found(good("Python", "3.11"), bad("disk", "full", "make room"), not_applicable("GPU", "none"))
    outcome = farshore("doctor")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.split()[:2] == ["bad", "disk"])
    assert lines[at + 1].split() == ["→", "make", "room"]
    assert lines[-1] == "1 good, 1 bad, 1 not applicable"


def test_nothing_bad_is_exit_code_0_and_quiet_is_silent(
    farshore: Callable[..., Any], found: Callable[..., None]
) -> None:
    found(good("Python", "3.11"), not_applicable("GPU", "none"))
    assert farshore("doctor").code == 0
    assert farshore("doctor", "--quiet").out == ""


def test_json_is_one_object(farshore: Callable[..., Any], found: Callable[..., None]) -> None:
    found(bad("disk", "full", "make room"))
    outcome = farshore("doctor", "--json")
    value = json.loads(outcome.out)
    assert (outcome.code, value["healthy"]) == (1, False)
    assert value["findings"] == [
        {"group": "group", "subject": "disk", "verdict": "bad", "detail": "full", "cure": "make room"}
    ]
