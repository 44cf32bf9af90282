"""Streams, arrays and contexts of other programs, over the stand-in for cuda-core."""

import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.device.base import device_memory
from engine.device.cuda import open_device
from engine.errors import (
    BindingError,
    DeviceError,
)
from tests.support import fake_cuda


def test_foreign_streams_are_taken(device):
    protocol = SimpleNamespace(__cuda_stream__=lambda: (0, 0x77))
    assert device.adopt_stream(protocol).handle == 0x77
    assert device.adopt_stream(SimpleNamespace(handle=0x78)).handle == 0x78  # PyCUDA's
    assert device.adopt_stream(0x79).handle == 0x79
    assert device.adopt_stream(SimpleNamespace(ptr=0x7A)).handle == 0x7A  # CuPy's before version 14
    assert device.adopt_stream(SimpleNamespace(handle=ctypes.c_void_p(0x7B))).handle == 0x7B  # Numba's
    assert device.stream().__cuda_stream__()[0] == 0


@pytest.mark.parametrize(
    "default",
    [
        0,
        SimpleNamespace(__cuda_stream__=lambda: (0, 0)),  # PyTorch's
        SimpleNamespace(ptr=0),
        SimpleNamespace(handle=ctypes.c_void_p(0)),
    ],
)
def test_the_default_stream_has_the_number_that_dlpack_takes(device, default):
    assert device.adopt_stream(default).handle == 1


@pytest.mark.parametrize("none", ["a name", object(), None, SimpleNamespace(handle="x")])
def test_what_is_no_stream_is_refused_in_one_line(device, none):
    with pytest.raises(BindingError, match=r"stream of type \w+: is none; wanted an object with __cuda_stream__"):
        device.adopt_stream(none)


class _PyCudas:
    """A context that `pycuda.autoinit` has made: current, and no GPU's primary one."""

    def __enter__(self) -> None:
        self._before = fake_cuda.CONTEXT.current
        fake_cuda.CONTEXT.current = 0x4440

    def __exit__(self, *_: object) -> None:
        fake_cuda.CONTEXT.current = self._before


ANOTHER_CONTEXT = r"GPU 0: another CUDA context .* import pycuda.autoprimaryctx in place of pycuda.autoinit"


def test_in_another_context_nothing_is_opened_or_taken_and_it_stays_current(device):
    memory = np.zeros((1, 3, 4), np.float32)
    stream = device.stream()
    with _PyCudas():
        for work in (
            lambda: open_device("0"),
            lambda: device.adopt_stream(0x79),
            lambda: device.adopt_array(_foreign(memory), stream),
        ):
            with pytest.raises(DeviceError, match=ANOTHER_CONTEXT):
                work()
            assert fake_cuda.CONTEXT.current == 0x4440
    assert device.adopt_array(_foreign(memory), stream).pointer == memory.ctypes.data


def test_a_thread_in_another_context_is_not_entered(device):
    raised: list[BaseException] = []

    def enter() -> None:
        with _PyCudas():
            try:
                device.event()
            except DeviceError as error:
                raised.append(error)
        device.event()  # and afterwards it is

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert [str(error) for error in raised] == [
        "GPU 0: another CUDA context than its primary one is current in this thread; with PyCUDA import "
        "pycuda.autoprimaryctx in place of pycuda.autoinit, with PyTorch call torch.cuda.set_device(0)"
    ]


def test_another_gpus_primary_context_may_be_current_when_one_is_opened(device):
    assert open_device("1").ordinal == 1
    with pytest.raises(DeviceError, match=r"torch.cuda.set_device\(0\)"):  # handles of this one mean nothing there
        device.adopt_stream(0x79)


def _foreign(array: np.ndarray, **more: Any) -> Any:
    given = {"shape": array.shape, "typestr": array.dtype.str, "data": (array.ctypes.data, False), "version": 3}
    return SimpleNamespace(__cuda_array_interface__={**given, "strides": array.strides, "stream": None, **more})


def test_foreign_memory_is_taken_without_a_copy(device):
    memory = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    array = device.adopt_array(_foreign(memory), device.stream())
    assert (array.pointer, array.shape, array.dtype) == (memory.ctypes.data, (1, 3, 4), np.float32)
    lent = device.lend_array(array)
    assert (lent.buffer.handle, lent.buffer.size, lent.shape) == (memory.ctypes.data, 48, (1, 3, 4))
    assert array.__cuda_array_interface__["data"] == (memory.ctypes.data, False)


class _GpuArray:
    """As PyCUDA's `GPUArray`."""

    def __init__(self, memory: np.ndarray) -> None:
        self.gpudata, self.ptr, self.shape, self.dtype = memory, memory.ctypes.data, memory.shape, memory.dtype
        self.strides = memory.strides

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "strides": self.strides,
            "data": (self.ptr, False),
            "typestr": self.dtype.str,
            "stream": None,
            "version": 3,
        }


class _Allocation:
    """As PyCUDA's `DeviceAllocation`."""

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory

    def __int__(self) -> int:
        return self.memory.ctypes.data


def test_pycudas_arrays_and_allocations_are_taken(device):
    memory = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    array = device.adopt_array(_GpuArray(memory), device.stream())
    assert (array.pointer, array.shape, array.dtype) == (memory.ctypes.data, (1, 3, 4), np.float32)
    allocation = _Allocation(memory)
    known = device_memory(allocation, (1, 3, 4))
    assert known.owner is allocation
    array = device.adopt_array(known, device.stream())
    assert (array.pointer, array.shape, array.dtype) == (memory.ctypes.data, (1, 3, 4), np.float32)


def test_arrays_by_the_older_protocol_are_taken_too(device):
    memory = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    older = _foreign(memory, version=2)
    del older.__cuda_array_interface__["stream"]
    array = device.adopt_array(older, device.stream())
    assert (array.pointer, array.shape) == (memory.ctypes.data, (1, 3, 4))


class _Lender:
    """An array whose owner does not lend it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int) -> None:
        raise self.error


def test_page_locked_memory_of_others_is_every_gpus(device):
    memory = np.zeros((4, 6), np.float32)
    foreign = _foreign(memory, device=1)
    foreign.__dlpack_device__ = lambda: (3, 0)
    assert device.adopt_array(foreign, device.stream()).pointer == memory.ctypes.data


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        (object(), "array of type object: cannot be taken: the input object does not support"),
        (_foreign(np.zeros((4, 6), np.float32).T), "C order"),
        (_foreign(np.zeros((4, 6), np.float32), host=True), "lies on the host"),
        (np.zeros((4, 6), np.float32), "lies on the host"),
        (_foreign(np.zeros((4, 6), np.float32), device=1), "lies on GPU 1; wanted GPU 0; copy it there"),
        (_Lender(BufferError("Can't export this\nsecond line")), "cannot be taken: Can't export this$"),
        (_Lender(RuntimeError("of another kind")), "cannot be taken: of another kind$"),
    ],
)
def test_foreign_memory_that_cannot_be_used_is_refused(device, foreign, said):
    with pytest.raises(BindingError, match=said):
        device.adopt_array(foreign, device.stream())
