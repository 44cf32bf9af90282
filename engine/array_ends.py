"""Both ends of a chain that a program feeds with arrays of its own: on the host, and on a device."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, DeviceArray, Event, Stream
from engine.device.operators import Operators, view
from engine.device.pool import DevicePool, current_stream, device_planes, on_device, work_on
from engine.errors import BindingError, DeviceError, FrameError
from engine.frame import Frame
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.convert import LabToRgb
from engine.pool import BufferPool, Lease
from engine.types import FrameSpec, PixelFormat

_Array = TypeVar("_Array", DeviceArray, npt.NDArray[np.float32])


class ArrayEnds(ABC, Generic[_Array]):
    """Takes arrays in and hands arrays out, on the program's thread.

    Attributes
    ----------
    device : where arrays lie; None: on the host
    stream : for the chain's writer to wait in, who does nothing else; None on the host
    """

    device: Device | None = None
    stream: Stream | None = None

    @abstractmethod
    def look_at(self, given: object) -> _Array:
        """Return what a program hands in as an array, without a copy.

        Raises
        ------
        BindingError
            It is none that lies there.
        """

    @abstractmethod
    def open(self, incoming: FrameSpec, prepare: int) -> None:
        """Make as many buffers as frames that were taken in can be on their way at once."""

    @abstractmethod
    def open_out(self, outgoing: FrameSpec) -> None:
        """Make the array in which frames are handed out: float32 (1 or 3, H, W), luma or R'G'B'."""

    @abstractmethod
    def take(self, array: _Array) -> tuple[Lease, Event | None]:
        """Copy an array; return the copy's buffer, and when it will be there."""

    @abstractmethod
    def hand_out(self, frame: Frame) -> _Array:
        """Release a frame and return its picture, which stays until the next call."""

    def close(self) -> None:
        """Wait for whoever still works on the memory of these ends, which goes next; the chain has ended."""


class HostArrays(ArrayEnds[npt.NDArray[np.float32]]):
    """NumPy's arrays, and what NumPy takes for one."""

    def look_at(self, given: object) -> npt.NDArray[Any]:
        """Return an array of NumPy."""
        try:
            return np.asarray(given)
        except Exception as error:  # whatever the owner of memory on a device raises when NumPy asks for it
            name = type(given).__name__
            raise BindingError(
                f"array of type {name}: NumPy cannot take it; for memory of a GPU choose the backend tensorrt or cuda"
            ) from error

    def open(self, incoming: FrameSpec, prepare: int) -> None:
        """Make a pool."""
        self.pool = BufferPool(incoming.pixels_shape, prepare=prepare)

    def open_out(self, outgoing: FrameSpec) -> None:
        """Make an array."""
        self._convert = LabToRgb(outgoing) if outgoing.format is PixelFormat.LAB else None
        self._out = np.empty(picture_shape(outgoing), np.float32)

    def take(self, array: npt.NDArray[np.float32]) -> tuple[Lease, Event | None]:
        """Copy; it is there."""
        lease = self.pool.lease()
        np.copyto(lease.array, array)
        return lease, None

    def hand_out(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Copy or convert."""
        try:
            if self._convert is None:
                np.copyto(self._out, frame.pixels)
            else:
                self._convert(frame, self._out)
        finally:
            frame.release()
        return self._out


class DeviceArrays(ArrayEnds[DeviceArray]):
    """Others' device memory, copied within the device in the order of a stream of theirs.

    What was taken in may be written or freed in that stream's order at once, and what is handed out is there for
    whatever is given to that stream from then on: nobody waits on the host.

    Parameters
    ----------
    device : where the memory lies
    stream : as `Device.adopt_stream` takes it; None: the default stream
    """

    def __init__(self, device: Device, stream: object | None) -> None:
        self.device = self._device = device
        self._theirs = device.adopt_stream(0 if stream is None else stream)
        self._operators = Operators(device, self._theirs)
        self.stream = device.stream()

    def look_at(self, given: object) -> DeviceArray:
        """Adopt."""
        return self._device.adopt_array(given, self._theirs)

    def open(self, incoming: FrameSpec, prepare: int) -> None:
        """Make a pool."""
        self.pool = DevicePool(self._device, incoming.pixels_shape, np.float32, prepare=prepare)

    def open_out(self, outgoing: FrameSpec) -> None:
        """Make device memory."""
        self._is_lab = outgoing.format is PixelFormat.LAB
        if self._is_lab:
            self._operators.prepare("rgb_of_lab")
            weights = COEFFICIENTS[luma_matrix(outgoing.color, outgoing.height)]
            self._matrix = {"kr": weights.kr, "kb": weights.kb}
        self._out = self._device.empty(picture_shape(outgoing), np.float32)

    def take(self, array: DeviceArray) -> tuple[Lease, Event | None]:
        """Give the copy to their stream."""
        with self._working(), self.pool.lease().filling() as lease:
            self._device.copy(array, lease.planes, self._theirs)
            self._theirs.record(lease.written)
        return lease, lease.written

    def hand_out(self, frame: Frame) -> DeviceArray:
        """Let their stream wait for the frame, and give it the copy or the conversion."""
        with self._working():
            try:
                if frame.ready is not None:
                    frame.ready.wait(self._theirs)
                if self._is_lab:
                    self._write_rgb(frame)
                else:
                    self._device.copy(device_planes(frame), self._out, self._theirs)
            finally:
                frame.release()
        return self._out

    def close(self) -> None:
        """Wait once for their stream."""
        with suppress(DeviceError):  # the run was told of it, or whoever owns the stream will be
            self._theirs.synchronize()

    def _write_rgb(self, frame: Frame) -> None:
        if frame.chroma is None:
            raise FrameError(f"frame {frame.index}: got lab without chroma; wanted ab planes at half size")
        luma, ab, rgb = view(device_planes(frame)), view(on_device(frame.chroma)), view(self._out)
        self._operators.run(
            "rgb_of_lab",
            luma.area,
            picture=luma,
            ab=ab,
            rgb=rgb,
            width=luma.width,
            height=luma.height,
            pitch=luma.pitch,
            **ab.strides("ab_"),
            **rgb.strides("rgb_"),
            **self._matrix,
        )

    @contextmanager
    def _working(self) -> Generator[None]:
        """Let leases of this thread count for their stream; a program may feed several chains from one thread."""
        before = current_stream()
        work_on(self._theirs)
        try:
            yield
        finally:
            work_on(before)


def picture_shape(spec: FrameSpec) -> tuple[int, int, int]:
    """Return the shape of the pictures that frames are handed out as."""
    return (1 if spec.format is PixelFormat.GRAY else 3, spec.height, spec.width)
