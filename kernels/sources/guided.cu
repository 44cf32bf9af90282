#include "farshore.cuh"

// Coarse chroma brought to a finer size so that its edges lie where luma's edges lie (K. He and J. Sun, "Fast Guided
// Filter", arXiv 1505.00996, 2015): within each window of 9 x 9 coarse pixels chroma is slope x luma + offset. In order:
// guide_across, guide_down, box_across, box_down, guided_chroma. Windows reflect at the edges. All scratch is float.
// Luma is counted from the middle grey, where squares and their differences lose least.

const int RADIUS = 4;
const int SIDE = 2 * RADIUS + 1;
const float EPSILON = 4e-4f;  // variance of luma that counts as grain rather than as an edge
const float MIDDLE = 0.5f;

// Sums over nine pixels of a row, six planes: luma, its square, a, a luma, b, b luma.
KERNEL(32, 8, 1)
guide_across(const real* luma, const real* ab, float* sums, int width, int height, int luma_pitch, int ab_pitch,
             int ab_plane, int pitch, int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float made[6] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  for (int step = -RADIUS; step <= RADIUS; step++) {
    int column = reflected(x + step, width);
    float light = load(luma[y * luma_pitch + column]) - MIDDLE;
    float a = load(ab[y * ab_pitch + column]), b = load(ab[ab_plane + y * ab_pitch + column]);
    made[0] += light;
    made[1] += light * light;
    made[2] += a;
    made[3] += a * light;
    made[4] += b;
    made[5] += b * light;
  }
  for (int z = 0; z < 6; z++) sums[z * plane + y * pitch + x] = made[z];
}

// The rest of these sums, down, and of them four planes: slope and offset of a, slope and offset of b.
KERNEL(32, 8, 1)
guide_down(const float* sums, float* fits, int width, int height, int pitch, int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float mean[6] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  for (int step = -RADIUS; step <= RADIUS; step++) {
    int row = reflected(y + step, height);
    for (int z = 0; z < 6; z++) mean[z] += sums[z * plane + row * pitch + x] / (SIDE * SIDE);
  }
  float variance = mean[1] - mean[0] * mean[0] + EPSILON;
  for (int number = 0; number < 2; number++) {
    float chroma = mean[2 + 2 * number];
    float slope = (mean[3 + 2 * number] - mean[0] * chroma) / variance;
    fits[2 * number * plane + y * pitch + x] = slope;
    fits[(2 * number + 1) * plane + y * pitch + x] = chroma - slope * mean[0];
  }
}

// Means over nine pixels of a row, and of a column; a plane per z.
KERNEL(32, 8, 1)
box_across(const float* in, float* out, int width, int height, int planes, int pitch, int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float sum = 0.0f;
  for (int step = -RADIUS; step <= RADIUS; step++) sum += in[z * plane + y * pitch + reflected(x + step, width)];
  out[z * plane + y * pitch + x] = sum / SIDE;
}

KERNEL(32, 8, 1)
box_down(const float* in, float* out, int width, int height, int planes, int pitch, int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float sum = 0.0f;
  for (int step = -RADIUS; step <= RADIUS; step++) sum += in[z * plane + reflected(y + step, height) * pitch + x];
  out[z * plane + y * pitch + x] = sum / SIDE;
}

// Chroma at the fine size: the smoothed fits enlarged, applied to the fine luma, times `gain` plus `offset`, clipped to
// [0, 1]. Both planes in one thread.
KERNEL(32, 8, 1)
guided_chroma(const float* fits, const real* luma, real* out, int fit_width, int fit_height, int fit_pitch, int fit_plane,
              int width, int height, int luma_pitch, int pitch, int plane, float gain, float offset) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Corners at = corners(x, y, fit_width, fit_height, width, height);
  float light = load(luma[y * luma_pitch + x]) - MIDDLE;
  for (int number = 0; number < 2; number++) {
    float slope = enlarged(fits + 2 * number * fit_plane, fit_pitch, at);
    float chroma = slope * light + enlarged(fits + (2 * number + 1) * fit_plane, fit_pitch, at);
    out[number * plane + y * pitch + x] = store(clamp_float(chroma * gain + offset, 0.0f, 1.0f));
  }
}
