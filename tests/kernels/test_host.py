"""The shim that runs kernels on the processor catches what a GPU would suffer in silence."""

import numpy as np
import pytest

import kernels.catalogue as kernels_catalogue
from kernels.catalogue import parse_kernels
from kernels.host import build
from kernels.host.build import HostKernelError, HostKernels, build_source

SOURCE = """#include "farshore.cuh"
__device__ float block_sum(float value, float* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int step = 32; step > 0; step /= 2) {
    if (threadIdx.x < step) shared[threadIdx.x] += shared[threadIdx.x + step];
    __syncthreads();
  }
  return shared[0];
}
KERNEL(64, 1, 1)
sums(const float* in, float* out, int count) {
  __shared__ float shared[64];
  int x = thread_x();
  float sum = block_sum(x < count ? in[x] : 0.0f, shared);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}
KERNEL(64, 1, 1)
leaves_early(float* out, int count) {
  if (thread_x() >= count) return;
  __syncthreads();
  out[thread_x()] = 1.0f;
}
KERNEL(64, 1, 1) writes_behind(float* out, int count) { if (thread_x() <= count) out[thread_x()] = 1.0f; }
KERNEL(64, 1, 1) writes_before(float* out, int count) { if (thread_x() < count) out[thread_x() - 1] = 1.0f; }
KERNEL(64, 1, 1) writes_const(const float* in, float* out, int count) { ((float*)in)[0] = 7.0f; }
KERNEL(64, 1, 1)
races(int* out, int count) { if (thread_x() < count) out[0] = thread_x(); }
KERNEL(4, 4, 4)
places(int* out, int width, int height, int depth) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x < width && y < height && z < depth) out[(z * height + y) * width + x] = x + 10 * y + 100 * z;
}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> HostKernels:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "some.cu").write_text(SOURCE)
    (folder / "farshore.cuh").write_text((kernels_catalogue.SOURCES / "farshore.cuh").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels_catalogue, "SOURCES", folder)
        patch.setattr(build, "catalogue", lambda: KERNELS)
        return build_source("some", "float32", folder)


KERNELS = {kernel.name: kernel for kernel in parse_kernels("some", SOURCE)}


@pytest.mark.parametrize("reverse", [False, True])
def test_threads_meet_at_barriers_and_share_memory(host, reverse):
    values = np.arange(150, dtype=np.float32)
    sums = np.zeros(3, np.float32)
    host.launch(KERNELS["sums"], (150, 1, 1), [values, sums, 150], reverse=reverse)
    assert sums.tolist() == [values[:64].sum(), values[64:128].sum(), values[128:].sum()]


def test_a_domain_of_three_axes_is_covered_once(host):
    out = np.full((3, 5, 6), -1, np.int32)
    host.launch(KERNELS["places"], (6, 5, 3), [out, 6, 5, 3])
    z, y, x = np.indices(out.shape)
    assert (out == x + 10 * y + 100 * z).all()


@pytest.mark.parametrize(
    ("kernel", "said"),
    [("leaves_early", "barrier"), ("writes_behind", "behind out"), ("writes_before", "before out")],
)
def test_what_no_kernel_may_do_is_caught(host, kernel, said):
    with pytest.raises(HostKernelError, match=said):
        host.launch(KERNELS[kernel], (40, 1, 1), [np.zeros(40, np.float32), 40])


def test_writing_into_what_is_const_is_caught(host):
    with pytest.raises(HostKernelError, match="into the const in"):
        host.launch(KERNELS["writes_const"], (1, 1, 1), [np.zeros(4, np.float32), np.zeros(4, np.float32), 4])


def test_a_race_shows_when_the_order_is_turned_round(host):
    forward, backward = np.zeros(1, np.int32), np.zeros(1, np.int32)
    host.launch(KERNELS["races"], (40, 1, 1), [forward, 40])
    host.launch(KERNELS["races"], (40, 1, 1), [backward, 40], reverse=True)
    assert forward[0] != backward[0]


@pytest.mark.parametrize("array", [np.zeros(4, np.float64), np.zeros((4, 4), np.float32).T[1:3], [0.0] * 4])
def test_an_argument_that_does_not_fit_is_refused(host, array):
    with pytest.raises(HostKernelError, match="C-contiguous array of float32"):
        host.launch(KERNELS["writes_behind"], (4, 1, 1), [array, 4])
