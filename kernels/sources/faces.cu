#include "farshore.cuh"

// Bring faces upright into a model and back into the film. Maps are affine, pixel centres at whole numbers, given from
// where is written to where is read: (xx x + xy y + x0, yx x + yy y + y0).

// An aligned face of side x side: each pixel what the picture shows where the map leads, bicubic, edges repeated, clipped
// to [0, 1], then times `gain` plus `offset`. A grey picture goes into every plane. A face that becomes smaller by two or
// more is cut from a picture that `resize_area` reduced before.
KERNEL(32, 8, 1)
face_cut(const real* picture, real* face, int width, int height, int planes, int pitch, int plane, int side,
         int face_planes, int face_pitch, int face_plane, float xx, float xy, float x0, float yx, float yy, float y0,
         float gain, float offset) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= side || y >= side || z >= face_planes) return;
  float value = bicubic(picture + min(z, planes - 1) * plane, pitch, width, height, xx * x + xy * y + x0,
                        yx * x + yy * y + y0);
  face[z * face_plane + y * face_pitch + x] = store(clamp_float(value, 0.0f, 1.0f) * gain + offset);
}

// What a model made of a face, as planes of the film's kind: (value - low) x gain clipped to [0, 1]; its luma where the
// film is grey (planes 1); and the mean of factor x factor pixels, so that detail finer than the film's pixels does not
// shimmer. `side` is that of the result.
KERNEL(32, 8, 1)
face_take(const real* made, real* face, int side, int factor, int planes, int made_pitch, int made_plane, int pitch,
          int plane, float low, float gain, float kr, float kb) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= side || y >= side || z >= planes) return;
  float weights[3] = {kr, 1.0f - kr - kb, kb};
  float sum = 0.0f;
  for (int row = y * factor; row < (y + 1) * factor; row++) {
    for (int column = x * factor; column < (x + 1) * factor; column++) {
      for (int channel = planes == 1 ? 0 : z; channel <= (planes == 1 ? 2 : z); channel++) {
        float value = (load(made[channel * made_plane + row * made_pitch + column]) - low) * gain;
        sum += clamp_float(value, 0.0f, 1.0f) * (planes == 1 ? weights[channel] : 1.0f);
      }
    }
  }
  face[z * plane + y * pitch + x] = store(sum / (factor * factor));
}

// Put a face into a box of width x height pixels at (left, top) of a picture. `mask`, side x side floats, is how much each
// of its pixels counts; `taken`, as large as the picture, zeros before the first face, how much faces put in before have
// of a pixel: together they never count more than the one that counts most. `film` is the picture without faces.
KERNEL(32, 8, 1)
face_paste(const real* face, const float* mask, const real* film, float* taken, real* out, int width, int height, int left,
           int top, int planes, int pitch, int plane, int taken_pitch, int side, int face_pitch, int face_plane, float xx,
           float xy, float x0, float yx, float yy, float y0, float strength) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float from_x = xx * x + xy * y + x0, from_y = yx * x + yy * y + y0;
  int place = (top + y) * taken_pitch + left + x;
  float weight = fmaxf(bilinear(mask, side, side, side, from_x, from_y) - taken[place], 0.0f);
  taken[place] += weight;
  for (int z = 0; z < planes; z++) {
    float value = clamp_float(bicubic(face + z * face_plane, face_pitch, side, side, from_x, from_y), 0.0f, 1.0f);
    int at = z * plane + (top + y) * pitch + left + x;
    out[at] = store(load(out[at]) + (value - load(film[at])) * weight * strength);
  }
}
