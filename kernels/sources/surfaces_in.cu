#include "farshore.cuh"

// From a decoder's surfaces to planes of the chain or of a model: codes to numbers, chroma to the size of the luma,
// matrix, resize, padding to a model's multiple, one multiply-add per plane; one launch over the padded picture.
//
// Where a component lies is data: its first sample's place in the surface (`..._at`), bytes from sample to sample
// (`..._step`) and from row to row (`..._pitch_bytes`). NV12 and P010, planar Y'CbCr of any depth and subsampling, YUYV
// and UYVY are the same kernel; packed and planar R'G'B' and grey (three times the same component) are the other.
// Samples take one byte, or two at an even place, the lower first. Number = (code - black) x gain, so bits kept in the
// upper part of a sample (P010) are a larger black and a smaller gain. Luma and R'G'B' are clipped to [0, 1], so are
// R'G'B' made of Y'CbCr.
//
// `planes` is 3 for R'G'B' or 1 for luma. Padding (`padded_width`, `padded_height`) may be none; it repeats the edge,
// or with `reflect` mirrors the picture at its last pixel. Resizing is as in `resize_taps`, of what was converted:
// R'G'B' that were clipped.

__device__ __forceinline__ float code(const unsigned char* surface, int at, int sample_bytes) {
  return sample_bytes == 1 ? (float)surface[at] : (float)*(const unsigned short*)(surface + at);
}

// The pixel of the picture that is shown at `place`, which may lie in the padding.
__device__ __forceinline__ int shown(int place, int size, int reflect) {
  return reflect ? reflected(place, size) : min(place, size - 1);
}

// What a subsampled axis is read at: linear between two samples, at the place of a luma sample. Chroma sample i stands
// at luma sample f i + siting (f - 1), f the subsampling (ITU-T H.273, chroma sample location).
struct Between {
  int low, high;
  float share;
};
__device__ __forceinline__ Between between(int place, int shift, float siting, int size) {
  int factor = 1 << shift, samples = (size + factor - 1) >> shift;
  float at = clamp_float((place - siting * (factor - 1)) / factor, 0.0f, samples - 1.0f);
  int low = (int)at;
  return {low, min(low + 1, samples - 1), at - low};
}

__device__ __forceinline__ float chroma(const unsigned char* surface, int at, int sample_bytes, int step,
                                        int pitch_bytes, Between across, Between down, float neutral, float gain) {
  int upper = at + down.low * pitch_bytes, lower = at + down.high * pitch_bytes;
  int left = across.low * step, right = across.high * step;
  float before = mix((code(surface, upper + left, sample_bytes) - neutral) * gain,
                     (code(surface, lower + left, sample_bytes) - neutral) * gain, down.share);
  float after = mix((code(surface, upper + right, sample_bytes) - neutral) * gain,
                    (code(surface, lower + right, sample_bytes) - neutral) * gain, down.share);
  return mix(before, after, across.share);
}

