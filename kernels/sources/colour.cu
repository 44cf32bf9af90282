#include "farshore.cuh"

// Between R'G'B' of sRGB (IEC 61966-2-1) and CIE L*a*b* (CIE 15), white D65. In memory L* / 100 and (ab + 128) / 255.

struct Colour {
  float of[3];
};

__device__ __forceinline__ float to_linear(float encoded) {
  return encoded <= 0.04045f ? encoded / 12.92f : powf((encoded + 0.055f) / 1.055f, 2.4f);
}
__device__ __forceinline__ float to_encoded(float linear) {
  return linear <= 0.0031308f ? 12.92f * linear : 1.055f * powf(linear, 1.0f / 2.4f) - 0.055f;
}

const float WHITE_X = 0.950456f, WHITE_Z = 1.088754f;
const float DARKEST = 216.0f / 24389.0f, SLOPE = 24389.0f / 27.0f;  // below, L* is linear

__device__ __forceinline__ float root(float share_of_white) {
  return share_of_white > DARKEST ? cbrtf(share_of_white) : (SLOPE * share_of_white + 16.0f) / 116.0f;
}
__device__ __forceinline__ float unroot(float value) {
  return value > 6.0f / 29.0f ? value * value * value : (116.0f * value - 16.0f) / SLOPE;
}

// R'G'B' is clipped to [0, 1]; what is not a number is 0.
__device__ __forceinline__ Colour lab_of(Colour encoded) {
  float red = to_linear(clamp_float(encoded.of[0], 0.0f, 1.0f));
  float green = to_linear(clamp_float(encoded.of[1], 0.0f, 1.0f));
  float blue = to_linear(clamp_float(encoded.of[2], 0.0f, 1.0f));
  float x = root((0.412453f * red + 0.357580f * green + 0.180423f * blue) / WHITE_X);
  float y = root(0.212671f * red + 0.715160f * green + 0.072169f * blue);
  float z = root((0.019334f * red + 0.119193f * green + 0.950227f * blue) / WHITE_Z);
  return {{1.16f * y - 0.16f, (500.0f * (x - y) + 128.0f) / 255.0f, (200.0f * (y - z) + 128.0f) / 255.0f}};
}

// Colours outside sRGB are clipped, each of R', G' and B' for itself.
__device__ __forceinline__ Colour rgb_of(Colour lab) {
  float middle = (lab.of[0] + 0.16f) / 1.16f;
  float x = unroot(middle + (lab.of[1] * 255.0f - 128.0f) / 500.0f) * WHITE_X, y = unroot(middle);
  float z = unroot(middle - (lab.of[2] * 255.0f - 128.0f) / 200.0f) * WHITE_Z;
  float red = 3.240479f * x - 1.537150f * y - 0.498535f * z;
  float green = -0.969256f * x + 1.875991f * y + 0.041556f * z;
  float blue = 0.055648f * x - 0.204043f * y + 1.057311f * z;
  return {{to_encoded(clamp_float(red, 0.0f, 1.0f)), to_encoded(clamp_float(green, 0.0f, 1.0f)),
           to_encoded(clamp_float(blue, 0.0f, 1.0f))}};
}

// Three planes to three planes; `lab` may be `rgb`.
KERNEL(32, 8, 1)
rgb_to_lab(const real* rgb, real* lab, int width, int height, int pitch, int plane, int lab_pitch, int lab_plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  const real* from = rgb + y * pitch + x;
  Colour made = lab_of({{load(from[0]), load(from[plane]), load(from[2 * plane])}});
  for (int z = 0; z < 3; z++) lab[z * lab_plane + y * lab_pitch + x] = store(made.of[z]);
}

KERNEL(32, 8, 1)
lab_to_rgb(const real* lab, real* rgb, int width, int height, int lab_pitch, int lab_plane, int pitch, int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  const real* from = lab + y * lab_pitch + x;
  Colour made = rgb_of({{load(from[0]), load(from[lab_plane]), load(from[2 * lab_plane])}});
  for (int z = 0; z < 3; z++) rgb[z * plane + y * pitch + x] = store(made.of[z]);
}

// The planes of a LAB frame: Y' at full size, ab of the mean of 2 x 2 pixels at half size (rounded up; the last row or
// column is averaged with itself where it stands alone). A thread per pixel of the half size.
KERNEL(32, 8, 1)
rgb_to_luma_ab(const real* rgb, real* luma, real* ab, int width, int height, int pitch, int plane, int luma_pitch,
               int ab_pitch, int ab_plane, float kr, float kb) {
  int x = thread_x(), y = thread_y();
  if (2 * x >= width || 2 * y >= height) return;
  Colour sum = {{0.0f, 0.0f, 0.0f}};
  for (int part = 0; part < 4; part++) {
    int column = min(2 * x + part % 2, width - 1), row = min(2 * y + part / 2, height - 1);
    const real* from = rgb + row * pitch + column;
    float red = load(from[0]), green = load(from[plane]), blue = load(from[2 * plane]);
    luma[row * luma_pitch + column] = store(kr * red + (1.0f - kr - kb) * green + kb * blue);
    sum.of[0] += red;
    sum.of[1] += green;
    sum.of[2] += blue;
  }
  Colour made = lab_of({{sum.of[0] / 4.0f, sum.of[1] / 4.0f, sum.of[2] / 4.0f}});
  ab[y * ab_pitch + x] = store(made.of[1]);
  ab[ab_plane + y * ab_pitch + x] = store(made.of[2]);
}

// L* / 100 of the grey whose R', G' and B' all are Y'; Y' is clipped to [0, 1]. `lightness` may be `luma`.
KERNEL(32, 8, 1)
luma_to_lightness(const real* luma, real* lightness, int width, int height, int pitch, int lightness_pitch) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float linear = to_linear(clamp_float(load(luma[y * pitch + x]), 0.0f, 1.0f));
  lightness[y * lightness_pitch + x] = store(1.16f * root(linear) - 0.16f);
}
