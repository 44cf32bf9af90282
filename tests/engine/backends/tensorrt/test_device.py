import ctypes
from pathlib import Path
from typing import Any

import pytest

from engine.backends.tensorrt import device
from engine.errors import NoDeviceError


class Driver:
    """Stands for libcuda: one Orin, or what `init` answers."""

    def __init__(self, init: int = 0) -> None:
        self._init = init

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's names
        return self._init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 1
        return 0

    def cuDeviceGet(self, found: Any, ordinal: int) -> int:  # noqa: N802
        found._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name: Any, length: int, found: ctypes.c_int) -> int:  # noqa: N802
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, found: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 13020
        return 0


def test_what_the_driver_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "DRIVER_VERSION_FILE", tmp_path / "version")
    gpu = device.ask_driver(Driver())
    assert gpu == device.Gpu(name="Orin", compute_capability=(8, 7), driver="CUDA 13.2")
    (tmp_path / "version").write_text("580.65.06\n")
    gpu = device.ask_driver(Driver())
    assert gpu is not None
    assert gpu.driver == "CUDA 13.2, 580.65.06"


def test_a_gpu_is_asked_for_by_its_number() -> None:
    asked: list[int] = []

    class Second(Driver):
        def cuDeviceGet(self, found: Any, ordinal: int) -> int:  # noqa: N802
            asked.append(ordinal)
            return super().cuDeviceGet(found, ordinal)

    assert device.ask_driver(Second(), 1) is not None
    assert asked == [1]


def test_no_gpu_is_none_and_a_failing_driver_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.ask_driver(Driver(init=100)) is None
    with pytest.raises(NoDeviceError, match="CUDA error 999"):
        device.ask_driver(Driver(init=999))
    monkeypatch.setattr(device, "DRIVER", "libcuda-of-no-machine.so")
    assert device.current_gpu() is None
