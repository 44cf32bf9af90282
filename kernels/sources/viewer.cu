#include "farshore.cuh"

// What is drawn for whoever watches: the film beside its restoration, words, and frame numbers.

// Two pictures in one: the film, of the restored picture's size, in the first columns, then a line, then the restored
// picture, which stands `picture_from` columns to the right in `out`: 0 for a wipe, the film's width side by side. A
// plane per z. Steps between rows and planes of the film may be 0: one plane for all (a grey film), one row for all
// (its chroma). What is no number in the film becomes 0.
KERNEL(32, 8, 1)
compare(const real* film, const real* picture, real* out, int width, int height, int planes, int film_columns,
        int line_columns, int picture_from, float line, int film_pitch, int film_plane, int picture_pitch,
        int picture_plane, int pitch, int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  real* at = out + z * plane + y * pitch + x;
  if (x < film_columns)
    *at = store(clamp_float(load(film[z * film_plane + y * film_pitch + x]), 0.0f, 1.0f));
  else if (x < film_columns + line_columns)
    *at = store(line);
  else
    *at = picture[z * picture_plane + y * picture_pitch + x - picture_from];
}

// Ink where the letters are, plate where their shade is, both 0 to 1 (ink = plate: no plate), over what was there.
__device__ __forceinline__ real drawn(real below, float letters, float shade, float ink, float plate, float opacity) {
  float share = shade * opacity;
  return store(load(below) * (1.0f - share) + share * mix(plate, ink, letters));
}

// A drawing over a picture, in place, launched over the drawing's pixels: at (left, top) of the picture, and what lies
// outside it is left out. `step` 2 takes every other of the drawing's pixels, for planes at half size.
KERNEL(32, 8, 1)
draw_label(const float* letters, const float* shade, real* picture, int width, int height, int planes, int left,
           int top, int step, int columns, int rows, int mask_pitch, float ink, float plate, float opacity, int pitch,
           int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x * step >= columns || y * step >= rows || z >= planes) return;
  int to_x = left + x, to_y = top + y;
  if (to_x < 0 || to_y < 0 || to_x >= width || to_y >= height) return;
  int from = y * step * mask_pitch + x * step;
  real* at = picture + z * plane + to_y * pitch + to_x;
  *at = drawn(*at, letters[from], shade[from], ink, plate, opacity);
}

// A number of `cells` decimal digits with leading zeros (of a longer one the last digits) over a picture, as
// `draw_label`. `letters` and `shade` hold the digits 0 to 9 from left to right, each `glyph_columns` wide. The number
// is an argument: nothing is drawn or copied by the host.
KERNEL(32, 8, 1)
draw_counter(const float* letters, const float* shade, real* picture, int width, int height, int planes, int left,
             int top, int step, unsigned number, int cells, int glyph_columns, int rows, int mask_pitch, float ink,
             float plate, float opacity, int pitch, int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x * step >= cells * glyph_columns || y * step >= rows || z >= planes) return;
  int to_x = left + x, to_y = top + y;
  if (to_x < 0 || to_y < 0 || to_x >= width || to_y >= height) return;
  int cell = x * step / glyph_columns;
  for (int place = cell; place < cells - 1; place++) number /= 10;
  int from = y * step * mask_pitch + number % 10 * glyph_columns + x * step % glyph_columns;
  real* at = picture + z * plane + to_y * pitch + to_x;
  *at = drawn(*at, letters[from], shade[from], ink, plate, opacity);
}
