from fractions import Fraction

import pytest

from engine.stages.cadence import CadenceTracker, FilmCadence, Pattern, find_pattern


def padded(pictures: int, frames: int, count: int, offset: int = 0) -> list[bool]:
    """Return which of `count` frames are new where `frames` show `pictures`."""
    shown = [(number + offset) * pictures // frames for number in range(count + 1)]
    return [after != before for before, after in zip(shown, shown[1:], strict=False)]


@pytest.mark.parametrize(
    ("pictures", "frames"),
    [(1, 1), (4, 5), (5, 6), (2, 5), (2, 3), (16, 25), (3, 5), (1, 2), (4, 15), (24, 25), (1, 3)],
)
@pytest.mark.parametrize("offset", [0, 3])
def test_even_padding_is_recognised(pictures: int, frames: int, offset: int) -> None:
    pattern = find_pattern(padded(pictures, frames, 60, offset), 1000)
    assert pattern is not None
    assert (pattern.interval, pattern.is_even) == (Fraction(frames, pictures), True)


@pytest.mark.parametrize(
    "flags",
    [
        [True, True, False, False, False, True] * 10,
        [False] * 40,
        [True, False, False, False, True, True, False] * 8,
    ],
)
def test_uneven_padding_is_no_cadence(flags: list[bool]) -> None:
    assert find_pattern(flags, 0) is None


def test_a_few_redrawn_repeats_do_not_hide_a_pattern() -> None:
    flags = padded(4, 5, 60)
    for number in (flags.index(False, 10), flags.index(False, 40)):
        flags[number] = True
    pattern = find_pattern(flags, 0)
    assert pattern is not None
    assert pattern.interval == Fraction(5, 4)


def test_the_tracker_expects_the_next_repeat() -> None:
    tracker = CadenceTracker()
    for index, is_new in enumerate(padded(4, 5, 43)):
        tracker.add(index, is_new=is_new)
    assert tracker.pattern is not None
    expected = [tracker.pattern.expects_repeat(index) for index in range(43, 53)]
    assert expected == [not is_new for is_new in padded(4, 5, 53)[43:]]
    assert (str(tracker.main_pattern()), tracker.pattern.longest_hold) == ("4 of 5 frames unique", 1)


def test_a_slip_is_forgotten_and_the_pattern_found_again() -> None:
    tracker = CadenceTracker()
    for index, is_new in enumerate([*padded(4, 5, 62), *padded(4, 5, 100, offset=3)]):
        tracker.add(index, is_new=is_new)
    assert tracker.pattern is not None
    assert tracker.pattern.interval == Fraction(5, 4)


def test_a_cadence_is_told_in_words() -> None:
    pattern = Pattern((True, True, True, False, True))
    film = FilmCadence(frames=360, shots=4, repeats=72, pattern=pattern, rate=Fraction(29))
    assert (str(film), film.true_rate) == ("4 of 5 frames unique, true rate 23.2 fps", Fraction(116, 5))
    film = FilmCadence(frames=100, shots=1, repeats=10, pattern=None, rate=Fraction(30))
    assert str(film) == "no regular cadence, 90 of 100 frames unique, true rate 27 fps on average"
    film = FilmCadence(frames=100, shots=1, repeats=0, pattern=Pattern((True,)), rate=None)
    assert str(film) == "every frame unique, varying rate"
