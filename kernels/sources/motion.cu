#include "farshore.cuh"

// Motion between two pictures for every pixel: dense inverse search (T. Kroeger, R. Timofte, D. Dai and L. Van Gool,
// "Fast Optical Flow using Dense Inverse Search", ECCV 2016). After motion_smooth, for each level of a pyramid by
// `resize_area`, coarse to fine: motion_start; motion_search, twice; motion_densify; then the refinement, refine.cu. At
// the end motion_enlarge. `find_motion` in kernels/reference/motion.py is the order of launches in full.
//
// There and back in one launch, where the domain is 2 deep: way 0 leads from picture `first` to `second`, way 1 from
// `second` to `first`. Whatever there is of each way, in two planes, lies in memory way after way.

const int PATCH = 8;     // pixels; threads of a patch, one per row
const int STRIDE = 4;    // pixels from one patch to the next
const int TOGETHER = 8;  // patches of a block of threads
const int MOST_SUMS = 5;
const float FLAT = 6.4e-4f;        // added to a patch's squares of gradients: what is flat stays where it is
const float CODE = 1.0f / 255.0f;  // photometric error below which patches weigh alike

// A picture less its grain: the binomial mean of 5 x 5 pixels, a Gaussian of a deviation of one pixel.
KERNEL(32, 8, 1)
motion_smooth(const real* picture, real* out, int width, int height, int pitch, int out_pitch) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  const float weights[5] = {0.0625f, 0.25f, 0.375f, 0.25f, 0.0625f};
  float sum = 0.0f;
  for (int down = 0; down < 5; down++) {
    const real* row = picture + reflected(y + down - 2, height) * pitch;
    float line = 0.0f;
    for (int across = 0; across < 5; across++) line += weights[across] * load(row[reflected(x + across - 2, width)]);
    sum += weights[down] * line;
  }
  out[y * out_pitch + x] = store(sum);
}

// Motion at the patches' centres, of a level's patches, read from the flow of the coarser level.
KERNEL(32, 8, 1)
motion_start(const float* coarse, float* start, int coarse_width, int coarse_height, int coarse_pitch, int coarse_plane,
             int width, int height, int columns, int rows) {
  int column = thread_x(), row = thread_y();
  if (column >= columns || row >= rows) return;
  coarse += 2 * thread_z() * coarse_plane;
  start += 2 * thread_z() * rows * columns;
  float across = coarse_width / (float)width, down = coarse_height / (float)height;
  float x = (column * STRIDE + PATCH / 2) * across - 0.5f, y = (row * STRIDE + PATCH / 2) * down - 0.5f;
  int at = row * columns + column;
  start[at] = bilinear(coarse, coarse_pitch, coarse_width, coarse_height, x, y) / across;
  start[rows * columns + at] = bilinear(coarse + coarse_plane, coarse_pitch, coarse_width, coarse_height, x, y) / down;
}

// The sums of up to five numbers over the rows of this thread's patch.
struct Sums {
  float of[MOST_SUMS];
};
__device__ __forceinline__ Sums block_patch_sums(Sums part, int count) {
  __shared__ float shared[TOGETHER * PATCH][MOST_SUMS];
  for (int number = 0; number < count; number++) shared[threadIdx.x][number] = part.of[number];
  __syncthreads();
  Sums sums = {{0.0f, 0.0f, 0.0f, 0.0f, 0.0f}};
  int patch = threadIdx.x / PATCH;
  for (int row = 0; row < PATCH; row++) {
    for (int number = 0; number < count; number++) sums.of[number] += shared[patch * PATCH + row][number];
  }
  __syncthreads();  // before the next sums overwrite what others may still read
  return sums;
}

// How a plane changes per pixel, by Sobel's operator.
struct Slope {
  float x, y;
};
__device__ __forceinline__ Slope slope_at(const real* plane, int pitch, int width, int height, int x, int y) {
  float near[3][3];
  for (int down = 0; down < 3; down++) {
    for (int across = 0; across < 3; across++) {
      near[down][across] = pixel(plane, pitch, width, height, x + across - 1, y + down - 1);
    }
  }
  float right = near[0][2] + 2.0f * near[1][2] + near[2][2], left = near[0][0] + 2.0f * near[1][0] + near[2][0];
  float lower = near[2][0] + 2.0f * near[2][1] + near[2][2], upper = near[0][0] + 2.0f * near[0][1] + near[0][2];
  return {(right - left) / 8.0f, (lower - upper) / 8.0f};
}

