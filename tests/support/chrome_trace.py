"""A program that loads a Chrome trace as a viewer does and finds what is inconsistent in it."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

TOLERANCE = 0.002
"""Microseconds that rounding may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTrace:
    """What a trace shows.

    lanes : in order
    frames_out : lane → slices that put a frame out
    models : lane → runs of models
    arrows : (from, to) → frames handed on
    depths : queue → deepest
    """

    lanes: list[str]
    frames_out: dict[str, int]
    models: dict[str, int]
    arrows: dict[tuple[str, str], int]
    depths: dict[str, int]


def check_trace(trace: dict[str, Any]) -> FoundTrace:
    """Assert that a trace is consistent and return what it shows.

    Times are not negative; slices of a lane nest or are apart, none overlaps half; models run within a stage's slice;
    every arrow has one beginning and one end, both on slices, the end not before the beginning, between neighbouring
    lanes; depths are never negative nor above the bound, and change one by one.
    """
    events: list[Event] = trace["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    order = {event["tid"]: event["args"]["sort_index"] for event in events if event["name"] == "thread_sort_index"}
    assert sorted(names) == sorted(order) == sorted(order.values()), "each lane has a name and a place"
    assert all(event["ts"] >= 0 and event.get("dur", 0) >= 0 for event in events if event["ph"] != "M")
    slices: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            slices[event["tid"]].append(event)
    for tid, lane in slices.items():
        _check_nesting(lane, names[tid])
    lanes = [names[tid] for tid in sorted(names)]
    return FoundTrace(
        lanes=lanes,
        frames_out={
            names[tid]: sum("frame out" in event["args"] for event in slices[tid])
            for tid in slices
            if names[tid] != lanes[-1]
        },
        models={names[tid]: count for tid in slices if (count := sum(_is_model(event) for event in slices[tid]))},
        arrows=_check_arrows(events, slices, names),
        depths=_check_depths(events),
    )


def _is_model(event: Event) -> bool:
    return event["name"].startswith("model ")


def _check_nesting(lane: list[Event], name: str) -> None:
    open_slices: list[Event] = []
    for event in sorted(lane, key=lambda event: (event["ts"], -event["dur"])):
        while open_slices and _end(open_slices[-1]) <= event["ts"] + TOLERANCE:
            open_slices.pop()
        if open_slices:
            assert _end(event) <= _end(open_slices[-1]) + TOLERANCE, f"{name}: slices overlap at {event['ts']}"
            assert _is_model(event), f"{name}: work within work at {event['ts']}"
        else:
            assert not _is_model(event), f"{name}: a model runs outside of the stage's work at {event['ts']}"
        open_slices.append(event)


def _check_arrows(
    events: list[Event], slices: dict[int, list[Event]], names: dict[int, str]
) -> dict[tuple[str, str], int]:
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    assert len(starts) == sum(event["ph"] == "s" for event in events), "an arrow begins once"
    assert len(ends) == sum(event["ph"] == "f" for event in events), "an arrow ends once"
    assert starts.keys() == ends.keys(), "arrows are whole"
    for event in (*starts.values(), *ends.values()):
        held = [one for one in slices[event["tid"]] if one["ts"] <= event["ts"] <= _end(one)]
        assert held, f"{names[event['tid']]}: an arrow ends on nothing at {event['ts']}"
    for number, start in starts.items():
        assert ends[number]["tid"] == start["tid"] + 1, "frames go to the next lane"
        assert ends[number]["ts"] > start["ts"], "a frame is worked on after it was made"
        assert ends[number].get("bp") == "e"
    return Counter((names[start["tid"]], names[start["tid"] + 1]) for start in starts.values())


def _check_depths(events: list[Event]) -> dict[str, int]:
    queues: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            queues[event["name"]].append((event["ts"], event["args"]["frames"]))
    for name, found in queues.items():
        bound = re.search(r"at most (\d+)$", name)
        assert bound is not None, f"{name}: no bound"
        depths = [depth for _, depth in sorted(found, key=lambda each: each[0])]
        assert all(0 <= depth <= int(bound[1]) for depth in depths), f"{name}: {min(depths)} to {max(depths)}"
        assert all(abs(b - a) == 1 for a, b in zip([0, *depths], depths, strict=False)), f"{name}: a passage is missing"
        assert depths[-1] == 0, f"{name}: frames were left"
    return {name: max(depth for _, depth in found) for name, found in queues.items()}


def _end(event: Event) -> float:
    return event["ts"] + event["dur"]
