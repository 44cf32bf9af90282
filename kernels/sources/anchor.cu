#include "farshore.cuh"

// Whether another picture, a reference or the one before, shows the same, so that it may lend its colours:
// engine/stages/steadiness.py says how that is judged. In order: anchor_blocks, anchor_gate; nothing comes back to the host.

const int SPLITS = 4, BLOCKS = SPLITS * SPLITS;  // blocks to a side, and in all
const float LEAST_DEVIATION = 0.01f;             // of luma, below which a block shows nothing
const float LIKENESS = 0.85f;                    // correlation from which a block shows the same
const float ALIKE_SHARE = 0.5f;                  // of the blocks that show anything: so many must show the same

const int THREADS = 256;

__device__ __forceinline__ float block_sum(float value) {
  __shared__ float shared[THREADS];
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int reach = THREADS / 2; reach > 0; reach /= 2) {
    if (threadIdx.x < reach) shared[threadIdx.x] += shared[threadIdx.x + reach];
    __syncthreads();
  }
  float sum = shared[0];
  __syncthreads();
  return sum;
}

// Where a part of an axis begins that is cut into SPLITS; the first parts are one longer where it does not come out even.
__device__ __forceinline__ int part_begin(int part, int length) {
  return part * (length / SPLITS) + min(part, length % SPLITS);
}

// Of each of 4 x 4 blocks of a picture, beside what lies along the flow in a reference: the smaller deviation of the two
// and, behind these 16, the correlation of the two, 0 where one is flat. Domain: THREADS per block, and the blocks.
KERNEL(256, 1, 1)
anchor_blocks(const real* luma, const real* reference, const float* flow, float* blocks, int width, int height,
              int luma_pitch, int pitch, int plane) {
  int column = blockIdx.y % SPLITS, row = blockIdx.y / SPLITS;
  int left = part_begin(column, width), top = part_begin(row, height);
  int wide = part_begin(column + 1, width) - left, pixels = wide * (part_begin(row + 1, height) - top);
  float means[2] = {0.0f, 0.0f}, here = 0.0f, there = 0.0f, both = 0.0f;
  for (int turn = 0; turn < 2; turn++) {
    float sums[2] = {0.0f, 0.0f};
    for (int number = threadIdx.x; number < pixels; number += THREADS) {
      int x = left + number % wide, y = top + number / wide;
      float to_x = x + flow[y * pitch + x], to_y = y + flow[plane + y * pitch + x];
      float one = load(luma[y * luma_pitch + x]) - means[0];
      float other = bilinear(reference, luma_pitch, width, height, to_x, to_y) - means[1];
      sums[0] += one;
      sums[1] += other;
      here += turn * one * one;
      there += turn * other * other;
      both += turn * one * other;
    }
    for (int k = 0; k < 2 && turn == 0; k++) means[k] = block_sum(sums[k]) / max(pixels, 1);
  }
  here = block_sum(here);
  there = block_sum(there);
  both = block_sum(both);
  if (threadIdx.x == 0) {
    float norm = sqrtf(here) * sqrtf(there);
    blocks[blockIdx.y] = sqrtf(fminf(here, there) / max(pixels, 1));
    blocks[BLOCKS + blockIdx.y] = norm > 0.0f ? both / norm : 0.0f;
  }
}

// By these numbers: where the reference shows something else, or fewer than `least` blocks show anything, a plane of
// weights becomes 0.
KERNEL(32, 8, 1)
anchor_gate(const float* blocks, float* gated, int width, int height, int pitch, int least) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int shown = 0, alike = 0;
  for (int block = 0; block < BLOCKS; block++) {
    if (blocks[block] < LEAST_DEVIATION) continue;
    shown++;
    alike += blocks[BLOCKS + block] >= LIKENESS;
  }
  if (shown < least || alike < ALIKE_SHARE * shown) gated[y * pitch + x] = 0.0f;
}
