"""What a kernel is given, and where it runs, checked against what its source declares and a GPU takes."""

from collections.abc import Sequence
from functools import cache

from engine.device.base import DeviceArray
from engine.errors import BindingError, KernelError
from kernels.catalogue import Element, GridError, Kernel, catalogue


class Signature:
    """A kernel's parameters, ready to be compared with arguments at every launch.

    Parameters
    ----------
    kernel : whose they are
    element : what `real` is

    Attributes
    ----------
    kernel : as given
    names : of the parameters, in order
    """

    __slots__ = ("_wanted", "kernel", "names")

    def __init__(self, kernel: Kernel, element: Element) -> None:
        self.kernel = kernel
        self.names = tuple(parameter.name for parameter in kernel.parameters)
        self._wanted = [(p.dtype(element) if p.is_pointer else None, p.type == "float") for p in kernel.parameters]

    def values(self, arguments: Sequence[DeviceArray | int | float | None]) -> list[int | float]:
        """Return the arguments as numbers, arrays by their address.

        Raises
        ------
        BindingError
            There are too few or too many, or one is not of its parameter's type.
        """
        if len(arguments) != len(self.names):
            names = ", ".join(self.names)
            raise BindingError(f"kernel {self.kernel.name}: got {len(arguments)} arguments; wanted {names}")
        values: list[int | float] = []
        for (dtype, is_float), argument in zip(self._wanted, arguments, strict=True):
            if dtype is None:
                if type(argument) is not int and not (is_float and type(argument) is float):
                    argument = self._number(len(values), argument)
                values.append(argument)
            elif isinstance(argument, DeviceArray) and argument.dtype == dtype:
                values.append(argument.pointer)
            elif argument is None:
                values.append(0)
            else:
                got = argument.dtype if isinstance(argument, DeviceArray) else repr(argument)
                name = self.names[len(values)]
                raise BindingError(f"kernel {self.kernel.name}: {name} got {got}; wanted device memory of {dtype}")
        return values

    def _number(self, which: int, argument: DeviceArray | int | float | None) -> int | float:
        parameter = self.kernel.parameters[which]
        if not isinstance(argument, int | float) or (isinstance(argument, float) and parameter.type != "float"):
            raise BindingError(f"kernel {self.kernel.name}: {parameter.name} got {argument!r}; wanted {parameter.type}")
        return argument


@cache
def signature(kernel: str, element: Element) -> Signature:
    """Return the parameters of a kernel of `kernels.catalogue.catalogue()`; worked out once."""
    return Signature(catalogue()[kernel], element)


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
