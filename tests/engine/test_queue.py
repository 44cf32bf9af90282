import threading

import pytest

from engine.queue import Aborted, FrameQueue
from engine.trace import QueueLog
from tests.support.frames import ListReader


def test_order_in_order_out_and_the_end_comes_last() -> None:
    queue = FrameQueue(8)
    for frame in ListReader(3).frames():
        queue.put(frame)
    queue.put(None)
    got = [queue.get() for _ in range(3)]
    assert [frame.index for frame in got if frame] == [0, 1, 2]
    assert queue.get() is None
    assert queue.deepest == 4


def test_a_full_queue_makes_the_giver_wait() -> None:
    queue, frames = FrameQueue(1), list(ListReader(2).frames())
    queue.put(frames[0])
    giver = threading.Thread(target=queue.put, args=(frames[1],))
    giver.start()
    giver.join(0.05)
    assert giver.is_alive()
    queue.get()
    giver.join(5)
    assert not giver.is_alive()
    assert queue.put_wait_ns > 40_000_000


def test_the_log_tells_when_a_side_wished_had_and_went_on() -> None:
    log = QueueLog(capacity=2)
    queue = FrameQueue(2, log)
    for frame in ListReader(2).frames():
        queue.put(frame)
    queue.get()
    assert [row[2] for row in log.puts.rows().tolist()] == [1, 2]
    assert [row[2] for row in log.gets.rows().tolist()] == [1]
    for wanted, done, _, went_on in [*log.puts.rows().tolist(), *log.gets.rows().tolist()]:
        assert wanted <= done <= went_on


def test_abort_wakes_whoever_waits_and_hands_out_what_lies_there() -> None:
    reader = ListReader(1)
    queue, empty = FrameQueue(2), FrameQueue(2)
    queue.put(next(reader.frames()))
    woken: list[bool] = []

    def wait() -> None:
        with pytest.raises(Aborted):
            empty.get()
        woken.append(True)

    waiter = threading.Thread(target=wait)
    waiter.start()
    (left,) = queue.abort()
    assert empty.abort() == []
    waiter.join(5)
    assert woken == [True]
    left.release()
    assert reader.pool.on_loan == 0
    with pytest.raises(Aborted):
        queue.put(None)
