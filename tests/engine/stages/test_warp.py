import numpy as np
import pytest

from engine.stages.warp import Warper


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return 0.5 + 0.2 * np.sin(x / 5) + 0.2 * np.cos(y / 7)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (37, 51)])
@pytest.mark.parametrize("cell", [1, 4])
@pytest.mark.parametrize("timestep", [0.25, 0.5])
def test_both_pictures_meet_where_the_motion_says(height: int, width: int, cell: int, timestep: float) -> None:
    scene = smooth(height, width + 8)
    first, second = np.ascontiguousarray(scene[:, 8:]), np.ascontiguousarray(scene[:, 4:-4])
    rows, columns = -(-height // cell), -(-width // cell)
    flow = np.zeros((4, rows, columns), np.float32)
    flow[0], flow[2] = -4 * timestep, 4 * (1 - timestep)
    mask = np.full((1, rows, columns), 0.5, np.float32)
    warper, out = Warper(height, width), np.empty((height, width), np.float32)
    warper.aim(flow, mask, cell)
    warper.blend(first, second, out)
    place = 8 - 4 * timestep
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wanted = 0.5 + 0.2 * np.sin((x + place) / 5) + 0.2 * np.cos(y / 7)
    np.testing.assert_allclose(out[:, 5:-5], wanted[:, 5:-5], atol=3e-3)


def test_the_mask_is_the_weight_of_the_first() -> None:
    warper, out = Warper(8, 8), np.empty((8, 8), np.float32)
    mask = np.full((1, 2, 2), 0.25, np.float32)
    warper.aim(np.zeros((4, 2, 2), np.float32), mask, 4)
    warper.blend(np.ones((8, 8), np.float32), np.zeros((8, 8), np.float32), out)
    np.testing.assert_allclose(out, 0.25, atol=1e-4)


def test_half_size_planes_move_half_as_far() -> None:
    plane = smooth(24, 32)
    flow = np.zeros((4, 12, 16), np.float32)
    flow[0] = flow[2] = 4.0
    warper, out = Warper(24, 32, reduction=2), np.empty((24, 32), np.float32)
    warper.aim(flow, np.ones((1, 12, 16), np.float32), 4)
    warper.blend(plane, plane, out)
    np.testing.assert_allclose(out[:, :-2], plane[:, 2:], atol=1e-4)
