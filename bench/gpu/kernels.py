"""How long the product's kernels take at a film's size, beside how long their memory would take to be copied.

What `bench.gpu.product` does is watched once: which kernels, copies and clearings a frame's work gives to the stream,
and with which arguments. These are then recorded as graphs and timed by the device's events: each part as a whole, and
of each kernel the launch that moves the most.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, cast

from bench.gpu.outcome import Outcome
from bench.gpu.product import PARTS, Work
from bench.gpu.product_film import Film, draw_film
from bench.gpu.roof import COPY_BYTES, RUNS, copy_rate, median_seconds
from engine.device.base import Device, DeviceArray, Graph, Stream
from engine.device.operators import Operators
from engine.errors import FarshoreError
from kernels.catalogue import Element, catalogue

LAUNCHES = 32
"""Pieces of work that one timed run holds at least, so that what starts a graph does not count."""

TOLD = 12
"""Kernels in the table; the result has all."""

TOUCHED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "tile_cut": {"picture": ("tile_width", "tile_height", "planes")},
    "tile_put": {"tile": ("width", "height", "planes"), "picture": ("width", "height", "planes")},
    "tile_fade": {"sum": ("width", "height", "planes")},
    "face_cut": {"picture": ("side", "side", "planes")},
    "face_take": {"face": ("side", "side", "planes")},
    "face_paste": {
        "face": ("side", "side", "planes"),
        "film": ("width", "height", "planes"),
        "out": ("width", "height", "planes"),
        "taken": ("width", "height"),
    },
    "draw_label": {"picture": ("columns", "rows", "planes")},
    "draw_counter": {"picture": ("cells", "glyph_columns", "rows", "planes")},
    "inspect_thin": {"picture": ("width", "height")},
    "compare": {"film": ("film_columns", "height", "planes")},
    "between_motion": {"again": ()},
}
"""Kernel → array of which it touches but a part → the arguments whose product is that part's elements. Of every other
array all is touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of work that was given to a stream.

    name : of the kernel, or ``copy`` or ``clear``
    kernel : whether it is one
    nbytes : that must at least be read and written: each array once
    domain : threads of a kernel
    give : gives it once more
    """

    name: str
    is_kernel: bool
    nbytes: int
    domain: tuple[int, int, int] | None
    give: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What one kernel, or one part of the product, took.

    name : of the kernel or the part
    outcome : ``right`` or ``failed``
    reason : why it failed
    milliseconds : by the device's clock, median
    nbytes : that must at least be read and written
    share_of_bandwidth : these by the time, of what a copy moves; above 1 where caches hold them
    launches : kernels, copies and clearings
    domain, part : of a kernel: threads, and the part of the product that launches it so
    """

    name: str
    outcome: Outcome
    reason: str | None = None
    milliseconds: float | None = None
    nbytes: int | None = None
    share_of_bandwidth: float | None = None
    launches: int | None = None
    domain: tuple[int, int, int] | None = None
    part: str | None = None


@dataclass(slots=True)
class KernelTimes:
    """What all of them took.

    bytes_per_second : read and written by a copy within the device's memory; None: it failed
    reason : why
    """

    width: int
    height: int
    bytes_per_second: float | None = None
    reason: str | None = None
    kernels: list[Timed] = field(default_factory=list[Timed])
    parts: list[Timed] = field(default_factory=list[Timed])

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def touched_bytes(kernel: str, element: Element, arguments: Sequence[DeviceArray | int | float | None]) -> int:
    """Return the bytes of a launch's arrays, each once, as far as it touches them."""
    parameters = catalogue()[kernel].parameters
    named = {parameter.name: argument for parameter, argument in zip(parameters, arguments, strict=True)}
    total = 0
    for parameter in parameters:
        array = named[parameter.name]
        if not isinstance(array, DeviceArray):
            continue
        part = TOUCHED.get(kernel, {}).get(parameter.name)
        if part is None:
            total += array.nbytes
        else:
            elements = math.prod(int(cast(int, named[name])) for name in part)
            total += min(array.nbytes, elements * parameter.dtype(element).itemsize)
    return total


