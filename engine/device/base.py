"""What the chain needs of a GPU, and all of it: streams, events, memory, copies, kernels, recorded graphs.

`engine.device.cuda` is a GPU through cuda-core. Tests have a device that computes on the processor and keeps time by a
virtual clock, so that whatever is written against this page runs, and is timed, on a machine without a GPU.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsInt

import numpy as np
import numpy.typing as npt

from kernels.catalogue import Element


@dataclass(frozen=True, slots=True, eq=False)
class DeviceArray:
    """A C-contiguous array in device memory.

    pointer : device address
    shape, dtype : as NumPy's
    owner : whatever keeps the memory alive
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """For Numba, CuPy, PyTorch and PyCUDA (version 3). Whoever reads it must first wait for the frame's event."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "version": 3,
            "strides": None,
            "stream": None,
        }

    def view(self, offset: int, shape: Sequence[int], dtype: npt.DTypeLike | None = None) -> "DeviceArray":
        """Return an array within this one.

        Parameters
        ----------
        offset : bytes from the start
        shape : of the view
        dtype : of the view; None: this array's own
        """
        part = DeviceArray(self.pointer + offset, tuple(shape), np.dtype(dtype or self.dtype), self.owner)
        if offset < 0 or offset + part.nbytes > self.nbytes:
            raise ValueError(f"view of {part.nbytes} bytes from byte {offset}: the array has {self.nbytes}")
        return part


def device_memory(memory: SupportsInt, shape: Sequence[int], dtype: npt.DTypeLike = np.float32) -> DeviceArray:
    """Return an array over device memory of which nothing but the address is known.

    Parameters
    ----------
    memory : whatever is an address as a number, such as PyCUDA's `DeviceAllocation`; kept alive as the array's owner
    shape, dtype : of the array, which lies there in C order; that the memory is so large is the caller's word
    """
    return DeviceArray(int(memory), tuple(shape), np.dtype(dtype), memory)


class Event(ABC):
    """A moment in a stream's work."""

    @abstractmethod
    def wait(self, cuda_stream: "Stream") -> None:
        """Make a stream's later work wait for this moment; the host goes on."""

    @abstractmethod
    def synchronize(self) -> None:
        """Stop the host until the moment has come."""

    @property
    @abstractmethod
    def has_come(self) -> bool:
        """Whether it has come; asks without waiting."""

    @abstractmethod
    def seconds_since(self, earlier: "Event") -> float:
        """Return the device's time between two moments that have come, of events made with `timed`."""


class Stream(ABC):
    """A queue of work on a device; work of one stream runs in order.

    Attributes
    ----------
    handle : `cudaStream_t` as a number
    """

    handle: int

    @abstractmethod
    def record(self, event: Event) -> None:
        """Let `event` be the moment when all work given to this stream so far is done."""

    @abstractmethod
    def synchronize(self) -> None:
        """Stop the host until all work is done. Never within the flow of frames."""

    def __cuda_stream__(self) -> tuple[int, int]:
        """For cuda-core and whoever else takes streams: protocol version and handle."""
        return 0, self.handle


class Graph(ABC):
    """Work recorded once, to be started as often as wanted at the price of one launch."""

    @abstractmethod
    def launch(self, stream: Stream) -> None:
        """Start it on a stream."""