// Where each patch of `origin` lies in `goal`: the best of where the patch and its four neighbours were thought to lie,
// improved by Newton's steps on the inverse problem; a step that makes it worse is halved. Differences count less their
// mean, so that flicker is not taken for motion. Domain: PATCH threads for each patch, all in x, which alone may be so
// many; 1; the ways.
KERNEL(64, 1, 1)
motion_search(const real* first, const real* second, const float* start, float* found, int width, int height, int pitch,
              int columns, int rows, int steps) {
  const real *origin = thread_z() ? second : first, *goal = thread_z() ? first : second;
  int patch = thread_x() / PATCH, patches = columns * rows;
  start += 2 * thread_z() * patches;
  found += 2 * thread_z() * patches;
  bool stands = patch < patches;
  int column = stands ? patch % columns : 0, row = stands ? patch / columns : 0;
  int left = column * STRIDE, y = row * STRIDE + threadIdx.x % PATCH;
  float seen[PATCH];
  Slope slopes[PATCH];
  Sums part = {{0.0f, 0.0f, 0.0f, 0.0f, 0.0f}};
  for (int k = 0; k < PATCH; k++) {
    seen[k] = stands ? load(origin[y * pitch + left + k]) : 0.0f;
    slopes[k] = stands ? slope_at(origin, pitch, width, height, left + k, y) : Slope{0.0f, 0.0f};
    part.of[0] += slopes[k].x;
    part.of[1] += slopes[k].y;
  }
  Sums sums = block_patch_sums(part, 2);
  const float pixels = PATCH * PATCH;
  float mean_x = sums.of[0] / pixels, mean_y = sums.of[1] / pixels;
  part = {{0.0f, 0.0f, 0.0f, 0.0f, 0.0f}};
  for (int k = 0; k < PATCH; k++) {
    slopes[k].x -= mean_x;
    slopes[k].y -= mean_y;
    part.of[0] += slopes[k].x * slopes[k].x;
    part.of[1] += slopes[k].x * slopes[k].y;
    part.of[2] += slopes[k].y * slopes[k].y;
  }
  sums = block_patch_sums(part, 3);
  float xx = sums.of[0] + FLAT, xy = sums.of[1], yy = sums.of[2] + FLAT;
  float determinant = xx * yy - xy * xy;

  const int CANDIDATES = 5;
  const int next_column[CANDIDATES] = {0, -1, 1, 0, 0}, next_row[CANDIDATES] = {0, 0, 0, -1, 1};
  float best_x = 0.0f, best_y = 0.0f, least = 0.0f, step_x = 0.0f, step_y = 0.0f;
  for (int turn = 0; turn < CANDIDATES + steps; turn++) {
    float try_x = best_x + step_x, try_y = best_y + step_y;
    if (turn < CANDIDATES) {
      int from = clamp_int(row + next_row[turn], 0, rows - 1) * columns +
                 clamp_int(column + next_column[turn], 0, columns - 1);
      try_x = stands ? start[from] : 0.0f;
      try_y = stands ? start[patches + from] : 0.0f;
    }
    part = {{0.0f, 0.0f, 0.0f, 0.0f, 0.0f}};
    for (int k = 0; k < PATCH && stands; k++) {
      float apart = bilinear(goal, pitch, width, height, left + k + try_x, y + try_y) - seen[k];
      part.of[0] += apart;
      part.of[1] += apart * apart;
      part.of[2] += apart * slopes[k].x;
      part.of[3] += apart * slopes[k].y;
    }
    sums = block_patch_sums(part, 4);
    float error = sums.of[1] - sums.of[0] * sums.of[0] / pixels;
    if (turn == 0 || error < least) {
      best_x = try_x;
      best_y = try_y;
      least = error;
      step_x = (xy * sums.of[3] - yy * sums.of[2]) / determinant;
      step_y = (xy * sums.of[2] - xx * sums.of[3]) / determinant;
    } else if (turn >= CANDIDATES) {
      step_x *= 0.5f;
      step_y *= 0.5f;
    }
  }
  if (stands && threadIdx.x % PATCH == 0) {
    found[patch] = best_x;
    found[patches + patch] = best_y;
  }
}

// The motion of a pixel: the mean of the patches that cover it, each weighted by how well it explains this pixel. Rows
// and columns that no patch covers, at the lower and right edge, follow the last one.
KERNEL(32, 8, 1)
motion_densify(const real* first, const real* second, const float* found, float* flow, int width, int height, int pitch,
               int columns, int rows, int flow_pitch, int flow_plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  const real *origin = thread_z() ? second : first, *goal = thread_z() ? first : second;
  found += 2 * thread_z() * rows * columns;
  flow += 2 * thread_z() * flow_plane;
  int last_row = min(y / STRIDE, rows - 1), last_column = min(x / STRIDE, columns - 1);
  int first_row = min(max(y - PATCH + STRIDE, 0) / STRIDE, last_row);
  int first_column = min(max(x - PATCH + STRIDE, 0) / STRIDE, last_column);
  float here = load(origin[y * pitch + x]), weights = 0.0f, sum_x = 0.0f, sum_y = 0.0f;
  for (int row = first_row; row <= last_row; row++) {
    for (int column = first_column; column <= last_column; column++) {
      float move_x = found[row * columns + column], move_y = found[(rows + row) * columns + column];
      float apart = bilinear(goal, pitch, width, height, x + move_x, y + move_y) - here;
      float weight = CODE / fmaxf(fabsf(apart), CODE);
      weights += weight;
      sum_x += weight * move_x;
      sum_y += weight * move_y;
    }
  }
  flow[y * flow_pitch + x] = sum_x / weights;
  flow[flow_plane + y * flow_pitch + x] = sum_y / weights;
}

// Flows, each of two planes, in the pixels of another size; bilinear. Domain: the pixels, and the flows.
KERNEL(32, 8, 1)
motion_enlarge(const float* flow, float* out, int from_width, int from_height, int width, int height, int flow_pitch,
               int flow_plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  flow += 2 * thread_z() * flow_plane;
  out += 2 * thread_z() * out_plane;
  Corners at = corners(x, y, from_width, from_height, width, height);
  out[y * out_pitch + x] = enlarged(flow, flow_pitch, at) * width / from_width;
  out[out_plane + y * out_pitch + x] = enlarged(flow + flow_plane, flow_pitch, at) * height / from_height;
}

// A way lengthened by a step that begins where it ends: out(x) = way(x) + step(x + way(x)). `out` may be `way`.
KERNEL(32, 8, 1)
motion_compose(const float* way, const float* step, float* out, int width, int height, int flow_pitch, int flow_plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int at = y * flow_pitch + x;
  float way_x = way[at], way_y = way[flow_plane + at];
  out[at] = way_x + bilinear(step, flow_pitch, width, height, x + way_x, y + way_y);
  out[flow_plane + at] = way_y + bilinear(step + flow_plane, flow_pitch, width, height, x + way_x, y + way_y);
}