class Watched:
    """A device that notes the work that is given to its streams; what a graph holds, when the graph is launched.

    Parameters
    ----------
    device : that does it
    stream : on which it is to be given once more

    Attributes
    ----------
    given : what came
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self._device, self._stream = device, stream
        self.given: list[Piece] = []

    def __getattr__(self, name: str) -> Any:
        """Return everything else as the device has it."""
        return getattr(self._device, name)

    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        """Start a kernel."""
        arguments = tuple(arguments)
        self._device.launch(kernel, element, domain, arguments, stream)
        nbytes = touched_bytes(kernel, element, arguments)
        again = partial(self._device.launch, kernel, element, domain, arguments, self._stream)
        self.given.append(Piece(name=kernel, is_kernel=True, nbytes=nbytes, domain=domain, give=again))

    def copy(self, source: DeviceArray, out: DeviceArray, stream: Stream) -> None:
        """Copy."""
        self._device.copy(source, out, stream)
        again = partial(self._device.copy, source, out, self._stream)
        self._note("copy", 2 * out.nbytes, again)

    def clear(self, array: DeviceArray, stream: Stream) -> None:
        """Set to zero."""
        self._device.clear(array, stream)
        self._note("clear", array.nbytes, partial(self._device.clear, array, self._stream))

    def record_graph(self, stream: Stream, work: Work) -> Graph:
        """Record, and note what is recorded."""
        before, self.given = self.given, []
        try:
            return _WatchedGraph(self, self._device.record_graph(stream, work), self.given)
        finally:
            self.given = before

    def _note(self, name: str, nbytes: int, again: Work) -> None:
        self.given.append(Piece(name=name, is_kernel=False, nbytes=nbytes, domain=None, give=again))


class _WatchedGraph(Graph):
    def __init__(self, watched: Watched, graph: Graph, pieces: list[Piece]) -> None:
        self._watched, self._graph, self._pieces = watched, graph, pieces

    def launch(self, stream: Stream) -> None:
        self._graph.launch(stream)
        self._watched.given += self._pieces


class _Timer:
    """Times pieces of work.

    Parameters
    ----------
    device, stream : where
    bytes_per_second : of a copy; None: not known
    launches, runs : as of `time_kernels`
    """

    def __init__(
        self, device: Device, stream: Stream, bytes_per_second: float | None, launches: int, runs: int
    ) -> None:
        self._device, self._stream, self._rate = device, stream, bytes_per_second
        self._launches, self._runs = launches, runs

    def __call__(self, name: str, pieces: Sequence[Piece], **more: Any) -> Timed:
        """Return what they take, one after the other."""
        times = -(-self._launches // len(pieces))

        def give() -> None:
            for _ in range(times):
                for piece in pieces:
                    piece.give()

        try:
            graph = self._device.record_graph(self._stream, give)
            seconds = median_seconds(self._device, self._stream, lambda: graph.launch(self._stream), self._runs) / times
        except FarshoreError as error:
            return Timed(name=name, outcome="failed", reason=str(error), **more)
        nbytes = sum(piece.nbytes for piece in pieces)
        return Timed(
            name=name,
            outcome="right",
            milliseconds=seconds * 1e3,
            nbytes=nbytes,
            share_of_bandwidth=None if self._rate is None else nbytes / seconds / self._rate,
            launches=len(pieces),
            **more,
        )


def time_kernels(
    device: Device,
    *,
    width: int,
    height: int,
    parts: Mapping[str, Callable[[Film], Work]] = PARTS,
    copy_bytes: int = COPY_BYTES,
    launches: int = LAUNCHES,
    runs: int = RUNS,
) -> KernelTimes:
    """Time the parts of the product and the kernels that they launch; what fails is told in the result.

    Parameters
    ----------
    device : the GPU
    width, height : of the pictures
    parts : name → makes it ready, and returns one frame's work
    copy_bytes : of the buffer that is copied for comparison
    launches : pieces of work that one timed run holds at least
    runs : of which the median counts
    """
    stream = device.stream()
    times = KernelTimes(width=width, height=height)
    try:
        times.bytes_per_second = copy_rate(device, copy_bytes)
    except FarshoreError as error:
        times.reason = str(error)
    timer = _Timer(device, stream, times.bytes_per_second, launches, runs)
    watched = Watched(device, stream)
    largest: dict[str, Timed] = {}
    try:
        film = draw_film(Operators(cast(Device, watched), stream), width, height)
    except FarshoreError as error:
        times.parts = [Timed(name=name, outcome="failed", reason=str(error)) for name in parts]
        return times
    for name, make in parts.items():
        watched.given.clear()
        try:
            work = make(film)
            work()  # what comes once alone is not a frame's work
            watched.given.clear()
            work()
            stream.synchronize()
        except FarshoreError as error:
            times.parts.append(Timed(name=name, outcome="failed", reason=str(error)))
            continue
        pieces = list(watched.given)
        times.parts.append(timer(name, pieces))
        for piece in _largest(pieces):
            known = largest.get(piece.name)
            if known is None or (known.nbytes or 0) < piece.nbytes:
                largest[piece.name] = timer(piece.name, [piece], domain=piece.domain, part=name)
    times.kernels = sorted(largest.values(), key=lambda row: row.name)
    return times


def _largest(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield of each kernel the launch that moves the most; of several the last."""
    found: dict[str, Piece] = {}
    for piece in pieces:
        if piece.is_kernel and (piece.name not in found or found[piece.name].nbytes <= piece.nbytes):
            found[piece.name] = piece
    yield from found.values()


def table(times: Mapping[str, Any]) -> list[str]:
    """Return lines for people: every part, and the kernels that take longest.

    Parameters
    ----------
    times : `KernelTimes` as plain values
    """
    rate = times["bytes_per_second"]
    copy = f"a copy moves {rate / 1e9:.0f} GB/s" if rate else f"a copy failed: {times['reason']}"
    lines = [f"beside the models at {times['width']}x{times['height']}; {copy}"]
    parts, kernels = _slowest_first(times["parts"]), _slowest_first(times["kernels"])
    lines += _rows("a frame's work in one part of the chain", parts)
    lines += _rows(f"one launch: {min(TOLD, len(kernels))} slowest of {len(kernels)} kernels", kernels[:TOLD])
    return lines


def _slowest_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted((row for row in rows if row["milliseconds"] is not None), key=lambda row: -row["milliseconds"])


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"{title:<42} {'ms':>9} {'MB':>8} {'share':>6} {'launches':>8}"
    for row in rows:
        share = "" if row["share_of_bandwidth"] is None else f"{row['share_of_bandwidth']:.0%}"
        figures = f"{row['milliseconds']:9.4f} {row['nbytes'] / 1e6:8.2f} {share:>6} {row['launches']:>8}"
        yield f"{row['name']:<42} {figures}"