class Device(ABC):
    """One GPU, in its primary context, which ONNX Runtime, TensorRT and PyTorch share.

    Attributes
    ----------
    name : as its driver gives it
    compute_capability : (major, minor)
    ordinal : the driver's number of it

    Every method may be called from any thread. What allocates or compiles belongs into `open`, not into the flow.
    Nothing is to be closed: streams, events, graphs, kernels and memory go with the last object that holds them.
    """

    name: str
    compute_capability: tuple[int, int]
    ordinal: int

    @abstractmethod
    def enter(self) -> None:
        """Make the device current in this thread, for libraries that look there.

        The device's other methods and those of streams do so themselves, and events and graphs by the stream they are
        given; every call but the first of a thread costs next to nothing.
        """

    @abstractmethod
    def stream(self, *, urgent: bool = False) -> Stream:
        """Make a stream; work of urgent ones goes first."""

    @abstractmethod
    def adopt_stream(self, foreign: object) -> Stream:
        """Wrap somebody else's stream, which stays theirs; they keep it alive.

        Parameters
        ----------
        foreign : whatever has `__cuda_stream__` (PyTorch, CuPy, cuda-core); PyCUDA's and Numba's streams, with a
            `handle`; CuPy's older ones, with a `ptr`; or a handle as a number. 0 is the default stream

        Raises
        ------
        BindingError
            It is no stream.
        DeviceError
            Another context than the device's primary one is current in this thread.
        """

    @abstractmethod
    def adopt_array(self, foreign: object, stream: Stream) -> DeviceArray:
        """Take somebody else's device memory without a copy.

        Parameters
        ----------
        foreign : whatever has `__dlpack__` or `__cuda_array_interface__`: arrays of PyTorch, CuPy, PyCUDA and Numba,
            and what `device_memory` makes of an address
        stream : that will work on it; it waits for the stream that the array's owner names

        Raises
        ------
        BindingError
            It is no device memory, or another device's, its owner does not lend it, or its elements do not lie in C
            order.
        DeviceError
            Another context than the device's primary one is current in this thread.
        """

    @abstractmethod
    def lend_array(self, array: DeviceArray) -> Any:
        """Return an object with `__dlpack__` over device memory, for whoever takes nothing else; no copy."""

    @abstractmethod
    def event(self, *, timed: bool = False) -> Event:
        """Make an event; timed ones cost a little more. A host that waits for it sleeps."""

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike, *, pooled: bool = True) -> DeviceArray:
        """Allocate device memory; its content is whatever was there. Ready for every stream when this returns.

        It is freed when the last array of it is gone; whoever lets go has waited for the work that uses it.

        Parameters
        ----------
        shape, dtype : as NumPy's
        pooled : from the driver's memory pool, where the device has one. Hardware that registers memory, as NVENC does,
            takes none of a pool

        Raises
        ------
        DeviceMemoryError
            There is not enough.
        """

    @abstractmethod
    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocate page-locked host memory as a NumPy array, which copies to and from the device need not to wait."""

    @abstractmethod
    def upload(self, source: npt.NDArray[Any], out: DeviceArray, stream: Stream) -> None:
        """Copy from the host; both C-contiguous, of one size. `source` must stay as it is until the copy is done."""

    @abstractmethod
    def download(self, source: DeviceArray, out: npt.NDArray[Any], stream: Stream) -> None:
        """Copy to the host; `out` holds the content once the stream has come there."""

    @abstractmethod
    def copy(self, source: DeviceArray, out: DeviceArray, stream: Stream) -> None:
        """Copy within the device; both of one size."""

    @abstractmethod
    def clear(self, array: DeviceArray, stream: Stream) -> None:
        """Set every byte to zero."""

    @abstractmethod
    def prepare(self, kernels: Sequence[str], element: Element) -> None:
        """Compile and load kernels, so that their first launch costs what every launch costs.

        Raises
        ------
        BuildError
            The compiler is missing or refuses.
        """

    @abstractmethod
    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        """Start a kernel over a domain of threads; returns without waiting.

        Parameters
        ----------
        kernel : one of `kernels.catalogue.catalogue()`
        element : what `real` is
        domain : threads in x, y, z
        arguments : in the order of its parameters; arrays of the parameters' types, None for a pointer to nothing

        Raises
        ------
        BindingError
            The arguments do not fit the parameters.
        KernelError
            The domain takes more blocks of threads than a GPU launches at once.
        DeviceError
            The device refuses.
        """

    @abstractmethod
    def record_graph(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """Call `work`, which gives work to `stream`, and keep that work as a graph instead of running it.

        Raises
        ------
        DeviceError
            Something in it cannot be recorded.
        """

    @abstractmethod
    def memory(self) -> tuple[int, int]:
        """Return free and total device memory, bytes."""
