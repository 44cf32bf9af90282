#include "farshore.cuh"

// Colour kept steady: chroma carried along the flow from a lender, the picture before or a reference (`before`
// throughout), as far as that flow explains luma. In order:
// luma_change, mean_change, carry_trust (with `flow_seen`'s plane), carry_chroma. engine/stages/steadiness.py has the
// sources and says why; there is no flow here for pictures smaller than the window.

const float MISFIT = 0.03f;  // difference of luma at which trust has fallen to 1/e
const int WINDOW = 2;        // pixels to each side over which it is averaged
const float FIRM = 0.01f;    // trust from which what is sure stays so

const int THREADS = 256;

__device__ __forceinline__ float block_sum(float value) {
  __shared__ float shared[THREADS];
  int thread = threadIdx.y * blockDim.x + threadIdx.x;
  shared[thread] = value;
  __syncthreads();
  for (int reach = THREADS / 2; reach > 0; reach /= 2) {
    if (thread < reach) shared[thread] += shared[thread + reach];
    __syncthreads();
  }
  return shared[0];
}

// Luma's difference along the flow to the picture before, and of each block its sum.
KERNEL(32, 8, 1)
luma_change(const real* luma, const real* before, const float* flow, float* change, float* sums, int width, int height,
            int luma_pitch, int pitch, int plane) {
  int x = thread_x(), y = thread_y();
  float difference = 0.0f;
  if (x < width && y < height) {
    float to_x = x + flow[y * pitch + x], to_y = y + flow[plane + y * pitch + x];
    difference = load(luma[y * luma_pitch + x]) - bilinear(before, luma_pitch, width, height, to_x, to_y);
    change[y * pitch + x] = difference;
  }
  float sum = block_sum(difference);
  if (threadIdx.x == 0 && threadIdx.y == 0) sums[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

// The mean of `pixels` numbers whose sums by block there are `blocks` of. One block of threads.
KERNEL(256, 1, 1)
mean_change(const float* sums, float* mean, int blocks, int pixels) {
  float part = 0.0f;
  for (int block = threadIdx.x; block < blocks; block += THREADS) part += sums[block];
  float sum = block_sum(part);
  if (thread_x() == 0) mean[0] = sum / pixels;
}

// The weight of what is carried. Trust falls with luma's change along the flow, less that of the whole picture (flicker),
// from what `flow_seen` says. Times `strength`; but where what is carried was sure (a reference's own colour, `sure_before`
// 1) and trust holds, it stays sure, and counts fully. `sure` may be `sure_already`: what another picture made sure of.
KERNEL(32, 8, 1)
carry_trust(const float* change, const float* mean, const float* seen, const float* sure_before, const float* sure_already,
            const float* flow, float* trust, float* sure, int width, int height, int pitch, int plane, float strength) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float sum = 0.0f;
  for (int down = -WINDOW; down <= WINDOW; down++) {
    int row = reflected(y + down, height);
    for (int across = -WINDOW; across <= WINDOW; across++) {
      sum += change[row * pitch + reflected(x + across, width)] - mean[0];
    }
  }
  float misfit = sum / ((2 * WINDOW + 1) * (2 * WINDOW + 1) * MISFIT);
  float here = seen[y * pitch + x] * expf(-misfit * misfit);
  float to_x = x + flow[y * pitch + x], to_y = y + flow[plane + y * pitch + x];
  float kept = fminf(here, FIRM) / FIRM * bilinear(sure_before, pitch, width, height, to_x, to_y);
  sure[y * pitch + x] = fmaxf(kept, sure_already[y * pitch + x]);
  trust[y * pitch + x] = fmaxf(here * strength, kept);
}

// Chroma of a picture mixed with that of the picture before, carried along the flow, by trust. Flow and trust are on a
// grid of their own and are enlarged, the flow in the grid's pixels. `out` may be `now`, never `before`.
KERNEL(32, 8, 1)
carry_chroma(const real* before, const real* now, const float* flow, const float* trust, real* out, int width, int height,
             int planes, int pitch, int plane, int flow_width, int flow_height, int flow_pitch, int flow_plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Corners at = corners(x, y, flow_width, flow_height, width, height);
  float to_x = x + enlarged(flow, flow_pitch, at) * width / flow_width;
  float to_y = y + enlarged(flow + flow_plane, flow_pitch, at) * height / flow_height;
  float weight = enlarged(trust, flow_pitch, at);
  for (int z = 0; z < planes; z++) {
    float carried = bilinear(before + z * plane, pitch, width, height, to_x, to_y);
    int place = z * plane + y * pitch + x;
    out[place] = store(mix(load(now[place]), carried, weight));
  }
}
