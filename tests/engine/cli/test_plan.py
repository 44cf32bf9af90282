import json
from collections.abc import Callable
from typing import Any

import pytest


def test_a_named_device_needs_no_measuring(farshore: Callable[..., Any]) -> None:
    outcome = farshore("plan", "--size", "320x240", "--fps", "24", "--interpolate", "2x", "--device", "rtx-4090")
    assert outcome.code == 0
    assert outcome.err == ""
    assert "not measured by us" in outcome.out
    assert "film-restore" in outcome.out
    assert "holds the film's rate" in outcome.out.splitlines()[-1]


def test_what_does_not_hold_is_told_with_what_to_give_up(farshore: Callable[..., Any]) -> None:
    asked = ("--size", "1280x720", "--fps", "120", "--interpolate", "2x", "--device", "orin-nano")
    assert "what to give up first" in farshore("plan", *asked).out
    outcome = farshore("plan", *asked, "--json")
    value = json.loads(outcome.out)
    assert outcome.code == 0
    assert (value["schema"], value["holds"], value["device"]["measured"]) == ("farshore.plan/1", "no", False)
    speeds = [rung["film_fps"]["value"] for rung in value["rungs"]]
    assert len(speeds) > 1
    assert speeds == sorted(speeds)


def test_stages_can_be_chosen(farshore: Callable[..., Any]) -> None:
    asked = ("--size", "320x240", "--fps", "24000/1001", "--device", "rtx-3060", "--json")
    value = json.loads(farshore("plan", *asked, "--stages", "enhance").out)
    assert value["film_rate"] == "24000/1001"
    stages = {stage["stage"]: stage for stage in value["rungs"][0]["stages"]}
    assert "colorize" not in stages
    assert stages["enhance"]["models"][0]["sees"] == [320, 240]


def test_devices_are_listed(farshore: Callable[..., Any]) -> None:
    outcome = farshore("plan", "--size", "320x240", "--fps", "24", "--device", "list")
    assert "Jetson AGX Orin" in outcome.out


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--size", "1920", "wanted WIDTHxHEIGHT"),
        ("--size", "9x9", "wanted WIDTHxHEIGHT"),
        ("--fps", "fast", "wanted a rate"),
        ("--fps", "0", "more than 0"),
        ("--device", "voodoo-2", "wanted measure or one of"),
        ("--stages", "enhance,polish", "wanted some of"),
        ("--stages", "enhance,interpolate", "--interpolate 2x"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(farshore: Callable[..., Any], option: str, value: str, said: str) -> None:
    options = {"--size": "320x240", "--fps": "24", "--device": "rtx-4070", option: value}
    outcome = farshore("plan", *(word for pair in options.items() for word in pair))
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
