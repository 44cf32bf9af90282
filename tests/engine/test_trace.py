import threading
import tracemalloc

from engine.trace import NONE, Ring, Trace, TracedModel


def test_a_ring_keeps_the_latest_rows_in_order() -> None:
    ring = Ring(2, capacity=4)
    assert ring.rows().shape == (0, 2)
    for number in range(6):
        ring.add(number, -number)
    assert ring.rows().tolist() == [[2, -2], [3, -3], [4, -4], [5, -5]]
    assert (ring.added, ring.first) == (6, 2)


def test_a_ring_never_grows() -> None:
    ring = Ring(6, capacity=64)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(10_000):
        ring.add(number, number + 10**12, 2, 3, NONE, 10**15)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1000


def test_models_runs_go_to_the_lane_that_their_thread_works_for() -> None:
    trace = Trace()
    trace.lay(["decode", "enhance", "encode"], 4)
    trace.models.append(TracedModel(name="restore", sha256="0" * 64, shapes={}, threads=1))

    def work() -> None:
        trace.work_in("enhance")
        trace.ran(0, 10, 20)

    trace.ran(0, 1, 2)  # measured before the run, on no lane
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert trace.runs["enhance"].rows().tolist() == [[10, 20, 0]]
    assert not trace.runs["decode"].added
    assert [queue.capacity for queue in trace.queues] == [4, 4]
