"""What other programs have on a GPU: their streams, their arrays, and the contexts that they make current."""

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.device.base import DeviceArray, Stream
from engine.device.cuda_streams import check, first_line
from engine.errors import BindingError, DeviceError

LEGACY_DEFAULT_STREAM = 1
"""`CU_STREAM_LEGACY`: the default stream by a number that DLPack takes too, where 0 could be either default stream."""

_DLPACK_HOST, _DLPACK_CUDA = 1, 2
"""Kinds of device in DLPack: kDLCPU and kDLCUDA."""


class PrimaryContext:
    """A GPU's primary context beside whatever others make current.

    Parameters
    ----------
    driver : the module `cuda.bindings.driver`
    ordinal : of the GPU
    """

    def __init__(self, driver: Any, ordinal: int) -> None:
        self._driver, self._ordinal = driver, ordinal
        self._primary = 0

    def is_current(self) -> None:
        """Note that the context that is current in this thread now is the primary one."""
        self._primary = self._now()

    def check(self) -> None:
        """See that nobody has made another context current in this thread, in which others' handles would mean nothing.

        Raises
        ------
        DeviceError
            Somebody has.
        """
        if self._now() not in (0, self._primary):
            raise DeviceError(self._other())

    def check_nobodys_own(self) -> None:
        """See that the context of this thread, which is about to change, is none that somebody has made for himself.

        His memory and streams would mean nothing in ours. From one GPU's primary context to another's is no harm.

        Raises
        ------
        DeviceError
            It is.
        """
        context = self._now()
        if not context:
            return
        code, gpu = self._driver.cuCtxGetDevice()
        check(code, "context")
        code, primary = self._driver.cuDevicePrimaryCtxRetain(gpu)
        check(code, "context")
        self._driver.cuDevicePrimaryCtxRelease(gpu)
        if int(primary) != context:
            raise DeviceError(self._other())

    def _now(self) -> int:
        """Return the handle of the context that is current in this thread; 0: none is."""
        code, context = self._driver.cuCtxGetCurrent()
        check(code, "context")
        return int(context)

    def _other(self) -> str:
        return (
            f"GPU {self._ordinal}: another CUDA context than its primary one is current in this thread; with PyCUDA "
            "import pycuda.autoprimaryctx in place of pycuda.autoinit, with PyTorch call "
            f"torch.cuda.set_device({self._ordinal})"
        )


def stream_handle(foreign: object) -> int:
    """Return the handle of somebody else's stream; see `Device.adopt_stream`."""
    given: Any = foreign
    try:
        if hasattr(given, "__cuda_stream__"):
            _, handle = given.__cuda_stream__()
        else:
            handle = getattr(given, "handle", getattr(given, "ptr", given))
            if isinstance(handle, ctypes.c_void_p):  # Numba's
                handle = handle.value or 0
        return int(handle) or LEGACY_DEFAULT_STREAM
    except (TypeError, ValueError) as error:
        raise BindingError(
            f"stream of type {type(foreign).__name__}: is none; wanted an object with __cuda_stream__, a handle or "
            "a ptr, or the handle as a number"
        ) from error


def read_array(utils: Any, foreign: object, stream: Stream, ordinal: int) -> DeviceArray:
    """Return somebody else's device memory as ours; see `Device.adopt_array`.

    Parameters
    ----------
    utils : the module `cuda.core.utils`
    ordinal : of the GPU on which it must lie
    """
    given: Any = foreign
    name = type(foreign).__name__
    try:
        kind = given.__dlpack_device__()[0] if hasattr(given, "__dlpack_device__") else _DLPACK_CUDA
        if kind == _DLPACK_HOST:  # such owners refuse a stream, in words that do not help
            raise BindingError(f"array of type {name}: lies on the host; copy it to the device first")
        view: Any = utils.StridedMemoryView.from_any_interface(_of_today(given), stream.handle)
    except BindingError:
        raise
    except Exception as error:  # BufferError mostly, but its owner may raise anything; all are mapped here
        raise BindingError(f"array of type {name}: cannot be taken: {first_line(error)}") from error
    if not view.is_device_accessible:
        raise BindingError(f"array of type {name}: lies on the host; copy it to the device first")
    if kind == _DLPACK_CUDA and view.device_id != ordinal:  # page-locked and managed memory is every GPU's
        raise BindingError(
            f"array of type {name}: lies on GPU {view.device_id}; wanted GPU {ordinal}; copy it there first"
        )
    array = DeviceArray(int(view.ptr), tuple(view.shape), np.dtype(view.dtype), (foreign, view))
    if view.strides is not None and not _is_c_order(array.shape, view.strides):
        raise BindingError(f"array of type {name}: its elements do not lie in C order; copy it into one that does")
    return array


class _Of2020:
    """An array by version 3 of `__cuda_array_interface__` whose owner has version 2, which knew no streams."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.__cuda_array_interface__ = {**owner.__cuda_array_interface__, "version": 3, "stream": None}


def _of_today(foreign: Any) -> Any:
    """Return an array by a protocol that cuda-core reads."""
    if hasattr(foreign, "__dlpack__") or getattr(foreign, "__cuda_array_interface__", {}).get("version") != 2:
        return foreign
    return _Of2020(foreign)


def _is_c_order(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Return whether strides, in elements, are those of C order; along an axis of one element any stride is."""
    wanted = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size == 1 or got == want for size, got, want in zip(shape, strides, wanted, strict=True))
