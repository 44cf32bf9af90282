"""Frames between a program's thread and a chain's: nobody waits for ever, nothing is lost."""

import threading
from collections.abc import Callable

import pytest

from engine.exchange import Exchange, Turn
from engine.frame import Frame
from engine.pool import BufferPool
from engine.queue import Aborted
from tests.support.frames import gray_spec

POOL_SHAPE = (1, 2, 2)


def _frame(pool: BufferPool, index: int) -> Frame:
    lease, spec = pool.lease(), gray_spec()
    return Frame(
        pixels=lease.array, format=spec.format, pts=index, time_base=spec.time_base, index=index, leases=(lease,)
    )


def _aborts(work: Callable[[], object]) -> threading.Thread:
    """Start a thread that is to leave with `Aborted`; one that does not fails the test by an unhandled exception."""

    def run() -> None:
        with pytest.raises(Aborted):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_what_is_there_to_take_goes_before_what_could_be_given():
    exchange, pool = Exchange(), BufferPool(POOL_SHAPE)
    assert exchange.turn() is Turn.GIVE
    exchange.give(_frame(pool, 0))
    threads = [threading.Thread(target=exchange.put, args=(_frame(pool, 7),))]
    threads[0].start()
    taken = exchange.turn()
    assert isinstance(taken, Frame)
    assert taken.index == 7
    threads[0].join()
    got = exchange.get()
    assert got is not None
    assert got.index == 0
    assert exchange.turn() is Turn.GIVE
    exchange.end()
    assert exchange.get() is None
    exchange.close()
    assert exchange.turn() is Turn.LEAVE


def test_abort_wakes_whoever_waits_and_gives_back_what_lay_there():
    exchange, pool = Exchange(), BufferPool(POOL_SHAPE)
    reader = _aborts(exchange.get)
    writer = _aborts(lambda: exchange.put(_frame(pool, 1)))
    while pool.on_loan == 0:
        pass
    frames = exchange.abort()
    for thread in (reader, writer):
        thread.join(5)
        assert not thread.is_alive()
    for frame in frames:
        frame.release()
    with pytest.raises(Aborted):
        exchange.put(_frame(pool, 2))
    exchange.give(_frame(pool, 3))  # comes too late: released at once
    assert pool.on_loan == 0
