#include "farshore.cuh"

// What projection and handling did to a film: flicker, dust, scratches. Neighbours in time are brought to where things
// are in the frame itself by the warps of warp.cu, or taken as they are where nothing moves.

const int CELL = 16;             // pixels to a side over which flicker is measured
const int WINDOW = 2;            // cells to each side over which it is averaged
const float LIKENESS = 16.0f;    // 1 / the difference at which a neighbour counts half: it may show something else
const float DARK = 0.02f;        // level below which a gain would be noise

const int THREADS = 256;

// The sum over a block of threads, in a fixed order: of sixteen by sixteen threads, then of these by all.
__device__ __forceinline__ float block_sum(float value) {
  const int GROUPS = THREADS / 16;
  __shared__ float values[THREADS], sums[GROUPS];
  values[threadIdx.x] = value;
  __syncthreads();
  if (threadIdx.x < GROUPS) {
    float sum = 0.0f;
    for (int k = 0; k < 16; k++) sum += values[threadIdx.x + k * GROUPS];
    sums[threadIdx.x] = sum;
  }
  __syncthreads();
  float sum = 0.0f;
  for (int k = 0; k < GROUPS; k++) sum += sums[k];
  return sum;
}

// Of each whole cell of a frame, and of each neighbour in its window of `frames`: by how much it is brighter than the
// frame and how bright that is, over 4 x 4 pixels, weighted by how alike the two are there. One plane of cells per
// neighbour for the first, then as many for the second. Domain: cells, and neighbours.
KERNEL(32, 4, 1)
flicker_cells(const real* window, float* cells, int columns, int rows, int frames, int middle, int pitch, int plane) {
  int column = thread_x(), row = thread_y(), neighbour = thread_z();
  if (column >= columns || row >= rows || neighbour >= frames - 1) return;
  int corner = row * CELL * pitch + column * CELL;
  const real* now = window + middle * plane + corner;
  const real* other = window + (neighbour < middle ? neighbour : neighbour + 1) * plane + corner;
  float brighter = 0.0f, levels = 0.0f;
  for (int part = 0; part < 16; part++) {
    int start = part / 4 * 4 * pitch + part % 4 * 4;
    float change = 0.0f, level = 0.0f;
    for (int at = 0; at < 16; at++) {
      float here = load(now[start + at / 4 * pitch + at % 4]);
      level += here / 16.0f;
      change += (load(other[start + at / 4 * pitch + at % 4]) - here) / 16.0f;
    }
    float trust = 1.0f / (1.0f + change * LIKENESS * (change * LIKENESS));
    brighter += trust * change / 16.0f;
    levels += trust * level / 16.0f;
  }
  int count = columns * rows;
  cells[neighbour * count + row * columns + column] = brighter;
  cells[(frames - 1 + neighbour) * count + row * columns + column] = levels;
}

// By what share the mean of all frames is brighter than the frame, of each cell, from the cells around it.
KERNEL(32, 8, 1)
flicker_gain(const float* cells, float* gain, int columns, int rows, int neighbours) {
  int column = thread_x(), row = thread_y();
  if (column >= columns || row >= rows) return;
  int first_row = max(row - WINDOW, 0), last_row = min(row + WINDOW, rows - 1);
  int first_column = max(column - WINDOW, 0), last_column = min(column + WINDOW, columns - 1);
  float number = (last_row - first_row + 1) * (last_column - first_column + 1), sum = 0.0f;
  for (int neighbour = 0; neighbour < neighbours; neighbour++) {
    float brighter = 0.0f, levels = 0.0f;
    for (int y = first_row; y <= last_row; y++) {
      for (int x = first_column; x <= last_column; x++) {
        brighter += cells[(neighbour * rows + y) * columns + x];
        levels += cells[((neighbours + neighbour) * rows + y) * columns + x];
      }
    }
    sum += brighter / number / (levels / number + DARK);
  }
  gain[row * columns + column] = sum / (neighbours + 1);
}

// The same of the whole frame: one number. One block of threads.
KERNEL(256, 1, 1)
flicker_level(const float* cells, float* gain, int count, int neighbours) {
  float sum = 0.0f;
  for (int neighbour = 0; neighbour < neighbours; neighbour++) {
    float brighter = 0.0f, levels = 0.0f;
    for (int cell = thread_x(); cell < count; cell += THREADS) {
      brighter += cells[neighbour * count + cell];
      levels += cells[(neighbours + neighbour) * count + cell];
    }
    brighter = block_sum(brighter) / count;
    levels = block_sum(levels) / count;
    sum += brighter / (levels + DARK);
  }
  if (thread_x() == 0) gain[0] = sum / (neighbours + 1);
}

