#include "farshore.cuh"

// From planes of the chain, or a model's output, to an encoder's surfaces: one multiply-add, resize, clip, matrix,
// chroma to its size and siting, numbers to codes, dither; one launch over the chroma samples, or pixels where there
// are none.
//
// Where a component lies is data, as in surfaces_in.cu; `code_shift` moves codes into the upper part of two bytes
// (P010). Code = span x number + zero, rounded to nearest, ties to even, never beyond the codes of the nominal range.
// With `dither` an ordered pattern of less than half a code is added first, so that numbers that are codes exactly stay
// these codes. Planes: 3 for R'G'B', 1 for luma or grey. `picture` may stand in the corner of a larger tensor; number =
// value x gain + bias, clipped to [0, 1]; what is no number becomes 0.
//
// Loops are kept loops (`unroll 1`): the kernels wait for memory, and unrolled they take ten times as long to compile.

struct Source {
  const real* picture;
  int planes, pitch, plane, width, height, out_width, out_height, area;
  float gain, bias;
};
struct Numbers {
  float red, green, blue;
};

// A pixel of the resized picture; luma three times where that is all there is.
__device__ __forceinline__ Numbers numbers(const Source& from, int x, int y) {
  Taps across = resize_taps(x, from.width, from.out_width, from.area);
  Taps down = resize_taps(y, from.height, from.out_height, from.area);
  float sum[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll 1
  for (int v = down.first; v <= down.last; v++) {
    float row_weight = tap_weight(v, y, from.height, from.out_height, from.area);
#pragma unroll 1
    for (int u = across.first; u <= across.last; u++) {
      float weight = row_weight * tap_weight(u, x, from.width, from.out_width, from.area);
      const real* at = from.picture + clamp_int(v, 0, from.height - 1) * from.pitch + clamp_int(u, 0, from.width - 1);
      sum[0] += weight * load(at[0]);
      if (from.planes == 1) continue;
      sum[1] += weight * load(at[from.plane]);
      sum[2] += weight * load(at[2 * from.plane]);
    }
  }
  float first = clamp_float(sum[0] * from.gain + from.bias, 0.0f, 1.0f);
  if (from.planes == 1) return {first, first, first};
  return {first, clamp_float(sum[1] * from.gain + from.bias, 0.0f, 1.0f),
          clamp_float(sum[2] * from.gain + from.bias, 0.0f, 1.0f)};
}

// Bayer's 8 x 8 matrix from the bits of the place, strictly between -1/2 and 1/2; 0 where nothing is to be dithered.
__device__ __forceinline__ float pattern(int x, int y, int dither) {
  if (!dither) return 0.0f;
  int rank = 0;
  for (int bit = 0; bit < 3; bit++) {
    int column = (x >> bit) & 1, row = (y >> bit) & 1;
    rank = 4 * rank + 2 * (column ^ row) + row;
  }
  return (rank + 0.5f) / 64.0f - 0.5f;
}

// Writes the code of a number, moved by less than half a code, into one component's sample (x, y).
struct Component {
  unsigned char* surface;
  int at, step, pitch_bytes, sample_bytes, code_shift;
  float span, zero, low, high;
};
__device__ __forceinline__ void write(const Component& to, int x, int y, float value, float moved) {
  float wanted = value * to.span + moved + to.zero;
  unsigned code = (unsigned)rintf(clamp_float(wanted, to.low, to.high)) << to.code_shift;
  unsigned char* sample = to.surface + to.at + y * to.pitch_bytes + x * to.step;
  if (to.sample_bytes == 1)
    *sample = (unsigned char)code;
  else
    *(unsigned short*)sample = (unsigned short)code;
}

// The filter that halves an axis: (1 2 1)/4 around a sample beside a luma sample, the mean of two in their middle.
__device__ __forceinline__ float shrink_weight(int tap, int shift, float siting) {
  if (!shift) return tap ? 0.0f : 1.0f;
  if (siting == 0.5f) return tap < 0 ? 0.0f : 0.5f;
  return tap ? 0.25f : 0.5f;
}

// The luma sample that this filter is centred on.
__device__ __forceinline__ int shrink_centre(int sample, int shift, float siting, int size) {
  return min((sample << shift) + (shift && siting > 0.5f ? 1 : 0), size - 1);
}

// Y'CbCr of R'G'B' (planes 3), or of luma (planes 1), whose chroma is neutral; `components` 1 writes luma alone.
KERNEL(32, 8, 1)
write_ycbcr(const real* picture, unsigned char* surface, int planes, int width, int height, int pitch, int plane,
            float gain, float bias, int area, int out_width, int out_height, int components, int sample_bytes,
            int code_shift, int dither, int luma_at, int luma_step, int luma_pitch_bytes, int cb_at, int cr_at,
            int chroma_step, int chroma_pitch_bytes, int shift_x, int shift_y, float siting_x, float siting_y,
            float kr, float kb, float luma_span, float black, float chroma_span, float neutral, float chroma_low,
            float chroma_high) {
  int x = thread_x(), y = thread_y(), left = x << shift_x, top = y << shift_y;
  if (left >= out_width || top >= out_height) return;
  Source from = {picture, planes, pitch, plane, width, height, out_width, out_height, area, gain, bias};
  Component luma = {surface,    luma_at,   luma_step, luma_pitch_bytes, sample_bytes,
                    code_shift, luma_span, black,     black,            black + luma_span};
  float kg = 1.0f - kr - kb;
#pragma unroll 1
  for (int v = top; v < min(top + (1 << shift_y), out_height); v++)
#pragma unroll 1
    for (int u = left; u < min(left + (1 << shift_x), out_width); u++) {
      Numbers of = numbers(from, u, v);
      float value = planes == 1 ? of.red : of.red * kr + of.green * kg + of.blue * kb;
      write(luma, u, v, value, pattern(u, v, dither));
    }
  if (components == 1) return;
  float blue_away = 0.0f, red_away = 0.0f;  // B' - Y', R' - Y'
  int column = shrink_centre(x, shift_x, siting_x, out_width), row = shrink_centre(y, shift_y, siting_y, out_height);
#pragma unroll 1
  for (int tap = 0; tap < 9 && planes == 3; tap++) {
    int u = tap % 3 - 1, v = tap / 3 - 1;
    float weight = shrink_weight(u, shift_x, siting_x) * shrink_weight(v, shift_y, siting_y);
    if (weight == 0.0f) continue;
    Numbers of = numbers(from, clamp_int(column + u, 0, out_width - 1), clamp_int(row + v, 0, out_height - 1));
    float grey = of.red * kr + of.green * kg + of.blue * kb;
    blue_away += weight * (of.blue - grey);
    red_away += weight * (of.red - grey);
  }
  Component to = {surface,    cb_at,       chroma_step, chroma_pitch_bytes, sample_bytes,
                  code_shift, chroma_span, neutral,     chroma_low,         chroma_high};
  float moved = pattern(x, y, dither);
  write(to, x, y, blue_away / (2.0f - 2.0f * kb), moved);
  to.at = cr_at;
  write(to, x, y, red_away / (2.0f - 2.0f * kr), moved);
}

// R'G'B', full range, of R'G'B' (planes 3) or luma (planes 1); alpha is opaque, below 0 there is none.
KERNEL(32, 8, 1)
write_rgb(const real* picture, unsigned char* surface, int planes, int width, int height, int pitch, int plane,
          float gain, float bias, int area, int out_width, int out_height, int sample_bytes, int code_shift,
          int dither, int red_at, int green_at, int blue_at, int alpha_at, int step, int pitch_bytes, float peak) {
  int x = thread_x(), y = thread_y();
  if (x >= out_width || y >= out_height) return;
  Source from = {picture, planes, pitch, plane, width, height, out_width, out_height, area, gain, bias};
  Numbers of = numbers(from, x, y);
  Component to = {surface, red_at, step, pitch_bytes, sample_bytes, code_shift, peak, 0.0f, 0.0f, peak};
  float moved = pattern(x, y, dither);
  write(to, x, y, of.red, moved);
  to.at = green_at;
  write(to, x, y, of.green, moved);
  to.at = blue_at;
  write(to, x, y, of.blue, moved);
  if (alpha_at < 0) return;
  to.at = alpha_at;
  write(to, x, y, 1.0f, 0.0f);
}

// A LAB frame: luma (height, width), and a and b at half size, rounded up.
struct Lab {
  const real* luma;
  const real* chroma;
  int width, height, luma_pitch, chroma_pitch, chroma_plane;
  float kr, kb;
};
struct Chroma {
  float cb, cr;
};

__device__ __forceinline__ float from_lab(float value) {
  return value <= 0.20689303f ? (value - 16.0f / 116.0f) / 7.787f : value * value * value;
}
__device__ __forceinline__ float encoded(float linear) {
  linear = clamp_float(linear, 0.0f, 1.0f);
  return linear <= 0.0031308f ? 12.92f * linear : 1.055f * powf(linear, 1.0f / 2.4f) - 0.055f;
}

// Cb and Cr of one half-size pixel: L* of the mean of the luma over it, with its a and b, to R'G'B' (CIE 15,
// IEC 61966-2-1).
__device__ __forceinline__ Chroma chroma_of_lab(const Lab& from, int x, int y) {
  float sum = pixel(from.luma, from.luma_pitch, from.width, from.height, 2 * x, 2 * y);
  sum += pixel(from.luma, from.luma_pitch, from.width, from.height, 2 * x + 1, 2 * y);
  sum += pixel(from.luma, from.luma_pitch, from.width, from.height, 2 * x, 2 * y + 1);
  sum += pixel(from.luma, from.luma_pitch, from.width, from.height, 2 * x + 1, 2 * y + 1);
  float luma = clamp_float(0.25f * sum, 0.0f, 1.0f);
  float linear = luma <= 0.04045f ? luma / 12.92f : powf((luma + 0.055f) / 1.055f, 2.4f);
  bool is_dark = linear <= 216.0f / 24389.0f;
  float middle = is_dark ? 7.787f * linear + 16.0f / 116.0f : cbrtf(linear);
  int at = y * from.chroma_pitch + x;
  float big = from_lab(middle + (load(from.chroma[at]) * 255.0f - 128.0f) / 500.0f) * 0.950456f;
  float small = from_lab(middle - (load(from.chroma[from.chroma_plane + at]) * 255.0f - 128.0f) / 200.0f) * 1.088754f;
  float rgb[3] = {3.240479f * big - 1.53715f * linear - 0.498535f * small,
                  -0.969256f * big + 1.875991f * linear + 0.041556f * small,
                  0.055648f * big - 0.204043f * linear + 1.057311f * small};
#pragma unroll 1
  for (int channel = 0; channel < 3; channel++) rgb[channel] = encoded(rgb[channel]);
  float grey = from.kr * rgb[0] + (1.0f - from.kr - from.kb) * rgb[1] + from.kb * rgb[2];
  return {(rgb[2] - grey) / (2.0f - 2.0f * from.kb), (rgb[0] - grey) / (2.0f - 2.0f * from.kr)};
}

// Where an axis of half-size pixels is read for a chroma sample: half-size pixels stand in the middle of two.
__device__ __forceinline__ float half_size_place(int sample, int shift, float siting, int size) {
  float at = shift ? sample + (siting - 0.5f) * 0.5f : (sample - 0.5f) * 0.5f;
  return clamp_float(at, 0.0f, ((size + 1) / 2) - 1.0f);
}

// Cb and Cr between half-size pixels, linear.
__device__ __forceinline__ Chroma chroma_between(const Lab& from, float x, float y) {
  int left = (int)x, top = (int)y;
  float share_x = x - left, share_y = y - top;
  Chroma sum = {0.0f, 0.0f};
#pragma unroll 1
  for (int corner = 0; corner < 4; corner++) {
    int u = corner % 2, v = corner / 2;
    float weight = (u ? share_x : 1.0f - share_x) * (v ? share_y : 1.0f - share_y);
    if (weight == 0.0f) continue;  // also what lies beyond the edge
    Chroma here = chroma_of_lab(from, left + u, top + v);
    sum.cb += weight * here.cb;
    sum.cr += weight * here.cr;
  }
  return sum;
}

// Y'CbCr of a LAB frame, whose luma stays as it is.
KERNEL(32, 8, 1)
write_ycbcr_of_lab(const real* picture, const real* ab, unsigned char* surface, int width, int height, int pitch,
                   int ab_pitch, int ab_plane, int sample_bytes, int code_shift, int dither, int luma_at, int luma_step,
                   int luma_pitch_bytes, int cb_at, int cr_at, int chroma_step, int chroma_pitch_bytes, int shift_x,
                   int shift_y, float siting_x, float siting_y, float kr, float kb, float luma_span, float black,
                   float chroma_span, float neutral, float chroma_low, float chroma_high) {
  int x = thread_x(), y = thread_y(), left = x << shift_x, top = y << shift_y;
  if (left >= width || top >= height) return;
  Component luma = {surface,    luma_at,   luma_step, luma_pitch_bytes, sample_bytes,
                    code_shift, luma_span, black,     black,            black + luma_span};
#pragma unroll 1
  for (int v = top; v < min(top + (1 << shift_y), height); v++)
#pragma unroll 1
    for (int u = left; u < min(left + (1 << shift_x), width); u++)
      write(luma, u, v, clamp_float(load(picture[v * pitch + u]), 0.0f, 1.0f), pattern(u, v, dither));
  Lab from = {picture, ab, width, height, pitch, ab_pitch, ab_plane, kr, kb};
  Chroma value = chroma_between(from, half_size_place(x, shift_x, siting_x, width),
                                half_size_place(y, shift_y, siting_y, height));
  Component to = {surface,    cb_at,       chroma_step, chroma_pitch_bytes, sample_bytes,
                  code_shift, chroma_span, neutral,     chroma_low,         chroma_high};
  float moved = pattern(x, y, dither);
  write(to, x, y, value.cb, moved);
  to.at = cr_at;
  write(to, x, y, value.cr, moved);
}

// R'G'B' of one pixel of a LAB frame, by the film's own matrix; it may lie beyond 0 and 1.
__device__ __forceinline__ Numbers rgb_numbers_of_lab(const Lab& from, int x, int y) {
  Chroma value = chroma_between(from, half_size_place(x, 0, 0.0f, from.width), half_size_place(y, 0, 0.0f, from.height));
  float luma = clamp_float(load(from.luma[y * from.luma_pitch + x]), 0.0f, 1.0f), kg = 1.0f - from.kr - from.kb;
  float to_red = 2.0f - 2.0f * from.kr, to_blue = 2.0f - 2.0f * from.kb;
  return {luma + to_red * value.cr, luma - to_blue * from.kb / kg * value.cb - to_red * from.kr / kg * value.cr,
          luma + to_blue * value.cb};
}

// Its codes, full range; alpha is opaque, below 0 there is none.
KERNEL(32, 8, 1)
write_rgb_of_lab(const real* picture, const real* ab, unsigned char* surface, int width, int height, int pitch,
                 int ab_pitch, int ab_plane, int sample_bytes, int code_shift, int dither, int red_at, int green_at,
                 int blue_at, int alpha_at, int step, int pitch_bytes, float peak, float kr, float kb) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Lab from = {picture, ab, width, height, pitch, ab_pitch, ab_plane, kr, kb};
  Numbers of = rgb_numbers_of_lab(from, x, y);
  Component to = {surface, red_at, step, pitch_bytes, sample_bytes, code_shift, peak, 0.0f, 0.0f, peak};
  float moved = pattern(x, y, dither);
  write(to, x, y, of.red, moved);
  to.at = green_at;
  write(to, x, y, of.green, moved);
  to.at = blue_at;
  write(to, x, y, of.blue, moved);
  if (alpha_at < 0) return;
  to.at = alpha_at;
  write(to, x, y, 1.0f, 0.0f);
}

// The same pixels as planes, clipped to [0, 1], for whoever takes pictures and no codes.
KERNEL(32, 8, 1)
rgb_of_lab(const real* picture, const real* ab, real* rgb, int width, int height, int pitch, int ab_pitch, int ab_plane,
           int rgb_pitch, int rgb_plane, float kr, float kb) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Lab from = {picture, ab, width, height, pitch, ab_pitch, ab_plane, kr, kb};
  Numbers of = rgb_numbers_of_lab(from, x, y);
  real* to = rgb + y * rgb_pitch + x;
  to[0] = store(clamp_float(of.red, 0.0f, 1.0f));
  to[rgb_plane] = store(clamp_float(of.green, 0.0f, 1.0f));
  to[2 * rgb_plane] = store(clamp_float(of.blue, 0.0f, 1.0f));
}
