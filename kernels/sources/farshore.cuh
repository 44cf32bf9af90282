// What every kernel may use. Compiled by NVRTC for GPUs and, behind kernels/host/cuda_host.h, by a C++ compiler for tests.
//
// REAL_IS_HALF chooses what pictures lie in memory as: 1 is IEEE half precision, 0 is float. All arithmetic is in float.

#define KERNEL(x, y, z) extern "C" __global__ void __launch_bounds__((x) * (y) * (z))

#if REAL_IS_HALF

struct real {
  unsigned short bits;
};

#ifdef __CUDACC__
// The conversions are one instruction each; with them here cuda_fp16.h, a package of its own, is not needed.
__device__ __forceinline__ float load(real value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}

__device__ __forceinline__ real store(float value) {
  real narrow;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
  return narrow;
}
#else
__device__ __forceinline__ float load(real value) { return float_of_half(value.bits); }
__device__ __forceinline__ real store(float value) { return {half_of_float(value)}; }
#endif

#else

typedef float real;
__device__ __forceinline__ float load(real value) { return value; }
__device__ __forceinline__ real store(float value) { return value; }

#endif

// Where this thread stands in the domain it was launched over.
__device__ __forceinline__ int thread_x() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int thread_y() { return blockIdx.y * blockDim.y + threadIdx.y; }
__device__ __forceinline__ int thread_z() { return blockIdx.z * blockDim.z + threadIdx.z; }

__device__ __forceinline__ int clamp_int(int value, int low, int high) { return min(max(value, low), high); }
__device__ __forceinline__ float clamp_float(float value, float low, float high) {
  return fminf(fmaxf(value, low), high);
}
__device__ __forceinline__ float mix(float a, float b, float share) { return a + (b - a) * share; }

// The value of a plane at a pixel; beyond the edge the edge is repeated.
__device__ __forceinline__ float pixel(const real* plane, int pitch, int width, int height, int x, int y) {
  return load(plane[clamp_int(y, 0, height - 1) * pitch + clamp_int(x, 0, width - 1)]);
}

// Bilinear; pixel centres lie at whole numbers, beyond the edge the edge is repeated. A coordinate that is not a number
// reads pixel 0.
__device__ __forceinline__ float bilinear(const real* plane, int pitch, int width, int height, float x, float y) {
  x = clamp_float(x, 0.0f, width - 1.0f);
  y = clamp_float(y, 0.0f, height - 1.0f);
  int left = (int)x, top = (int)y;
  float share_x = x - left, share_y = y - top;
  int right = min(left + 1, width - 1), bottom = min(top + 1, height - 1);
  float upper = mix(load(plane[top * pitch + left]), load(plane[top * pitch + right]), share_x);
  float lower = mix(load(plane[bottom * pitch + left]), load(plane[bottom * pitch + right]), share_x);
  return mix(upper, lower, share_y);
}

// The pixels of one axis that make up pixel `place` of a picture resized from `from` to `to`, first and last; they may
// lie one beyond either end, where the edge is to be repeated. Linear between pixel centres, or, with `area`, the mean
// over the pixels that it covers (`to` <= `from`). In whole numbers, so exact: sizes up to 32767.
struct Taps {
  int first, last;
};
__device__ __forceinline__ Taps resize_taps(int place, int from, int to, int area) {
  if (from == to) return {place, place};
  if (area) return {place * from / to, ((place + 1) * from - 1) / to};
  int at = (2 * place + 1) * from - to;  // in parts of a pixel, of which there are 2 to
  int first = at < 0 ? -1 : at / (2 * to);
  return {first, first + 1};
}

// The weight of one of these; all together weigh 1.
__device__ __forceinline__ float tap_weight(int tap, int place, int from, int to, int area) {
  if (from == to) return 1.0f;
  if (area) return (min((place + 1) * from, (tap + 1) * to) - max(place * from, tap * to)) / (float)from;
  int away = (2 * place + 1) * from - to - tap * 2 * to;
  return 1.0f - max(away, -away) / (2.0f * to);
}

