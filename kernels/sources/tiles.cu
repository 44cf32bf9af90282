#include "farshore.cuh"

// Cut pictures into tiles and put these together again; engine/stages/tile_plan.py decides where.

// A tile whose corner lies at (left, top) of the picture; what lies beyond the picture is its edge repeated.
KERNEL(32, 8, 1)
tile_cut(const real* picture, real* tile, int width, int height, int pitch, int plane, int left, int top, int tile_width,
         int tile_height, int planes, int tile_pitch, int tile_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= tile_width || y >= tile_height || z >= planes) return;
  tile[z * tile_plane + y * tile_pitch + x] = store(pixel(picture + z * plane, pitch, width, height, left + x, top + y));
}

// Put what a tile answers for, width x height pixels from (tile_left, tile_top) on, to (left, top) of the picture. For
// tiles that see as far as the network looks.
KERNEL(32, 8, 1)
tile_put(const real* tile, real* picture, int width, int height, int planes, int tile_left, int tile_top, int tile_pitch,
         int tile_plane, int left, int top, int pitch, int plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  picture[z * plane + (top + y) * pitch + left + x] = tile[z * tile_plane + (tile_top + y) * tile_pitch + tile_left + x];
}

// How far a tile that answers for pixels from `edge` on has risen over the one before: from 0 to 1 over `halo` pixels of
// the picture, half of them to either side; the picture has `whole` pixels, the tensor `length`. The same whole numbers
// for both tiles, so that rising and falling weigh 1 together.
__device__ __forceinline__ float risen(int place, int edge, int halo, int length, int whole) {
  int away = (2 * place + 1) * whole - 2 * edge * length;
  return clamp_float(away / (2.0f * length * fmaxf(halo, 1e-6f)) + 0.5f, 0.0f, 1.0f);
}

__device__ __forceinline__ float ramp(int place, int first, int last, int halo, int length, int whole) {
  float rising = first == 0 ? 1.0f : risen(place, first, halo, length, whole);
  float falling = last == whole ? 0.0f : risen(place, last, halo, length, whole);
  return rising - falling;
}

// Add a tile to `sum`, zeros before the first, by weights that are 1 in sum over all tiles: each fades into its
// neighbours. The tile lies at (left, top) of the sum, which is sum_width x sum_height for a picture of whole_width x
// whole_height; it answers for the picture's first_x..last_x, first_y..last_y, the ends not included.
KERNEL(32, 8, 1)
tile_fade(const real* tile, float* sum, int width, int height, int planes, int tile_pitch, int tile_plane, int left,
          int top, int sum_width, int sum_height, int pitch, int plane, int whole_width, int whole_height, int first_x,
          int last_x, int first_y, int last_y, int halo) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float weight = ramp(top + y, first_y, last_y, halo, sum_height, whole_height) *
                 ramp(left + x, first_x, last_x, halo, sum_width, whole_width);
  sum[z * plane + (top + y) * pitch + left + x] += load(tile[z * tile_plane + y * tile_pitch + x]) * weight;
}
