"""Kernels started by name, on one stream, over views of device memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, DeviceArray, Stream
from engine.errors import InternalError
from kernels.catalogue import Element, catalogue

ELEMENT: Element = "float32"
"""What the chain's pictures are on a device: as models take them, and as they are on the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Planes within device memory.

    array : from the first plane's first element on
    planes, height, width : of the picture
    pitch, plane : elements between rows and between planes
    """

    array: DeviceArray
    planes: int
    height: int
    width: int
    pitch: int
    plane: int

    @property
    def domain(self) -> tuple[int, int, int]:
        """A thread for each pixel of each plane."""
        return self.width, self.height, self.planes

    @property
    def area(self) -> tuple[int, int, int]:
        """A thread for each pixel."""
        return self.width, self.height, 1

    def corner(self, height: int, width: int) -> "View":
        """Return the top left of these planes."""
        return View(
            array=self.array, planes=self.planes, height=height, width=width, pitch=self.pitch, plane=self.plane
        )

    def part(self, first: int, planes: int) -> "View":
        """Return some of these planes."""
        size = self.array.dtype.itemsize
        count = (planes - 1) * self.plane + (self.height - 1) * self.pitch + self.width
        return View(
            array=self.array.view(first * self.plane * size, (count,)),
            planes=planes,
            height=self.height,
            width=self.width,
            pitch=self.pitch,
            plane=self.plane,
        )


def view(array: DeviceArray) -> View:
    """Return a view of an array (planes, height, width), or with a batch of one in front."""
    planes, height, width = array.shape[-3:]
    return View(array=array, planes=planes, height=height, width=width, pitch=width, plane=height * width)


class Operators:
    """Starts kernels on one stream.

    Parameters
    ----------
    device, stream : where
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self.device, self.stream = device, stream

    def prepare(self, *kernels: str) -> None:
        """Compile kernels that will be started."""
        self.device.prepare(kernels, ELEMENT)

    def run(self, kernel: str, domain: tuple[int, int, int], **arguments: DeviceArray | View | int | float) -> None:
        """Start a kernel.

        Parameters
        ----------
        kernel : its name
        domain : threads in x, y, z
        arguments : by the parameters' names; a view gives its memory

        Raises
        ------
        InternalError
            An argument is missing, or is no parameter of the kernel.
        """
        parameters = catalogue()[kernel].parameters
        if len(arguments) != len(parameters) or any(parameter.name not in arguments for parameter in parameters):
            wanted = {parameter.name for parameter in parameters}
            raise InternalError(f"kernel {kernel}: arguments {sorted(wanted ^ set(arguments))} are missing or too many")
        given = (arguments[parameter.name] for parameter in parameters)
        values = [value.array if isinstance(value, View) else value for value in given]
        self.device.launch(kernel, ELEMENT, domain, values, self.stream)

    def zeros(self, *shape: int) -> DeviceArray:
        """Allocate float32 memory that holds zeros for this stream's work."""
        array = self.device.empty(shape, ELEMENT)
        self.device.clear(array, self.stream)
        return array

    def constant(self, values: npt.NDArray[np.float32]) -> DeviceArray:
        """Allocate memory with these values, which may be changed afterwards; the host waits for the copy."""
        array = self.device.empty(values.shape, ELEMENT)
        self.device.upload(values, array, self.stream)
        self.stream.synchronize()
        return array

    def resize(self, kernel: str, source: View, out: View) -> None:
        """Write planes in another size; `kernel` is one of the ``resize_...`` that need no scratch."""
        self.run(
            kernel,
            out.domain,
            picture=source,
            out=out,
            from_width=source.width,
            from_height=source.height,
            width=out.width,
            height=out.height,
            planes=out.planes,
            pitch=source.pitch,
            plane=source.plane,
            out_pitch=out.pitch,
            out_plane=out.plane,
        )

    def warp(self, source: View, flow: View, out: View) -> None:
        """Write planes carried along a flow (2 planes, in their own pixels); `out` lies in memory as `source` does."""
        _same_grid(source, out)
        self.run(
            "warp_bilinear",
            out.domain,
            picture=source,
            flow=flow,
            out=out,
            width=out.width,
            height=out.height,
            planes=out.planes,
            pitch=source.pitch,
            plane=source.plane,
            flow_pitch=flow.pitch,
            flow_plane=flow.plane,
        )

    def copy(self, source: DeviceArray, out: DeviceArray) -> None:
        """Copy memory; both of one size."""
        self.device.copy(source, out, self.stream)


def _same_grid(first: View, second: View) -> None:
    if (first.pitch, first.planes == 1 or first.plane) != (second.pitch, second.planes == 1 or second.plane):
        raise InternalError("a kernel that takes one pitch was given planes that lie in memory in two ways")