// The index that `index` stands for where a picture goes on as its own mirror image beyond the edge: 2 1 0 1 2 ...
__device__ __forceinline__ int reflected(int index, int length) {
  if (index >= 0 && index < length) return index;
  if (length == 1) return 0;
  int period = 2 * (length - 1);
  index = abs(index) % period;
  return min(index, period - index);
}

#if REAL_IS_HALF
// The same as for `real`, of what is float whatever pictures are.
__device__ __forceinline__ float bilinear(const float* plane, int pitch, int width, int height, float x, float y) {
  x = clamp_float(x, 0.0f, width - 1.0f);
  y = clamp_float(y, 0.0f, height - 1.0f);
  int left = (int)x, top = (int)y;
  int right = min(left + 1, width - 1), bottom = min(top + 1, height - 1);
  float upper = mix(plane[top * pitch + left], plane[top * pitch + right], x - left);
  float lower = mix(plane[bottom * pitch + left], plane[bottom * pitch + right], x - left);
  return mix(upper, lower, y - top);
}
#endif

// Weights of the four pixels around a place that lies `share` of a pixel beyond the second: cubic convolution (R. Keys,
// "Cubic convolution interpolation for digital image processing", 1981) with a = -0.75, as OpenCV has it.
struct CubicWeights {
  float of[4];
};
__device__ __forceinline__ CubicWeights cubic_weights(float share) {
  const float a = -0.75f;
  float rest = 1.0f - share, beyond = 1.0f + share;
  float before = ((a * beyond - 5.0f * a) * beyond + 8.0f * a) * beyond - 4.0f * a;
  float here = ((a + 2.0f) * share - (a + 3.0f)) * share * share + 1.0f;
  float next = ((a + 2.0f) * rest - (a + 3.0f)) * rest * rest + 1.0f;
  return {{before, here, next, 1.0f - before - here - next}};
}

// Bicubic around the pixel (left, top), `across` and `down` being the weights of the pixels from one before it on.
__device__ __forceinline__ float cubic_sum(const real* plane, int pitch, int width, int height, int left, int top,
                                           CubicWeights across, CubicWeights down) {
  int columns[4];
  for (int tap = 0; tap < 4; tap++) columns[tap] = clamp_int(left - 1 + tap, 0, width - 1);
  float sum = 0.0f;
  for (int tap = 0; tap < 4; tap++) {
    const real* row = plane + clamp_int(top - 1 + tap, 0, height - 1) * pitch;
    sum += down.of[tap] * (across.of[0] * load(row[columns[0]]) + across.of[1] * load(row[columns[1]]) +
                           across.of[2] * load(row[columns[2]]) + across.of[3] * load(row[columns[3]]));
  }
  return sum;
}

// Bicubic at a place; the rest as for `bilinear`. Overshoots at edges, beyond [0, 1] too.
__device__ __forceinline__ float bicubic(const real* plane, int pitch, int width, int height, float x, float y) {
  x = clamp_float(x, -2.0f, width + 1.0f);  // further out all four pixels are the edge
  y = clamp_float(y, -2.0f, height + 1.0f);
  float left = floorf(x), top = floorf(y);
  return cubic_sum(plane, pitch, width, height, (int)left, (int)top, cubic_weights(x - left), cubic_weights(y - top));
}

// The four pixels of a coarse plane around a pixel of the plane resized from it, and how far it lies towards the right
// and lower ones. Whatever lies on the same coarse grid shares them.
struct Corners {
  int left, right, top, bottom;
  float share_x, share_y;
};
__device__ __forceinline__ Corners corners(int x, int y, int from_width, int from_height, int width, int height) {
  Taps across = resize_taps(x, from_width, width, 0), down = resize_taps(y, from_height, height, 0);
  return {max(across.first, 0), min(across.last, from_width - 1), max(down.first, 0), min(down.last, from_height - 1),
          tap_weight(across.last, x, from_width, width, 0), tap_weight(down.last, y, from_height, height, 0)};
}
__device__ __forceinline__ float enlarged(const float* plane, int pitch, Corners at) {
  float upper = mix(plane[at.top * pitch + at.left], plane[at.top * pitch + at.right], at.share_x);
  float lower = mix(plane[at.bottom * pitch + at.left], plane[at.bottom * pitch + at.right], at.share_x);
  return mix(upper, lower, at.share_y);
}
