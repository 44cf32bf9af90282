"""What a kernel is given, checked against what its source declares."""

from collections.abc import Sequence

from engine.device.base import DeviceArray
from engine.errors import BindingError
from kernels.catalogue import Element, Kernel


def kernel_values(
    kernel: Kernel, element: Element, arguments: Sequence[DeviceArray | int | float | None]
) -> list[int | float]:
    """Return the arguments as numbers, arrays by their address.

    Raises
    ------
    BindingError
        There are too few or too many, or one is not of its parameter's type.
    """
    if len(arguments) != len(kernel.parameters):
        names = ", ".join(parameter.name for parameter in kernel.parameters)
        raise BindingError(f"kernel {kernel.name}: got {len(arguments)} arguments; wanted {names}")
    values: list[int | float] = []
    for parameter, argument in zip(kernel.parameters, arguments, strict=True):
        if not parameter.is_pointer:
            if not isinstance(argument, int | float) or (isinstance(argument, float) and parameter.type != "float"):
                raise BindingError(f"kernel {kernel.name}: {parameter.name} got {argument!r}; wanted {parameter.type}")
            values.append(argument)
        elif argument is None:
            values.append(0)
        elif isinstance(argument, DeviceArray) and argument.dtype == parameter.dtype(element):
            values.append(argument.pointer)
        else:
            got = argument.dtype if isinstance(argument, DeviceArray) else repr(argument)
            raise BindingError(
                f"kernel {kernel.name}: {parameter.name} got {got}; wanted device memory of {parameter.dtype(element)}"
            )
    return values
