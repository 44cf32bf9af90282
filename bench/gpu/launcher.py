"""Runs kernels' cases on a device."""

import numpy as np

from engine.device.base import Device, DeviceArray
from kernels.case import Array
from kernels.catalogue import Element, Kernel


class DeviceLauncher:
    """A launcher for `kernels.case.run_case`.

    Parameters
    ----------
    device : to run on
    element : what `real` is
    """

    def __init__(self, device: Device, element: Element) -> None:
        self._device = device
        self._element: Element = element
        self._stream = device.stream()

    def launch(
        self, kernel: Kernel, domain: tuple[int, int, int], arguments: list[Array | int | float], *, reverse: bool
    ) -> None:
        """Copy arrays to the device, run, and copy back what the kernel writes; `reverse` is the host's alone."""
        device, stream = self._device, self._stream
        given: list[DeviceArray | int | float] = []
        for value in arguments:
            if not isinstance(value, np.ndarray):
                given.append(value)
                continue
            array = device.empty(value.shape, value.dtype)
            device.upload(value, array, stream)
            given.append(array)
        device.launch(kernel.name, self._element, domain, given, stream)
        for parameter, value, array in zip(kernel.parameters, arguments, given, strict=True):
            if parameter.is_written and isinstance(value, np.ndarray) and isinstance(array, DeviceArray):
                device.download(array, value, stream)
        stream.synchronize()
