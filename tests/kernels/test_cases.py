"""Every kernel against its reference, in float and in half precision, on this machine."""

import numpy as np
import pytest

from kernels.case import cases, run_case
from kernels.cases.materials import half_step
from kernels.catalogue import ELEMENTS, Element, catalogue
from tests.kernels.conftest import HostBuild


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", catalogue())
def test_kernel_computes_what_its_reference_does(host_kernels: HostBuild, name: str, element: Element):
    kernel = catalogue()[name]
    launcher = host_kernels(kernel.source, element)
    its_own = [case for case in cases(kernel.source, element) if case.kernel == name]
    assert len(its_own) >= 3
    for case in its_own:
        for reverse in (False, True):  # whatever differs between the two depends on the order of threads
            outcome = run_case(case, launcher, reverse=reverse)
            assert outcome.passed, f"{case.label}: off by {outcome.error:.3g}; at most {case.tolerance:.3g}"


def test_a_rounding_that_falls_the_other_way_is_just_the_step_that_is_allowed():
    largest = np.arange(0x0400, 0x4400, dtype=np.uint16).view(np.float16)  # all of the usual form up to 4
    following = np.nextafter(largest, np.float16(np.inf))
    between = (largest.astype(np.float64) + following) / 2
    just_below, just_above = (np.float16(between * (1 + sign * 1e-6)) for sign in (-1, 1))
    apart = np.abs(just_above.astype(np.float64) - just_below)
    steps = np.array([half_step("float16", float(value)) for value in largest])
    assert (apart > 0).all()
    assert (apart == steps).all()
    assert half_step("float32", 3.0) == 0.0
