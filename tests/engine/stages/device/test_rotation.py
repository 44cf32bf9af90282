"""Memory that is written again when its turn comes, and not before."""

from itertools import count

import pytest

from engine.stages.device.rotation import Rotation


@pytest.mark.parametrize("held", [2, 3])
@pytest.mark.parametrize("lanes", [1, 2])
def test_what_the_other_lane_looks_at_is_not_written(held: int, lanes: int):
    numbers = count()
    line = Rotation(lambda: next(numbers), held, lanes)
    seen: list[list[int]] = []
    for _ in range(24):
        written = line.advance()
        assert line[0] == written
        assert all(written not in looked_at for looked_at in seen[len(seen) - lanes + 1 :])
        seen.append([line[back] for back in range(held)])
        assert len(set(seen[-1])) == held
    for earlier, later in zip(seen, seen[1:], strict=False):
        assert later[1:] == earlier[:-1]
    for lane in range(lanes):
        orders = {tuple(order) for order in seen[lane::lanes]}
        assert len(orders) <= max(held, lanes)


def test_memory_of_a_lane_that_is_not_kept_goes():
    line = Rotation(object, 2, 2)
    spared = {id(item) for item in (line.advance() for _ in range(4))}
    line.settle(2)
    assert {id(line.advance()) for _ in range(8)} == spared
    line.settle(1)
    assert len({id(line.advance()) for _ in range(8)}) == 2
