"""Kernels started by name, on one stream, over views of device memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.device.arguments import signature
from engine.device.base import Device, DeviceArray, Stream
from engine.errors import InternalError
from kernels.catalogue import Element

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

    def strides(self, prefix: str = "") -> dict[str, int]:
        """Return pitch and plane as a kernel's arguments, whose names begin with `prefix`."""
        return {f"{prefix}pitch": self.pitch, f"{prefix}plane": self.plane}

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

    def window(self, left: int, top: int, width: int, height: int) -> "View":
        """Return a rectangle of these planes."""
        first, size = top * self.pitch + left, self.array.dtype.itemsize
        count = (self.planes - 1) * self.plane + (height - 1) * self.pitch + width
        return View(
            array=self.array.view(first * size, (count,)),
            planes=self.planes,
            height=height,
            width=width,
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
        names = signature(kernel, ELEMENT).names
        try:
            given = [arguments[name] for name in names]
        except KeyError:
            given = None
        if given is None or len(given) != len(arguments):
            odd = sorted(set(names) ^ set(arguments))
            raise InternalError(f"kernel {kernel}: arguments {odd} are missing or too many")
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
            **source.strides(),
            **out.strides("out_"),
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
            **source.strides(),
            **flow.strides("flow_"),
        )

    def fill(
        self,
        picture: View,
        tensor: View,
        *,
        first: int = 0,
        step: int = 0,
        gain: float = 1.0,
        offset: float = 0.0,
    ) -> None:
        """Write planes into the top left of a tensor, reflected into the rest, times `gain` plus `offset`.

        Plane z of the tensor is plane `first` + z `step` of the picture, or the nearest that there is.
        """
        self.run(
            "tensor_fill",
            tensor.domain,
            picture=picture,
            tensor=tensor,
            width=picture.width,
            height=picture.height,
            planes=picture.planes,
            **picture.strides(),
            tensor_width=tensor.width,
            tensor_height=tensor.height,
            tensor_planes=tensor.planes,
            **tensor.strides("tensor_"),
            first=first,
            step=step,
            gain=gain,
            offset=offset,
        )

    def fill_luma(
        self, rgb: View, tensor: View, *, kr: float, kb: float, gain: float = 1.0, offset: float = 0.0
    ) -> None:
        """Write the luma of R'G'B' as `fill` does; `kr` and `kb` weigh red and blue."""
        self.run(
            "tensor_fill_luma",
            tensor.area,
            rgb=rgb,
            tensor=tensor,
            width=rgb.width,
            height=rgb.height,
            **rgb.strides(),
            tensor_width=tensor.width,
            tensor_height=tensor.height,
            tensor_pitch=tensor.pitch,
            kr=kr,
            kb=kb,
            gain=gain,
            offset=offset,
        )

    def blend(
        self,
        first: DeviceArray,
        second: DeviceArray,
        flow: View,
        mask: DeviceArray,
        out: View,
        *,
        cell: int,
        reduction: int = 1,
    ) -> None:
        """Write what lies between two pictures, which lie in memory as `out` does.

        Parameters
        ----------
        flow : 4 planes, full-size pixels, x and y to the first picture, x and y to the second
        mask : weight of the first, on the flow's grid
        cell : full-size pixels per value of both
        reduction : full-size pixels per pixel of the pictures
        """
        self.run(
            "warp_blend",
            out.area,
            first=first,
            second=second,
            flow=flow,
            mask=mask,
            out=out,
            width=out.width,
            height=out.height,
            planes=out.planes,
            **out.strides(),
            flow_width=flow.width,
            flow_height=flow.height,
            **flow.strides("flow_"),
            cell=cell,
            reduction=reduction,
        )

    def enlarge_flow(self, flow: View, out: View) -> None:
        """Write flows (2 planes each) in the size, and in the pixels, of `out`."""
        self.run(
            "motion_enlarge",
            (out.width, out.height, out.planes // 2),
            flow=flow,
            out=out,
            from_width=flow.width,
            from_height=flow.height,
            width=out.width,
            height=out.height,
            **flow.strides("flow_"),
            **out.strides("out_"),
        )

    def copy(self, source: DeviceArray, out: DeviceArray) -> None:
        """Copy memory; both of one size."""
        self.device.copy(source, out, self.stream)


def _same_grid(first: View, second: View) -> None:
    if (first.pitch, first.planes == 1 or first.plane) != (second.pitch, second.planes == 1 or second.plane):
        raise InternalError("a kernel that takes one pitch was given planes that lie in memory in two ways")
