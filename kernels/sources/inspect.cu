#include "farshore.cuh"

// What the inspect stage measures of a film: how far a frame differs from another (engine/stages/repeats.py), and how
// far it continues another (engine/stages/cuts.py, which has the sources and says why). A few numbers come back; what
// they mean is decided on the host. Frames are kept thinned (inspect_thin) and of LOOK size (that, by `resize_area`).

const int BLOCK_ROWS = 12, BLOCK_COLUMNS = 16, BLOCKS = BLOCK_ROWS * BLOCK_COLUMNS;  // for the largest local difference
const int LOOK_ROWS = 56, LOOK_COLUMNS = 72, LOOKS = LOOK_ROWS * LOOK_COLUMNS;
const int EDGE = 4;                      // rows and columns of LOOK pictures in which no block begins
const int SIDE = 16, REACH = 8;          // of a block of theirs; by how much it may have moved
const int PARTS_ACROSS = 4, PARTS = 12;  // such blocks
const int PLACES = (2 * REACH + 1) * (2 * REACH + 1);
const float TEXTURE_CAP = 0.08f;  // deviation from which a block's weight grows no more

const int THREADS = 256;       // of the kernels of one block
const int BLOCK_THREADS = 64;  // per block of the difference
const int PART_THREADS = 512;  // per block of a LOOK picture, at least PLACES

// The sum, or the largest, over a block of threads, in a fixed order: of sixteen by some threads, then of these by all.
__device__ __forceinline__ float block_total(float value, int threads, bool is_sum) {
  const int GROUP = 16;
  __shared__ float values[PART_THREADS], totals[PART_THREADS / GROUP];
  int groups = threads / GROUP, group = threadIdx.x;
  values[threadIdx.x] = value;
  __syncthreads();
  if (group < groups) {
    float total = values[group];
    for (int k = 1; k < GROUP; k++) {
      float next = values[group + k * groups];
      total = is_sum ? total + next : fmaxf(total, next);
    }
    totals[group] = total;
  }
  __syncthreads();
  float total = totals[0];
  for (int k = 1; k < groups; k++) total = is_sum ? total + totals[k] : fmaxf(total, totals[k]);
  return total;
}
__device__ __forceinline__ float block_sum(float value, int threads) { return block_total(value, threads, true); }
__device__ __forceinline__ float block_largest(float value, int threads) { return block_total(value, threads, false); }

// Every `step`th pixel of every `step`th row: grain stays, which averages would take away.
KERNEL(32, 8, 1)
inspect_thin(const real* picture, real* thin, int pitch, int step, int width, int height) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  thin[y * width + x] = picture[y * step * pitch + x * step];
}

// Of each of 12 x 16 blocks that two thinned pictures are cut into, sharing pixels where their sides do not come out
// even: the mean absolute difference less `level[0]`, and the mean difference (second less first). `level` is where to
// find what the whole picture's brightness changed by, or a zero. Domain: 64 threads per block, and the blocks.
KERNEL(64, 1, 1)
inspect_blocks(const real* first, const real* second, const float* level, float* blocks, int width, int height) {
  int row = blockIdx.y / BLOCK_COLUMNS, column = blockIdx.y % BLOCK_COLUMNS;
  Taps across = resize_taps(column, width, BLOCK_COLUMNS, 1), down = resize_taps(row, height, BLOCK_ROWS, 1);
  int wide = across.last - across.first + 1, pixels = wide * (down.last - down.first + 1);
  float absolute = 0.0f, plain = 0.0f;
  for (int number = threadIdx.x; number < pixels; number += BLOCK_THREADS) {
    int x = across.first + number % wide, y = down.first + number / wide;
    float weight = tap_weight(x, column, width, BLOCK_COLUMNS, 1) * tap_weight(y, row, height, BLOCK_ROWS, 1);
    float change = load(second[y * width + x]) - load(first[y * width + x]);
    absolute += weight * fabsf(change - level[0]);
    plain += weight * change;
  }
  absolute = block_sum(absolute, BLOCK_THREADS);
  plain = block_sum(plain, BLOCK_THREADS);
  if (threadIdx.x == 0) {
    blocks[blockIdx.y] = absolute;
    blocks[BLOCKS + blockIdx.y] = plain;
  }
}

// Of these: the mean and the largest absolute difference, and the mean difference, to be the `level` of a second look.
KERNEL(256, 1, 1)
inspect_difference(const float* blocks, float* scores) {
  float absolute = thread_x() < BLOCKS ? blocks[thread_x()] : 0.0f;
  float plain = thread_x() < BLOCKS ? blocks[BLOCKS + thread_x()] : 0.0f;
  float sum = block_sum(absolute, THREADS), largest = block_largest(absolute, THREADS);
  float level = block_sum(plain, THREADS);
  if (thread_x() == 0) {
    scores[0] = sum / BLOCKS;
    scores[1] = largest;
    scores[2] = level / BLOCKS;
  }
}

