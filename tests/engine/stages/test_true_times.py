from fractions import Fraction

import pytest

from engine.stages.true_times import FINE_UNITS, TrueTimes


@pytest.mark.parametrize(("pictures", "frames"), [(4, 5), (2, 5), (2, 3), (16, 25), (5, 6), (4, 15)])
def test_motion_becomes_even_within_a_few_pictures(pictures: int, frames: int) -> None:
    interval = Fraction(frames, pictures)
    times = TrueTimes(Fraction(FINE_UNITS))
    moved = []
    for number in range(60):
        pts = -(-number * frames // pictures) * FINE_UNITS
        moved.append(times.move(pts, interval if number > 4 else None))
        assert pts - FINE_UNITS <= moved[-1] <= pts
    steps = [after - before for before, after in zip(moved[30:], moved[31:], strict=False)]
    assert all(abs(step - interval * FINE_UNITS) <= 1 for step in steps)
    assert moved == sorted(set(moved))


def test_nothing_moves_without_a_cadence_or_a_rate() -> None:
    times = TrueTimes(Fraction(240))
    assert [times.move(pts, None) for pts in (0, 240, 720)] == [0, 240, 720]
    times = TrueTimes(None)
    assert [times.move(pts, Fraction(5, 4)) for pts in (0, 240, 720)] == [0, 240, 720]
