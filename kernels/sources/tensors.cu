#include "farshore.cuh"

// Between pictures and models' tensors. A tensor is at least as large as its picture, which lies in its top left corner and
// is reflected into the rest (pixel -1 is pixel 1). `gain` and `offset` bring [0, 1] to the model's numbers.

// Planes into planes, picture plane `first` + z `step` into tensor plane z, or the nearest that there is: 0, 1 leaves the
// order as it is and puts a grey picture into every plane, 2, -1 turns R G B into B G R.
KERNEL(32, 8, 1)
tensor_fill(const real* picture, real* tensor, int width, int height, int planes, int pitch, int plane, int tensor_width,
            int tensor_height, int tensor_planes, int tensor_pitch, int tensor_plane, int first, int step, float gain,
            float offset) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= tensor_width || y >= tensor_height || z >= tensor_planes) return;
  const real* from = picture + clamp_int(first + z * step, 0, planes - 1) * plane;
  float value = load(from[reflected(y, height) * pitch + reflected(x, width)]);
  tensor[z * tensor_plane + y * tensor_pitch + x] = store(value * gain + offset);
}

__device__ __forceinline__ float luma_at(const real* rgb, int plane, int place, float kr, float kb) {
  return kr * load(rgb[place]) + (1.0f - kr - kb) * load(rgb[plane + place]) + kb * load(rgb[2 * plane + place]);
}

// Y' = kr R' + kg G' + kb B' into one plane.
KERNEL(32, 8, 1)
tensor_fill_luma(const real* rgb, real* tensor, int width, int height, int pitch, int plane, int tensor_width,
                 int tensor_height, int tensor_pitch, float kr, float kb, float gain, float offset) {
  int x = thread_x(), y = thread_y();
  if (x >= tensor_width || y >= tensor_height) return;
  int place = reflected(y, height) * pitch + reflected(x, width);
  tensor[y * tensor_pitch + x] = store(luma_at(rgb, plane, place, kr, kb) * gain + offset);
}

// Cb and Cr, neutral at 0.5, of the mean R'G'B' over the area that a pixel of the half size (rounded up) covers.
struct Chroma {
  float blue, red;
};
__device__ __forceinline__ Chroma half_chroma(const real* rgb, int width, int height, int pitch, int plane, int x, int y,
                                              float kr, float kb) {
  int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
  Taps across = resize_taps(x, width, half_width, 1), down = resize_taps(y, height, half_height, 1);
  float red = 0.0f, blue = 0.0f, luma = 0.0f;
#pragma unroll 1  // two or three each way
  for (int row = down.first; row <= down.last; row++) {
    float high = tap_weight(row, y, height, half_height, 1);
#pragma unroll 1
    for (int column = across.first; column <= across.last; column++) {
      float weight = high * tap_weight(column, x, width, half_width, 1);
      int place = row * pitch + column;
      red += weight * load(rgb[place]);
      blue += weight * load(rgb[2 * plane + place]);
      luma += weight * luma_at(rgb, plane, place, kr, kb);
    }
  }
  return {(blue - luma) / (2.0f - 2.0f * kb) + 0.5f, (red - luma) / (2.0f - 2.0f * kr) + 0.5f};
}

KERNEL(32, 8, 1)
tensor_fill_chroma(const real* rgb, real* tensor, int width, int height, int pitch, int plane, int tensor_width,
                   int tensor_height, int tensor_pitch, int tensor_plane, float kr, float kb, float gain, float offset) {
  int x = thread_x(), y = thread_y();
  if (x >= tensor_width || y >= tensor_height) return;
  Chroma made = half_chroma(rgb, width, height, pitch, plane, reflected(x, (width + 1) / 2),
                            reflected(y, (height + 1) / 2), kr, kb);
  tensor[y * tensor_pitch + x] = store(made.blue * gain + offset);
  tensor[tensor_plane + y * tensor_pitch + x] = store(made.red * gain + offset);
}

// A model's picture, tensor x `gain` + `offset`, mixed with the film's by `blend` and clipped to [0, 1]. Here and below
// `film` has the size of what is made, and `out` may be `film`.
KERNEL(32, 8, 1)
tensor_take(const real* tensor, const real* film, real* out, int width, int height, int planes, int tensor_pitch,
            int tensor_plane, int pitch, int plane, float gain, float offset, float blend) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float made = load(tensor[z * tensor_plane + y * tensor_pitch + x]) * gain + offset;
  int place = z * plane + y * pitch + x;
  out[place] = store(clamp_float(mix(load(film[place]), made, blend), 0.0f, 1.0f));
}

