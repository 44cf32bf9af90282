from collections import deque
from fractions import Fraction

import numpy as np
import pytest

from engine.errors import DeviceError, InternalError
from engine.frame import Frame, Motion, release_all
from engine.pool import BufferPool, Lease
from engine.types import PixelFormat


def make_frame(pool: BufferPool, motion_pool: BufferPool | None = None) -> Frame:
    lease = pool.lease()
    motion = None
    if motion_pool is not None:
        motion_lease = motion_pool.lease()
        motion = Motion(flow=motion_lease.array[:4], mask=motion_lease.array[4:], timestep=0.5, lease=motion_lease)
    return Frame(
        pixels=lease.array,
        format=PixelFormat.GRAY,
        pts=3,
        time_base=Fraction(1001, 24000),
        index=3,
        leases=(lease,),
        motion=motion,
    )


def test_time_is_exact() -> None:
    frame = make_frame(BufferPool((1, 4, 5)))
    assert frame.time == Fraction(3003, 24000)
    assert (frame.height, frame.width) == (4, 5)


def test_a_shared_frame_keeps_the_buffers_out_until_both_are_released() -> None:
    pool, motion_pool = BufferPool((1, 4, 5)), BufferPool((5, 2, 2))
    frame = make_frame(pool, motion_pool)
    second = frame.share()
    second.pts = 7
    frame.release()
    assert (pool.on_loan, motion_pool.on_loan) == (1, 1)
    assert second.pixels.shape == (1, 4, 5)
    second.release()
    assert (pool.on_loan, motion_pool.on_loan) == (0, 0)


def test_a_successor_keeps_time_and_holds_only_its_own_buffers() -> None:
    pool, other = BufferPool((1, 4, 5)), BufferPool((1, 8, 10))
    frame = make_frame(pool)
    lease = other.lease()
    made = frame.successor(pixels=lease.array, format=PixelFormat.GRAY, leases=(lease,))
    frame.release()
    assert pool.on_loan == 0
    assert made.time == Fraction(3003, 24000)
    made.release()
    assert other.on_loan == 0


def test_releasing_twice_is_our_bug() -> None:
    frame = make_frame(BufferPool((1, 4, 5)))
    frame.release()
    with pytest.raises(InternalError, match="twice"):
        frame.release()


def test_frames_of_a_sick_device_keep_none_of_the_others_back() -> None:
    class Sick(Lease):
        def release(self) -> None:
            raise DeviceError("GPU: lost")

    pool = BufferPool((1, 2, 2))
    leases = [Sick(pool, np.zeros((1, 2, 2), np.float32)), pool.lease()]
    frames = deque(
        Frame(pixels=lease.array, format=PixelFormat.GRAY, pts=0, time_base=Fraction(1, 24), index=0, leases=(lease,))
        for lease in leases
    )
    with pytest.raises(DeviceError, match="lost"):
        release_all(frames)
    assert pool.on_loan == 0
    assert not frames


def test_a_frame_that_shows_another_holds_its_buffers_too() -> None:
    pool = BufferPool((1, 2, 2))
    repeated, picture = make_frame(pool), make_frame(pool)
    made = repeated.showing(picture)
    assert made.pixels is picture.pixels
    assert made.time == repeated.time
    for frame in (repeated, picture):
        frame.release()
    assert pool.on_loan == 1
    made.release()
    assert pool.on_loan == 0