// R'G'B' (planes 3) or luma (planes 1) of Y'CbCr; luma alone needs no chroma in the surface.
KERNEL(32, 8, 1)
read_ycbcr(const unsigned char* surface, real* out, int width, int height, int sample_bytes, int luma_at, int luma_step,
           int luma_pitch_bytes, int cb_at, int cr_at, int chroma_step, int chroma_pitch_bytes, int shift_x,
           int shift_y, float siting_x, float siting_y, float black, float luma_gain, float neutral,
           float chroma_gain, float cr_to_red, float cb_to_green, float cr_to_green, float cb_to_blue, int area,
           int out_width, int out_height, int padded_width, int padded_height, int reflect, int planes, int pitch,
           int plane, float gain_0, float gain_1, float gain_2, float bias_0, float bias_1, float bias_2) {
  int x = thread_x(), y = thread_y();
  if (x >= padded_width || y >= padded_height) return;
  int to_x = shown(x, out_width, reflect), to_y = shown(y, out_height, reflect);
  Taps across = resize_taps(to_x, width, out_width, area), down = resize_taps(to_y, height, out_height, area);
  float first = 0.0f, second = 0.0f, third = 0.0f;
#pragma unroll 1
  for (int v = down.first; v <= down.last; v++) {
    int row = clamp_int(v, 0, height - 1);
    Between chroma_row = between(row, shift_y, siting_y, height);
    float row_weight = tap_weight(v, to_y, height, out_height, area);
#pragma unroll 1
    for (int u = across.first; u <= across.last; u++) {
      int column = clamp_int(u, 0, width - 1);
      float weight = row_weight * tap_weight(u, to_x, width, out_width, area);
      float coded = code(surface, luma_at + row * luma_pitch_bytes + column * luma_step, sample_bytes);
      float luma = clamp_float((coded - black) * luma_gain, 0.0f, 1.0f);
      if (planes == 1) {
        first += weight * luma;
        continue;
      }
      Between chroma_column = between(column, shift_x, siting_x, width);
      float cb = chroma(surface, cb_at, sample_bytes, chroma_step, chroma_pitch_bytes, chroma_column, chroma_row,
                        neutral, chroma_gain);
      float cr = chroma(surface, cr_at, sample_bytes, chroma_step, chroma_pitch_bytes, chroma_column, chroma_row,
                        neutral, chroma_gain);
      first += weight * clamp_float(luma + cr_to_red * cr, 0.0f, 1.0f);
      second += weight * clamp_float(luma + cb_to_green * cb + cr_to_green * cr, 0.0f, 1.0f);
      third += weight * clamp_float(luma + cb_to_blue * cb, 0.0f, 1.0f);
    }
  }
  real* at = out + y * pitch + x;
  at[0] = store(first * gain_0 + bias_0);
  if (planes == 1) return;
  at[plane] = store(second * gain_1 + bias_1);
  at[2 * plane] = store(third * gain_2 + bias_2);
}

// R'G'B' (planes 3), or luma by the weights given (planes 1), of R'G'B' or grey.
KERNEL(32, 8, 1)
read_rgb(const unsigned char* surface, real* out, int width, int height, int sample_bytes, int red_at, int green_at,
         int blue_at, int step, int pitch_bytes, float black, float code_gain, float red_weight, float green_weight,
         float blue_weight, int area, int out_width, int out_height, int padded_width, int padded_height, int reflect,
         int planes, int pitch, int plane, float gain_0, float gain_1, float gain_2, float bias_0, float bias_1,
         float bias_2) {
  int x = thread_x(), y = thread_y();
  if (x >= padded_width || y >= padded_height) return;
  int to_x = shown(x, out_width, reflect), to_y = shown(y, out_height, reflect);
  Taps across = resize_taps(to_x, width, out_width, area), down = resize_taps(to_y, height, out_height, area);
  float red = 0.0f, green = 0.0f, blue = 0.0f;
#pragma unroll 1
  for (int v = down.first; v <= down.last; v++) {
    int row = clamp_int(v, 0, height - 1) * pitch_bytes;
    float row_weight = tap_weight(v, to_y, height, out_height, area);
#pragma unroll 1
    for (int u = across.first; u <= across.last; u++) {
      int from = row + clamp_int(u, 0, width - 1) * step;
      float weight = row_weight * tap_weight(u, to_x, width, out_width, area);
      red += weight * clamp_float((code(surface, red_at + from, sample_bytes) - black) * code_gain, 0.0f, 1.0f);
      green += weight * clamp_float((code(surface, green_at + from, sample_bytes) - black) * code_gain, 0.0f, 1.0f);
      blue += weight * clamp_float((code(surface, blue_at + from, sample_bytes) - black) * code_gain, 0.0f, 1.0f);
    }
  }
  real* at = out + y * pitch + x;
  if (planes == 1) {
    at[0] = store((red * red_weight + green * green_weight + blue * blue_weight) * gain_0 + bias_0);
    return;
  }
  at[0] = store(red * gain_0 + bias_0);
  at[plane] = store(green * gain_1 + bias_1);
  at[2 * plane] = store(blue * gain_2 + bias_2);
}