// The same where the model's picture is R'G'B' and the film grey: the luma of what was made.
KERNEL(32, 8, 1)
tensor_take_luma(const real* tensor, const real* film, real* out, int width, int height, int tensor_pitch,
                 int tensor_plane, int pitch, float kr, float kb, float gain, float offset, float blend) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float made = luma_at(tensor, tensor_plane, y * tensor_pitch + x, kr, kb) * gain + offset;
  int place = y * pitch + x;
  out[place] = store(clamp_float(mix(load(film[place]), made, blend), 0.0f, 1.0f));
}

// By how much a model changed chroma, times `blend`: two float planes of half the film's size. `rgb` is the film.
KERNEL(32, 8, 1)
chroma_change(const real* tensor, const real* rgb, float* change, int width, int height, int tensor_pitch,
              int tensor_plane, int pitch, int plane, int change_pitch, int change_plane, float kr, float kb, float gain,
              float offset, float blend) {
  int x = thread_x(), y = thread_y();
  if (2 * x >= width || 2 * y >= height) return;
  Chroma film = half_chroma(rgb, width, height, pitch, plane, x, y, kr, kb);
  const real* made = tensor + y * tensor_pitch + x;
  change[y * change_pitch + x] = blend * (load(made[0]) * gain + offset - film.blue);
  change[change_plane + y * change_pitch + x] = blend * (load(made[tensor_plane]) * gain + offset - film.red);
}

// A coloured film restored by a model of luma: by how much the model changed Y' is added to R', G' and B'.
KERNEL(32, 8, 1)
tensor_add_luma(const real* tensor, const real* film, real* out, int width, int height, int tensor_pitch, int pitch,
                int plane, float kr, float kb, float gain, float offset, float blend) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int place = y * pitch + x;
  float change = blend * (load(tensor[y * tensor_pitch + x]) * gain + offset - luma_at(film, plane, place, kr, kb));
  for (int z = 0; z < 3; z++) {
    out[z * plane + place] = store(clamp_float(load(film[z * plane + place]) + change, 0.0f, 1.0f));
  }
}

// The same with chroma: `chroma` is what `chroma_change` made, which is enlarged to full size here.
KERNEL(32, 8, 1)
tensor_add_ycbcr(const real* tensor, const float* chroma, const real* film, real* out, int width, int height,
                 int tensor_pitch, int chroma_pitch, int chroma_plane, int pitch, int plane, float kr, float kb, float gain,
                 float offset, float blend) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int place = y * pitch + x;
  float luma = blend * (load(tensor[y * tensor_pitch + x]) * gain + offset - luma_at(film, plane, place, kr, kb));
  Corners at = corners(x, y, (width + 1) / 2, (height + 1) / 2, width, height);
  float blue = enlarged(chroma, chroma_pitch, at) * (2.0f - 2.0f * kb);
  float red = enlarged(chroma + chroma_plane, chroma_pitch, at) * (2.0f - 2.0f * kr);
  float changes[3] = {luma + red, luma - (kr * red + kb * blue) / (1.0f - kr - kb), luma + blue};
  for (int z = 0; z < 3; z++) {
    out[z * plane + place] = store(clamp_float(load(film[z * plane + place]) + changes[z], 0.0f, 1.0f));
  }
}

// A tensor between `low` and `high`: what a model made, as the past of the pictures to come.
KERNEL(32, 8, 1)
tensor_clip(const real* in, real* out, int width, int height, int planes, int pitch, int plane, float low, float high) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  int place = z * plane + y * pitch + x;
  out[place] = store(clamp_float(load(in[place]), low, high));
}

// Between what pictures lie in memory as and float, for models whose tensors are the other; `count` elements in a row.
KERNEL(256, 1, 1)
reals_to_floats(const real* in, float* out, int count) {
  int x = thread_x();
  if (x < count) out[x] = load(in[x]);
}

KERNEL(256, 1, 1)
floats_to_reals(const float* in, real* out, int count) {
  int x = thread_x();
  if (x < count) out[x] = store(in[x]);
}
