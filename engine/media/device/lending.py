"""Device memory lent to FFmpeg as DLPack tensors, with word when it comes back.

PyAV keeps a lent tensor for as long as any picture, or an encoder, holds the memory, and calls the tensor's deleter at
the end: that call, and nothing else, says when an encoder is done with a surface. Reference: dmlc/dlpack, `dlpack.h`.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_UNSIGNED = 1
"""`kDLUInt`."""
_NAME = b"dltensor"

DlpackDevice = tuple[int, int]
"""`DLDeviceType` and the device's number: (2, 0) is the first GPU of CUDA, (1, 0) the host."""


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _ManagedTensor(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class LentPlane:
    """A plane of a surface; whoever calls `__dlpack__` has it until the deleter is called.

    Parameters
    ----------
    pointer : address of the first element
    shape : of the plane
    strides : elements from one to the next, for each axis
    dtype : uint8 or uint16
    device : where the memory lies
    on_return : called when it comes back, from whatever thread that happens on; short
    """

    def __init__(
        self,
        pointer: int,
        shape: Sequence[int],
        strides: Sequence[int],
        dtype: npt.DTypeLike,
        device: DlpackDevice,
        on_return: Callable[[], None],
    ) -> None:
        axes = ctypes.c_int64 * len(shape)
        self._shape, self._strides = axes(*shape), axes(*strides)
        tensor = _Tensor(
            data=pointer,
            device_type=device[0],
            device_id=device[1],
            ndim=len(shape),
            dtype=_Type(code=_UNSIGNED, bits=8 * np.dtype(dtype).itemsize, lanes=1),
            shape=self._shape,
            strides=self._strides,
        )
        self._managed = _ManagedTensor(tensor=tensor, deleter=ctypes.cast(_DELETER, ctypes.c_void_p).value)
        self._address = ctypes.addressof(self._managed)
        self._device = device
        self.pointer = pointer
        self.on_return = on_return

    def __dlpack_device__(self) -> DlpackDevice:
        """Return where the memory lies."""
        return self._device

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        """Lend the plane; it must have come back before it is lent again."""
        capsule = _new_capsule(self._address, _NAME, None)
        _out[self._address] = self
        return capsule


_out: dict[int, LentPlane] = {}
"""What is lent now: FFmpeg holds addresses within these objects."""


def _give_back(address: int, out: dict[int, LentPlane] = _out) -> None:
    out.pop(address).on_return()


_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_give_back)
for _kept in (_DELETER, _out):  # pictures may be let go of as late as when the interpreter takes modules apart
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_kept))

_new_capsule: Any = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
