"""Every kernel against its reference, in float and in half precision, on this machine."""

import pytest

from kernels.case import cases, run_case
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
