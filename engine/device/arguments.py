"""What a kernel is given, and where it runs, checked against what its source declares and a GPU takes."""

from collections.abc import Sequence

from engine.device.base import DeviceArray
from engine.errors import BindingError, KernelError
from kernels.catalogue import Element, GridError, Kernel


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


def kernel_grid(kernel: Kernel, domain: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the blocks that cover a domain of threads.

    Raises
    ------
    KernelError
        They are more than a GPU launches at once.
    """
    try:
        return kernel.grid(domain)
    except GridError as error:
        raise KernelError(f"{error}; the picture is too large for it: reduce it first") from error
