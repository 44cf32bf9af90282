"""Times out of numbers: even rates found, gaps counted, wild and missing timestamps put right."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.media.losses import Losses
from engine.media.times import FilmClock, even_rate, exact_time_base

NTSC = Fraction(24000, 1001)
MILLISECONDS = Fraction(1, 1000)


def clock_times(told, *, rate=None, unit=MILLISECONDS, start=Fraction(0)):
    losses = Losses()
    clock = FilmClock(start, rate, unit, losses)
    return [clock.time(None if each is None else Fraction(each), None) for each in told], losses


@pytest.mark.parametrize("rate", [NTSC, Fraction(30000, 1001), Fraction(25), Fraction(50), Fraction(18), Fraction(16)])
def test_milliseconds_still_show_an_even_rate(rate):
    times = [round(number / rate * 1000) for number in range(300)]
    assert even_rate(times, MILLISECONDS, [None, Fraction(1000), rate]) == rate


def test_uneven_times_have_no_rate():
    times = [0, 40, 100, 130, 300, 310, 500]
    assert even_rate(times, MILLISECONDS, [Fraction(25), Fraction(1000, 43)]) is None


def test_a_few_gaps_leave_a_rate_but_every_second_picture_missing_does_not():
    times = [number for number in range(200) if number % 50]
    assert even_rate(times, Fraction(1, 25), [Fraction(25)]) == 25
    assert even_rate(list(range(0, 200, 2)), Fraction(1, 25), [Fraction(25), Fraction(25, 2)]) == Fraction(25, 2)


def test_the_order_of_timestamps_does_not_matter():
    assert even_rate([0, 3, 1, 2, 4, 7, 5, 6], Fraction(1, 25), [Fraction(25)]) == 25


def test_one_timestamp_fits_whatever_is_told():
    assert even_rate([7], Fraction(1, 25), [Fraction(25)]) == 25


@pytest.mark.parametrize(
    ("start", "rate", "unit", "base"),
    [
        (Fraction(0), NTSC, MILLISECONDS, Fraction(1, 24000)),
        (Fraction(-1, 2), Fraction(25), Fraction(1, 90000), Fraction(1, 50)),
        (Fraction(0), None, Fraction(1, 90000), Fraction(1, 90000)),
        (Fraction(1, 3), None, Fraction(1001, 24000), Fraction(1, 24000)),
    ],
)
def test_the_time_base_holds_start_and_steps(start, rate, unit, base):
    assert exact_time_base(start, rate, unit) == base


def test_even_film_stands_on_the_exact_grid():
    told = [Fraction(round(number / NTSC * 1000), 1000) for number in range(1000)]
    times, losses = clock_times(told, rate=NTSC)
    assert times == [number / NTSC for number in range(1000)]
    assert not losses
    assert losses.repaired_times == 0


def test_gaps_in_even_film_are_missing_frames():
    times, losses = clock_times([0, Fraction(1, 25), Fraction(5, 25), Fraction(6, 25)], rate=Fraction(25))
    assert times == [0, Fraction(1, 25), Fraction(5, 25), Fraction(6, 25)]
    assert losses.missing_frames == 3
    assert losses


def test_repeated_and_backward_timestamps_move_on():
    times, losses = clock_times([0, Fraction(1, 10), Fraction(1, 10), Fraction(1, 20), Fraction(3, 10)])
    assert times[:2] == [0, Fraction(1, 10)]
    assert times[-1] == Fraction(3, 10)
    assert times == sorted(set(times))
    assert losses.repaired_times == 2
    assert not losses


def test_missing_timestamps_follow_from_the_rate():
    times, losses = clock_times([None] * 4, rate=NTSC, start=Fraction(2))
    assert times == [2 + number / NTSC for number in range(4)]
    assert losses.derived_times == 4


def test_one_wild_timestamp_is_not_believed():
    rate = Fraction(25)
    for wild in (Fraction(10**6), Fraction(-(10**6))):
        told = [0, 1 / rate, wild, 3 / rate, 4 / rate]
        times, losses = clock_times(told, rate=rate)
        assert times == [number / rate for number in range(5)]
        assert losses.repaired_times == 1
        assert losses.missing_frames == 0


def test_a_film_that_counts_anew_goes_on():
    told = [Fraction(1000 + number, 25) for number in range(4)] + [Fraction(number, 25) for number in range(4)]
    times, _ = clock_times(told, rate=Fraction(25), start=Fraction(40))
    assert times == [40 + Fraction(number, 25) for number in range(8)]


def test_a_long_pause_is_believed_when_the_next_timestamp_agrees():
    told = [0, Fraction(1, 25), 100, 100 + Fraction(1, 25), 100 + Fraction(2, 25)]
    times, _ = clock_times(told)
    assert times[3:] == told[3:]


@given(
    st.lists(st.none() | st.integers(-(10**7), 10**7), min_size=1, max_size=60),
    st.sampled_from([None, NTSC, Fraction(25), Fraction(1)]),
)
def test_times_strictly_increase_and_fit_the_time_base_whatever_is_told(units, rate):
    told = [None if unit is None else unit * MILLISECONDS for unit in units]
    start = next((each for each in told if each is not None), Fraction(0)) if told[0] is not None else Fraction(0)
    base = exact_time_base(start, rate, MILLISECONDS)
    times, _ = clock_times(told, rate=rate, start=start, unit=base)
    assert times[0] == start
    assert all(before < after for before, after in zip(times, times[1:], strict=False))
    if rate is not None:
        assert all(((time - start) * rate).denominator == 1 for time in times)
