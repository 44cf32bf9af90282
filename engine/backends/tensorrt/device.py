"""The GPU of this machine, asked of the driver alone: nothing but the driver's own library is needed."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import NoDeviceError

DRIVER = "libcuda.so.1"
DRIVER_VERSION_FILE = Path("/sys/module/nvidia/version")

_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of CUDA's driver API


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU and its driver.

    name : as the driver gives it
    compute_capability : (major, minor)
    driver : CUDA version of the driver and, where the kernel module says it, the driver's own
    """

    name: str
    compute_capability: tuple[int, int]
    driver: str


def current_gpu(ordinal: int = 0) -> Gpu | None:
    """Return a GPU, or None on a machine without one or without its driver.

    Parameters
    ----------
    ordinal : the driver's number of it

    Raises
    ------
    NoDeviceError
        There is a driver, but it fails.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    return ask_driver(driver, ordinal)


def ask_driver(driver: Any, ordinal: int = 0) -> Gpu | None:
    """Return a GPU that a driver library knows; `driver` is `libcuda`, loaded."""
    count, device, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    major, minor = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if driver.cuInit(0) == 100:  # CUDA_ERROR_NO_DEVICE
        return None
    for call, *arguments in (
        (driver.cuInit, 0),
        (driver.cuDeviceGetCount, ctypes.byref(count)),
        (driver.cuDeviceGet, ctypes.byref(device), ordinal),
        (driver.cuDeviceGetName, name, _NAME_BYTES, device),
        (driver.cuDeviceGetAttribute, ctypes.byref(major), _MAJOR, device),
        (driver.cuDeviceGetAttribute, ctypes.byref(minor), _MINOR, device),
        (driver.cuDriverGetVersion, ctypes.byref(version)),
    ):
        code = call(*arguments)
        if code:
            raise NoDeviceError(f"GPU: its driver answers with CUDA error {code}; check it with nvidia-smi")
    cuda = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    module = DRIVER_VERSION_FILE.read_text().strip() if DRIVER_VERSION_FILE.exists() else ""
    return Gpu(
        name=name.value.decode(),
        compute_capability=(major.value, minor.value),
        driver=f"{cuda}, {module}" if module else cuda,
    )