// Brighten by a share of a gain that is given for cells, bilinear between their centres, and clip to [0, 1]. One cell
// is a gain for the whole picture. `out` may be `picture`. A plane per z.
KERNEL(32, 8, 1)
flicker_apply(const real* picture, const float* gain, real* out, int width, int height, int planes, int pitch,
              int plane, int columns, int rows, float strength) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float share = bilinear(gain, columns, columns, rows, (x + 0.5f) / CELL - 0.5f, (y + 0.5f) / CELL - 0.5f);
  int at = z * plane + y * pitch + x;
  out[at] = store(clamp_float(load(picture[at]) * (1.0f + strength * share), 0.0f, 1.0f));
}

__device__ __forceinline__ void put_in_order(float& low, float& high) {
  float smaller = fminf(low, high);
  high = fmaxf(low, high);
  low = smaller;
}

// Dust, by rank-ordered differences: a pixel that lies beyond its three neighbours before and its three after, in time,
// by more than one of three rising thresholds for the outermost, the second and the third of them, and beyond the same
// place of both by more than the first. 0: by none; 1: by twice that. `before` and `after` as they look at the frame's
// places.
KERNEL(32, 8, 1)
film_dust(const real* before, const real* now, const real* after, float* mask, int width, int height, int pitch,
          int mask_pitch, float outermost, float second, float third) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float rank[6];
  for (int k = 0; k < 3; k++) {
    rank[k] = pixel(before, pitch, width, height, x, y + k - 1);
    rank[3 + k] = pixel(after, pitch, width, height, x, y + k - 1);
  }
  float place_before = rank[1], place_after = rank[4];
  for (int end = 5; end > 0; end--) {
    for (int k = 0; k < end; k++) put_in_order(rank[k], rank[k + 1]);
  }
  float here = load(now[y * pitch + x]);
  bool above = here > 0.5f * (rank[2] + rank[3]);
  float beyond[3];
  for (int k = 0; k < 3; k++) beyond[k] = above ? here - rank[5 - k] : rank[k] - here;
  float score = fmaxf(fmaxf(beyond[0] / outermost, beyond[1] / second), beyond[2] / third);
  float spike = above ? here - fmaxf(place_before, place_after) : fminf(place_before, place_after) - here;
  score = fminf(score, spike / outermost);
  mask[y * mask_pitch + x] = clamp_float(score - 1.0f, 0.0f, 1.0f);
}

// Means of the columns of each strip of rows; the last strip may be shorter. Domain: columns, and strips.
KERNEL(128, 1, 1)
scratch_columns(const real* picture, float* means, int width, int height, int pitch, int strip) {
  int x = thread_x(), top = thread_y() * strip;
  if (x >= width || top >= height) return;
  int rows = min(strip, height - top);
  float sum = 0.0f;
  for (int row = 0; row < rows; row++) sum += load(picture[(top + row) * pitch + x]);
  means[thread_y() * width + x] = sum / rows;
}

// How much of a line runs through each column of each strip, [0, 1]: how far columns stand out from the median of nine
// around them, in units of a threshold and at most one, in the mean over the strips within `reach` above and below.
// What is brighter here and darker there is no line.
KERNEL(128, 1, 1)
scratch_lines(const float* means, float* lines, int width, int strips, int reach, float threshold) {
  int x = thread_x(), strip = thread_y();
  if (x >= width || strip >= strips) return;
  int first = max(strip - reach, 0), last = min(strip + reach, strips - 1);
  float sum = 0.0f;
  for (int at = first; at <= last; at++) {
    float rank[9];
    for (int k = 0; k < 9; k++) rank[k] = means[at * width + clamp_int(x + k - 4, 0, width - 1)];
    for (int end = 8; end > 3; end--) {
      for (int k = 0; k < end; k++) put_in_order(rank[k], rank[k + 1]);
    }
    sum += clamp_float((means[at * width + x] - rank[4]) / threshold, -1.0f, 1.0f);
  }
  lines[strip * width + x] = fabsf(sum) / (last - first + 1);
}
