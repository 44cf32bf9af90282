"""Decode times and durations of joined segments."""

from collections.abc import Iterator, Sequence

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InternalError
from engine.media.timeline import timed

Row = tuple[int, int, int]


def packets(pts: Sequence[int]) -> Iterator[av.Packet]:
    for value in pts:
        packet = av.Packet(1)
        packet.pts = value
        yield packet


def rows(pts: Sequence[int], *, delay: int, end: int) -> list[Row]:
    tail = sorted(pts)[-4:]
    return [(p.pts, p.dts, p.duration) for p in timed(packets(pts), delay=delay, tail=tail, end=end)]


@pytest.mark.parametrize("delay", [0, 2])
def test_even_film_in_order(delay: int) -> None:
    made = rows([0, 10, 20, 30], delay=delay, end=40)
    assert [dts for _, dts, _ in made] == [n * 10 - 10 * delay for n in range(4)]
    assert {duration for *_, duration in made} == {10}


def test_two_segments_of_reordered_frames() -> None:
    made = rows([0, 40, 20, 10, 30, 50, 90, 70, 60, 80], delay=2, end=100)
    assert [dts for _, dts, _ in made] == [-20, -10, 0, 10, 20, 30, 40, 50, 60, 70]
    assert {duration for *_, duration in made} == {10}


def test_one_frame() -> None:
    assert rows([7], delay=2, end=12) == [(7, -3, 5)]


@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=200),
    groups=st.lists(st.integers(1, 4), min_size=200, max_size=200),
    last=st.integers(1, 5000),
)
@settings(max_examples=60, deadline=None)
def test_any_film(steps: list[int], groups: list[int], last: int) -> None:
    """Whatever the times: dts increase, never pass pts, steps and the last duration add up to the film."""
    shown = [sum(steps[:n]) for n in range(len(steps) + 1)]
    coded: list[int] = [shown[0]]
    place = 1
    for size in groups:
        group = shown[place : place + size]
        if group:
            coded += [group[-1], *group[:-1]]  # the last of each group is coded first, the others follow in order
        place += size
    end = shown[-1] + last
    made = rows(coded, delay=2, end=end)
    decode = [dts for _, dts, _ in made]
    assert [pts for pts, _, _ in made] == coded
    assert all(a < b for a, b in zip(decode, decode[1:], strict=False))
    assert all(dts <= pts for pts, dts, _ in made)
    assert decode[-1] - decode[0] + made[-1][2] == (end - shown[0] if len(shown) > 2 else decode[-1] - decode[0] + last)
    following = dict(zip(shown, [*shown[1:], end], strict=True))
    assert all(duration == following[pts] - pts for pts, _, duration in made[:-1])


def test_deeper_reordering_than_declared_is_our_bug() -> None:
    with pytest.raises(InternalError, match="packet 2 at 10: its encoder reorders more than 0 frames"):
        rows([0, 30, 10, 20], delay=0, end=40)
