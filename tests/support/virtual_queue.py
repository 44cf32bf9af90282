"""The pipeline's queue, keeping each thread's virtual clock where waiting for the other side would have put it."""

import threading

from engine.frame import Frame
from engine.queue import FrameQueue
from engine.trace import QueueLog
from tests.support.simulated_device import SimulatedDevice


class VirtualQueue(FrameQueue):
    """A queue whose sides learn when the other side came.

    A frame is not taken before it was put, and not put before there was room, on the virtual clock as in truth.
    """

    device: SimulatedDevice

    def __init__(self, capacity: int, log: QueueLog | None = None) -> None:
        super().__init__(capacity, log)
        self._put_ns: list[int] = []
        self._taken_ns: list[int] = []
        self._stamps = threading.Condition()

    def put(self, frame: Frame | None) -> None:
        number = len(self._put_ns)
        with self._stamps:
            self._stamps.wait_for(lambda: len(self._taken_ns) > number - self.capacity or self._aborted)
            if number >= self.capacity and not self._aborted:
                self.device.reach(self._taken_ns[number - self.capacity])
        self._put_ns.append(self.device.host_ns)
        super().put(frame)

    def get(self) -> Frame | None:
        frame = super().get()
        with self._stamps:
            self.device.reach(self._put_ns[len(self._taken_ns)])
            self._taken_ns.append(self.device.host_ns)
            self._stamps.notify_all()
        return frame

    def abort(self) -> list[Frame]:
        left = super().abort()
        with self._stamps:
            self._stamps.notify_all()
        return left
