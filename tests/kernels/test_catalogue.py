"""What is read from the sources."""

import numpy as np
import pytest

from kernels.catalogue import GridError, catalogue, parse_kernels, source_text

TEXT = """#include "farshore.cuh"
KERNEL(32, 8, 1)
first(const real* in, real* __restrict__ out, unsigned char* codes,
      int width, float gain) {
}
KERNEL(128, 1, 1) second(const int* in, int* out) { __syncthreads(); }
"""


def test_parameters_are_read_with_types_and_directions():
    first, second = parse_kernels("some", TEXT)
    assert (first.name, first.block, first.meets_barriers) == ("first", (32, 8, 1), False)
    assert [(p.name, p.type, p.is_pointer, p.is_written) for p in first.parameters] == [
        ("in", "real", True, False),
        ("out", "real", True, True),
        ("codes", "unsigned char", True, True),
        ("width", "int", False, False),
        ("gain", "float", False, False),
    ]
    assert first.parameters[0].dtype("float16") == np.float16
    assert first.parameters[2].dtype("float16") == np.uint8
    assert second.meets_barriers


def test_the_grid_covers_the_domain():
    (kernel, _) = parse_kernels("some", TEXT)
    assert kernel.grid((1, 1, 1)) == (1, 1, 1)
    assert kernel.grid((33, 16, 3)) == (2, 2, 3)


def test_a_grid_that_no_gpu_launches_is_refused():
    (kernel, _) = parse_kernels("some", TEXT)
    assert kernel.grid((1 << 24, 8 * 65535, 65535)) == (1 << 19, 65535, 65535)
    with pytest.raises(
        GridError, match=r"kernel first: 2 x 65536 x 1 blocks over 64 x 524281 x 1; at most 65535 in y, z"
    ):
        kernel.grid((64, 8 * 65535 + 1, 1))
    with pytest.raises(GridError, match=r"1 x 1 x 65536 blocks"):
        kernel.grid((32, 8, 65536))


@pytest.mark.parametrize(
    "text",
    [
        "KERNEL(1, 1, 1) f(double x) {}",
        "KERNEL(1, 1, 1) f(real x) {}",
        "KERNEL(1, 1, 1) f(const int&) {}",
        "KERNEL(1, 1) f(int x) {}",
    ],
)
def test_a_declaration_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=r"some\.cu|parameter"):
        parse_kernels("some", text)


def test_every_source_begins_with_the_header_and_no_block_is_too_large():
    for kernel in catalogue().values():
        assert "#define KERNEL" in source_text(kernel.source)
        assert 32 <= np.prod(kernel.block) <= 1024