// Of two pictures of LOOK size: their mean absolute difference, and the standard deviation of each.
KERNEL(256, 1, 1)
inspect_spread(const real* first, const real* second, float* scores) {
  float difference = 0.0f, sum[2] = {0.0f, 0.0f}, squares[2] = {0.0f, 0.0f};
  for (int at = thread_x(); at < LOOKS; at += THREADS) {
    float one = load(first[at]), other = load(second[at]);
    difference += fabsf(one - other);
    sum[0] += one;
    sum[1] += other;
  }
  difference = block_sum(difference, THREADS);
  for (int k = 0; k < 2; k++) sum[k] = block_sum(sum[k], THREADS) / LOOKS;
  for (int at = thread_x(); at < LOOKS; at += THREADS) {
    float one = load(first[at]) - sum[0], other = load(second[at]) - sum[1];
    squares[0] += one * one;
    squares[1] += other * other;
  }
  for (int k = 0; k < 2; k++) squares[k] = block_sum(squares[k], THREADS);
  if (thread_x() == 0) {
    scores[0] = difference / LOOKS;
    scores[1] = sqrtf(squares[0] / LOOKS);
    scores[2] = sqrtf(squares[1] / LOOKS);
  }
}

// Of each block of the picture with the larger deviation (`spread`, of inspect_spread): its weight, which is its own
// deviation up to a cap, and that times its best correlation within REACH in the other picture, as OpenCV's
// TM_CCOEFF_NORMED has it; where the other is flat that is 0. Domain: 512 threads per block, one for each place, and
// PARTS.
KERNEL(512, 1, 1)
inspect_parts(const real* first, const real* second, const float* spread, float* parts) {
  __shared__ float block[SIDE * SIDE], near[(SIDE + 2 * REACH) * (SIDE + 2 * REACH)];
  const int WIDE = SIDE + 2 * REACH;
  const real* taken = spread[1] >= spread[2] ? first : second;
  const real* field = spread[1] >= spread[2] ? second : first;
  int part = blockIdx.y, thread = threadIdx.x;
  int top = EDGE + part / PARTS_ACROSS * SIDE, left = EDGE + part % PARTS_ACROSS * SIDE;
  float value = 0.0f;
  if (thread < SIDE * SIDE) value = load(taken[(top + thread / SIDE) * LOOK_COLUMNS + left + thread % SIDE]);
  for (int at = thread; at < WIDE * WIDE; at += PART_THREADS) {
    int y = top - REACH + at / WIDE, x = left - REACH + at % WIDE;
    bool inside = y >= 0 && y < LOOK_ROWS && x >= 0 && x < LOOK_COLUMNS;
    near[at] = inside ? load(field[y * LOOK_COLUMNS + x]) : 0.0f;
  }
  const float pixels = SIDE * SIDE;
  float mean = block_sum(value, PART_THREADS) / pixels;
  if (thread < SIDE * SIDE) block[thread] = value - mean;
  float square = thread < SIDE * SIDE ? (value - mean) * (value - mean) : 0.0f;
  float variance = block_sum(square, PART_THREADS);

  int down = thread / (2 * REACH + 1), across = thread % (2 * REACH + 1);
  int y = top - REACH + down, x = left - REACH + across;
  float correlation = 0.0f;
  if (thread < PLACES && y >= 0 && y + SIDE <= LOOK_ROWS && x >= 0 && x + SIDE <= LOOK_COLUMNS) {
    float sum = 0.0f, product = 0.0f, squares = 0.0f;
    for (int at = 0; at < SIDE * SIDE; at++) sum += near[(down + at / SIDE) * WIDE + across + at % SIDE];
    for (int at = 0; at < SIDE * SIDE; at++) {
      float away = near[(down + at / SIDE) * WIDE + across + at % SIDE] - sum / pixels;
      product += away * block[at];
      squares += away * away;
    }
    float norm = sqrtf(variance * squares);
    if (norm > 0.0f) correlation = clamp_float(product / norm, 0.0f, 1.0f);
  }
  float best = block_largest(correlation, PART_THREADS);
  if (thread == 0) {
    float weight = fminf(sqrtf(variance / pixels), TEXTURE_CAP);
    parts[part] = weight;
    parts[PARTS + part] = weight * best;
  }
}

// How far one picture continues the other, 0 to 1: the mean of the correlations by their weights.
KERNEL(32, 1, 1)
inspect_likeness(const float* parts, float* scores) {
  if (thread_x() > 0) return;
  float weights = 0.0f, sum = 0.0f;
  for (int part = 0; part < PARTS; part++) {
    weights += parts[part];
    sum += parts[PARTS + part];
  }
  scores[0] = weights > 0.0f ? sum / weights : 0.0f;
}
