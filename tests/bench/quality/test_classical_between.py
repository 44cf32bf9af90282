import numpy as np
import pytest

from bench.quality.classical_between import DisWarp, blend, minterpolate
from bench.quality.metrics import psnr
from tests.bench.quality.test_motion import sliding, texture


def test_a_blend_is_weighted_by_time() -> None:
    first, second = np.full((4, 4), 100, np.uint8), np.full((4, 4), 200, np.uint8)
    assert (blend(first, second, 0.25) == 125).all()


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
def test_dis_follows_a_slide_both_ways(timestep: float) -> None:
    frames = sliding(5, 2)
    truth = frames[round(4 * timestep)][12:-12, 12:-12]
    warper = DisWarp(frames[0], frames[4])
    faded = psnr(blend(frames[0], frames[4], timestep)[12:-12, 12:-12], truth) or 0
    for made in (warper.plain(timestep), warper.occlusion_aware(timestep)):
        assert (psnr(made[12:-12, 12:-12], truth) or 0) > faded + 12


def test_occlusion_is_seen_where_a_square_passes() -> None:
    back, square = texture(96, 128) // 3, 150 + texture(30, 30) // 3
    frames = []
    for x in (20, 26, 32):
        frames.append(back.copy())
        frames[-1][30:60, x : x + 30] = square
    warper = DisWarp(frames[0], frames[2])
    plain, aware = (psnr(made, frames[1]) or 0 for made in (warper.plain(0.5), warper.occlusion_aware(0.5)))
    assert aware > plain + 0.5


def test_minterpolate_gives_every_dropped_frame_in_order() -> None:
    frames = sliding(9, 2)
    for gap in (2, 4):
        made = minterpolate(list(frames[::gap]), gap)
        wanted = [frames[n] for n in range(8) if n % gap]
        assert len(made) == len(wanted)
        for found, truth in zip(made, wanted, strict=True):
            nearest = max(range(9), key=lambda n: psnr(found[20:-20, 20:-20], frames[n][20:-20, 20:-20]) or 0)
            assert np.array_equal(frames[nearest], truth)
