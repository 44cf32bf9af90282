"""A device that computes on the processor and keeps time by a virtual clock.

What is given to a stream does not run at once. It waits until somebody waits for it; then streams take turns in an
order drawn at random, held back only by their own order and by events: whatever forgot to wait for an event reads what
is not there yet. Kernels are the real sources, compiled for the host. Each piece of work has a length on the virtual
clock, so that overlap and throughput follow from the dependencies alone and not from the machine.
"""

import ctypes
import random
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.device.arguments import kernel_grid, signature
from engine.device.base import Device, DeviceArray, Event, Graph, Stream
from engine.device.cuda_foreign import stream_handle
from engine.errors import BindingError, DeviceError, DeviceMemoryError
from kernels.catalogue import Element, catalogue
from kernels.host.build import HostKernels, build_source

POISON = 0xFE
"""What new device memory holds; as float32 about -1.7e38, as float16 NaN."""


@cache
def _kernels(source: str, element: Element) -> HostKernels:
    return build_source(source, element, Path(tempfile.mkdtemp(prefix="kernels-")))


@dataclass(slots=True, eq=False)
class Work:
    """One piece of work in a stream.

    name : for lanes and errors
    run : what it does; None: nothing, as an event's record does
    ns : how long it takes on the virtual clock
    given_ns : when the host gave it
    after : records that must have come before it
    width : share of the device that it takes while it runs; what takes none runs beside everything
    """

    name: str
    run: Callable[[], None] | None
    ns: int
    given_ns: int
    after: tuple["Work", ...] = ()
    width: float = 0.0
    start_ns: int = 0
    end_ns: int = 0
    is_done: bool = False


@dataclass(slots=True, eq=False)
class Slice:
    """What ran when, on the virtual clock."""

    stream: int
    name: str
    start_ns: int
    end_ns: int


class SimulatedEvent(Event):
    def __init__(self, device: "SimulatedDevice") -> None:
        self.device = device
        self.mark: Work | None = None

    def wait(self, cuda_stream: Stream) -> None:
        assert isinstance(cuda_stream, SimulatedStream)
        if self.mark is not None:
            cuda_stream.after.append(self.mark)

    def synchronize(self) -> None:
        self.device.wait_on_host(self.mark)

    @property
    def has_come(self) -> bool:
        return self.mark is None or self.device.has_come(self.mark)

    def seconds_since(self, earlier: Event) -> float:
        assert isinstance(earlier, SimulatedEvent)
        assert self.mark is not None
        assert earlier.mark is not None
        assert self.mark.is_done
        assert earlier.mark.is_done
        return (self.mark.end_ns - earlier.mark.end_ns) / 1e9


class SimulatedStream(Stream):
    def __init__(self, device: "SimulatedDevice", handle: int, urgent: bool) -> None:
        self.device, self.handle, self.urgent = device, handle, urgent
        self.after: list[Work] = []
        self.queue: deque[Work] = deque()
        self.last: Work | None = None
        self.tail_ns = 0

    def record(self, event: Event) -> None:
        if self.device.is_sick:
            raise DeviceError("simulated: an illegal address was met; every call fails from now on")
        assert isinstance(event, SimulatedEvent)
        event.mark = self.device.submit(self, "record", None, 0)

    def synchronize(self) -> None:
        if self.after:  # waits that no work has followed yet
            self.device.submit(self, "record", None, 0)
        self.device.wait_on_host(self.last)


@dataclass(slots=True)
class SimulatedGraph(Graph):
    works: list[tuple[str, Callable[[], None] | None, int]] = field(default_factory=list)

    def launch(self, stream: Stream) -> None:
        assert isinstance(stream, SimulatedStream)
        for name, run, ns in self.works:
            stream.device.submit(stream, name, run, ns)
        stream.device.graph_launches += 1


