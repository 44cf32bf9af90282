"""Every kernel against its reference, on a GPU."""

import pytest

from bench.gpu.launcher import DeviceLauncher
from engine.device.base import Device
from engine.device.cuda import open_device
from engine.errors import DeviceError, MissingExtraError
from kernels.case import cases, run_case
from kernels.catalogue import Element, catalogue

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> Device:
    try:
        return open_device("0")
    except (DeviceError, MissingExtraError) as error:
        pytest.skip(f"no GPU: {error}")


@pytest.mark.parametrize("element", ["float32", "float16"])
@pytest.mark.parametrize("name", catalogue())
def test_kernel_computes_what_its_reference_does(device: Device, name: str, element: Element):
    launcher = DeviceLauncher(device, element)
    for case in cases(catalogue()[name].source, element):
        if case.kernel == name:
            outcome = run_case(case, launcher)
            assert outcome.passed, f"{case.label}: off by {outcome.error:.3g}; at most {case.tolerance:.3g}"
