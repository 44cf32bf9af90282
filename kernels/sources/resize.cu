#include "farshore.cuh"

// Change the size of pictures, with OpenCV's conventions: pixel centres at (i + 1/2) from / to - 1/2, edges repeated,
// nothing clipped. A plane per z; places and weights come from whole numbers and so are exact at any column.

// How much of a pixel's area along one axis lies on pixel `tap`, in parts of which the whole area has `from`.
__device__ __forceinline__ float overlap(int tap, int place, int from, int to) {
  return min((place + 1) * from, (tap + 1) * to) - max(place * from, tap * to);
}

// Shrink: the mean over the area that a pixel covers, edges of the area by their share. Neither axis may grow.
KERNEL(32, 8, 1)
resize_area(const real* picture, real* out, int from_width, int from_height, int width, int height, int planes, int pitch,
            int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  Taps across = resize_taps(x, from_width, width, 1), down = resize_taps(y, from_height, height, 1);
  float sum = 0.0f;
  for (int row = down.first; row <= down.last; row++) {
    float line = 0.0f;
#pragma unroll 2
    for (int column = across.first; column <= across.last; column++) {
      line += overlap(column, x, from_width, width) * load(picture[z * plane + row * pitch + column]);
    }
    sum += overlap(row, y, from_height, height) * line;
  }
  out[z * out_plane + y * out_pitch + x] = store(sum / ((float)from_width * from_height));
}

// Where an axis grows OpenCV's INTER_AREA is another thing on both axes: pixels stay what they were, those that reach
// over a border between two are mixed by the share of each.
__device__ __forceinline__ float share_of_next(int place, int from, int to) {
  return max((place + 1) * from - (place * from / to + 1) * to, 0) / (float)from;
}

KERNEL(32, 8, 1)
resize_area_enlarge(const real* picture, real* out, int from_width, int from_height, int width, int height, int planes,
                    int pitch, int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  int left = x * from_width / width, top = y * from_height / height;
  float share_x = share_of_next(x, from_width, width), share_y = share_of_next(y, from_height, height);
  const real* from = picture + z * plane;
  float upper = mix(pixel(from, pitch, from_width, from_height, left, top),
                    pixel(from, pitch, from_width, from_height, left + 1, top), share_x);
  float lower = mix(pixel(from, pitch, from_width, from_height, left, top + 1),
                    pixel(from, pitch, from_width, from_height, left + 1, top + 1), share_x);
  out[z * out_plane + y * out_pitch + x] = store(mix(upper, lower, share_y));
}

KERNEL(32, 8, 1)
resize_bilinear(const real* picture, real* out, int from_width, int from_height, int width, int height, int planes,
                int pitch, int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  Corners at = corners(x, y, from_width, from_height, width, height);
  const real* upper = picture + z * plane + at.top * pitch;
  const real* lower = picture + z * plane + at.bottom * pitch;
  out[z * out_plane + y * out_pitch + x] =
      store(mix(mix(load(upper[at.left]), load(upper[at.right]), at.share_x),
                mix(load(lower[at.left]), load(lower[at.right]), at.share_x), at.share_y));
}

// The pixel at or before a pixel's place, and how far beyond it that lies.
struct Step {
  int first;
  float share;
};
__device__ __forceinline__ Step step_of(int place, int from, int to) {
  int at = (2 * place + 1) * from - to;  // in parts of a pixel, of which there are 2 to
  int first = at < 0 ? -1 : at / (2 * to);
  return {first, (at - first * 2 * to) / (2.0f * to)};
}

// Cubic convolution with a = -0.75.
KERNEL(32, 8, 1)
resize_bicubic(const real* picture, real* out, int from_width, int from_height, int width, int height, int planes,
               int pitch, int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  Step across = step_of(x, from_width, width), down = step_of(y, from_height, height);
  out[z * out_plane + y * out_pitch + x] =
      store(cubic_sum(picture + z * plane, pitch, from_width, from_height, across.first, down.first,
                      cubic_weights(across.share), cubic_weights(down.share)));
}

// Lanczos with four lobes, in two launches: across into floats, then down. The weight at distance d is
// sin(pi d) sin(pi d / 4) / d^2; |sin(pi d)| is the same for all eight pixels and goes out with their sum.
struct LanczosWeights {
  float of[8];
};
__device__ __forceinline__ LanczosWeights lanczos_weights(float share) {
  if (share == 0.0f) return {{0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 0.0f}};
  // sin of the distances, an eighth of a turn apart
  const float half = 0.707106781f;
  float s = sinf(share * 0.785398163f), c = cosf(share * 0.785398163f);
  LanczosWeights weights = {{half * (s - c), c, -half * (s + c), s, half * (c - s), -c, half * (s + c), -s}};
  float sum = 0.0f;
  for (int tap = 0; tap < 8; tap++) {
    float distance = share + 3 - tap;
    weights.of[tap] /= distance * distance;
    sum += weights.of[tap];
  }
  for (int tap = 0; tap < 8; tap++) weights.of[tap] *= 1.0f / sum;
  return weights;
}

KERNEL(32, 8, 1)
resize_lanczos_across(const real* picture, float* out, int from_width, int width, int height, int planes, int pitch,
                      int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  Step step = step_of(x, from_width, width);
  LanczosWeights weights = lanczos_weights(step.share);
  float sum = 0.0f;
  for (int tap = 0; tap < 8; tap++) {
    int column = clamp_int(step.first - 3 + tap, 0, from_width - 1);
    sum += weights.of[tap] * load(picture[z * plane + y * pitch + column]);
  }
  out[z * out_plane + y * out_pitch + x] = sum;
}

KERNEL(32, 8, 1)
resize_lanczos_down(const float* picture, real* out, int from_height, int width, int height, int planes, int pitch,
                    int plane, int out_pitch, int out_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  Step step = step_of(y, from_height, height);
  LanczosWeights weights = lanczos_weights(step.share);
  float sum = 0.0f;
  for (int tap = 0; tap < 8; tap++) {
    int row = clamp_int(step.first - 3 + tap, 0, from_height - 1);
    sum += weights.of[tap] * picture[z * plane + row * pitch + x];
  }
  out[z * out_plane + y * out_pitch + x] = store(sum);
}