class SimulatedDevice(Device):
    """A device for tests.

    Parameters
    ----------
    bytes_per_second : of copies and kernels, which sets how long they take on the virtual clock
    launch_ns : what starting a kernel or a graph takes at least
    memory_bytes : that it has
    seed : of the order in which streams take turns
    host_launch_ns : what giving a piece of work costs the thread that gives it

    Attributes
    ----------
    allocations, page_locked : made so far
    host_waits : how often a host thread has waited for the device
    slices : what ran when
    is_sick : every event that is to be recorded, and every wait of the host, fails
    fail_on : name of work that fails, and after how many times it went well; None: nothing fails
    """

    def __init__(
        self,
        *,
        bytes_per_second: float = 5e11,
        launch_ns: int = 5_000,
        memory_bytes: int = 8 << 30,
        seed: int = 0,
        host_launch_ns: int = 0,
    ) -> None:
        self.name, self.compute_capability, self.ordinal = "simulated", (8, 9), 0
        self.plain: set[int] = set()
        """Addresses of memory that is of no pool."""
        self.allocations = self.page_locked = self.host_waits = self.graph_launches = 0
        self.slices: list[Slice] = []
        self.fail_on: tuple[str, int] | None = None
        self.is_sick = False
        self._rate, self._launch_ns, self._host_launch_ns = bytes_per_second, launch_ns, host_launch_ns
        self._memory_bytes, self._used = memory_bytes, 0
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._streams: dict[int, SimulatedStream] = {}
        self._recording: dict[int, SimulatedGraph] = {}
        self._failure: BaseException | None = None
        self._taken: list[Work] = []
        self._host = threading.local()

    def enter(self) -> None:
        pass

    def stream(self, *, urgent: bool = False) -> SimulatedStream:
        with self._lock:
            stream = SimulatedStream(self, 0x1000 + 16 * len(self._streams), urgent)
            self._streams[stream.handle] = stream
            return stream

    def adopt_stream(self, foreign: object) -> SimulatedStream:
        """Return the stream of a handle; others' streams are some that this device has made."""
        return self._streams[stream_handle(foreign)]

    def adopt_array(self, foreign: object, stream: Stream) -> DeviceArray:
        given: Any = foreign
        if not hasattr(given, "__cuda_array_interface__"):
            raise BindingError(f"array of type {type(foreign).__name__}: lies on the host")
        interface = given.__cuda_array_interface__
        return DeviceArray(interface["data"][0], interface["shape"], np.dtype(interface["typestr"]), foreign)

    def lend_array(self, array: DeviceArray) -> Any:
        return host_view(array)

    def event(self, *, timed: bool = False) -> SimulatedEvent:
        return SimulatedEvent(self)

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike, *, pooled: bool = True) -> DeviceArray:
        memory = np.empty(tuple(shape), dtype)
        if not pooled:
            self.plain.add(memory.ctypes.data)
        memory.reshape(-1).view(np.uint8)[:] = POISON
        with self._lock:
            self.allocations += 1
            self._used += memory.nbytes
            if self._used > self._memory_bytes:
                raise DeviceMemoryError(f"memory: {self._used} of {self._memory_bytes} bytes")
        return DeviceArray(memory.ctypes.data, memory.shape, memory.dtype, memory)

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        self.page_locked += 1
        return np.empty(tuple(shape), dtype)

    def upload(self, source: npt.NDArray[Any], out: DeviceArray, stream: Stream) -> None:
        assert source.nbytes == out.nbytes
        self._copy("upload", source, host_view(out), stream)

    def download(self, source: DeviceArray, out: npt.NDArray[Any], stream: Stream) -> None:
        assert source.nbytes == out.nbytes
        self._copy("download", host_view(source), out, stream)

    def copy(self, source: DeviceArray, out: DeviceArray, stream: Stream) -> None:
        assert source.nbytes == out.nbytes
        self._copy("copy", host_view(source), host_view(out), stream)

    def clear(self, array: DeviceArray, stream: Stream) -> None:
        self.submit(stream, "clear", lambda: host_view(array).fill(0), self._ns(array.nbytes))

    def prepare(self, kernels: Sequence[str], element: Element) -> None:
        for name in kernels:
            _kernels(catalogue()[name].source, element)

    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        declared = catalogue()[kernel]
        values = signature(kernel, element).values(arguments)
        kernel_grid(declared, domain)
        nbytes = sum(argument.nbytes for argument in arguments if isinstance(argument, DeviceArray))
        library = _kernels(declared.source, element)
        held = tuple(arguments)

        def run() -> None:
            library.start(declared, domain, values, reverse=self._random.random() < 0.5)
            _ = held  # the memory lives until the work is done

        self.submit(stream, kernel, run, self._launch_ns + self._ns(nbytes))

    def record_graph(self, stream: Stream, work: Callable[[], None]) -> SimulatedGraph:
        graph = SimulatedGraph()
        with self._lock:
            if self._streams[stream.handle].after:  # waits given before belong to the stream, not to the graph
                self.submit(stream, "record", None, 0)
            self._recording[stream.handle] = graph
        self._host.is_recording = True  # this thread's alone, as in CUDA's thread-local capture
        try:
            work()
        finally:
            self._host.is_recording = False
            with self._lock:
                del self._recording[stream.handle]
        return graph

    def memory(self) -> tuple[int, int]:
        return self._memory_bytes - self._used, self._memory_bytes

    def submit(
        self, stream: "Stream | int", name: str, run: Callable[[], None] | None, ns: int, *, width: float = 0.0
    ) -> Work:
        """Give work to a stream, or to the one of that handle; for stand-ins of libraries too."""
        self.reach(self.host_ns + self._host_launch_ns)
        with self._lock:
            target = self._streams[stream if isinstance(stream, int) else stream.handle]
            if (graph := self._recording.get(target.handle)) is not None:
                if target.after:
                    raise DeviceError("graph: a stream that is being recorded waits for an event of another")
                graph.works.append((name, run, ns))
                return Work(name, run, ns, 0, is_done=True)
            work = Work(name, run, ns, self.host_ns, tuple(target.after), width)
            target.after.clear()
            target.queue.append(work)
            target.last = work
            return work

    @property
    def host_ns(self) -> int:
        """What this thread's clock says; it moves when the thread waits for the device, or for `reach`."""
        return getattr(self._host, "ns", 0)

    def reach(self, ns: int) -> None:
        """Let this thread's clock say at least `ns`."""
        self._host.ns = max(self.host_ns, ns)

    def wait_on_host(self, mark: Work | None) -> None:
        """Let this thread wait for a piece of work."""
        with self._lock:
            if getattr(self._host, "is_recording", False):
                raise DeviceError("graph: the host waits while a stream is being recorded")
            if self.is_sick:
                raise DeviceError("simulated: an illegal address was met; every call fails from now on")
            self.host_waits += 1
            self._drain(mark)
        if mark is not None:
            self.reach(mark.end_ns)

    def has_come(self, mark: Work) -> bool:
        """Return whether a piece of work is done by this thread's clock; the device works on by itself until then."""
        with self._lock:
            if not mark.is_done:
                self._advance(mark)
            return mark.end_ns <= self.host_ns

    def _copy(self, name: str, source: npt.NDArray[Any], out: npt.NDArray[Any], stream: Stream) -> None:
        def run() -> None:
            out.reshape(-1).view(np.uint8)[:] = source.reshape(-1).view(np.uint8)

        self.submit(stream, name, run, self._ns(source.nbytes))

    def _ns(self, nbytes: int) -> int:
        return int(nbytes / self._rate * 1e9)

    def _drain(self, mark: Work | None) -> None:
        """Run streams in random turns until `mark` is done, and tell what failed."""
        self._advance(mark)
        if self._failure is not None:
            raise DeviceError(f"simulated: {self._failure}") from self._failure

    def _advance(self, mark: Work | None) -> None:
        while mark is not None and not mark.is_done:
            ready = [stream for stream in self._streams.values() if stream.queue and _may_run(stream.queue[0])]
            if not ready:
                raise DeviceError("the streams wait for one another: no work can go on")
            self._step(self._random.choice(ready))

    def _find_room(self, work: Work) -> None:
        """Move work to the first moment from which on as much of the device is free as it takes."""
        behind = [other for other in self._taken if other.end_ns > work.start_ns]
        for start in (work.start_ns, *sorted(other.end_ns for other in behind)):
            meanwhile = [other for other in behind if other.start_ns < start + work.ns]
            moments = (start, *(other.start_ns for other in meanwhile if other.start_ns > start))
            if all(_taken_at(moment, meanwhile) + work.width <= 1.0 for moment in moments):
                work.start_ns = start
                break
        work.end_ns = work.start_ns + work.ns
        self._taken.append(work)

    def _step(self, stream: SimulatedStream) -> None:
        work = stream.queue.popleft()
        work.start_ns = max(stream.tail_ns, work.given_ns, *(other.end_ns for other in work.after), 0)
        if work.width:
            self._find_room(work)
        work.end_ns = stream.tail_ns = work.start_ns + work.ns
        work.is_done, work.after = True, ()
        if work.run is None:
            return
        self.slices.append(Slice(stream.handle, work.name, work.start_ns, work.end_ns))
        if self.fail_on is not None and self.fail_on[0] == work.name:
            name, good = self.fail_on
            self.fail_on = (name, good - 1)
            if good <= 0:
                self._failure = self._failure or RuntimeError(f"{name} failed")
                return
        try:
            work.run()
        except Exception as error:  # as on a GPU: kept, and told to whoever waits next
            self._failure = self._failure or error


def _taken_at(ns: int, works: Sequence[Work]) -> float:
    return sum(work.width for work in works if work.start_ns <= ns < work.end_ns)


def host_view(array: DeviceArray) -> npt.NDArray[Any]:
    """Return simulated device memory as a NumPy array."""
    block: Any = (ctypes.c_char * max(array.nbytes, 1)).from_address(array.pointer)
    block.owner = array.owner
    return np.frombuffer(block, array.dtype, array.nbytes // array.dtype.itemsize).reshape(array.shape)


def _may_run(work: Work) -> bool:
    return all(other.is_done for other in work.after)
