#include "farshore.cuh"

// Carry pictures along a flow: out(x, y) = picture(x + flow_x, y + flow_y), bilinear, edges repeated. A plane per z.
// Places are in float whatever the pictures are: a half-precision place is off by 0.2 pixels at column 1900.
KERNEL(32, 8, 1)
warp_bilinear(const real* picture, const float* flow, real* out, int width, int height, int planes, int pitch, int plane,
              int flow_pitch, int flow_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float to_x = x + flow[y * flow_pitch + x], to_y = y + flow[flow_plane + y * flow_pitch + x];
  out[z * plane + y * pitch + x] = store(bilinear(picture + z * plane, pitch, width, height, to_x, to_y));
}

// The same, bicubic. Sharper where a picture is carried more than once; overshoots at edges.
KERNEL(32, 8, 1)
warp_bicubic(const real* picture, const float* flow, real* out, int width, int height, int planes, int pitch, int plane,
             int flow_pitch, int flow_plane) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= planes) return;
  float to_x = x + flow[y * flow_pitch + x], to_y = y + flow[flow_plane + y * flow_pitch + x];
  out[z * plane + y * pitch + x] = store(bicubic(picture + z * plane, pitch, width, height, to_x, to_y));
}

// Where a pixel of a synthesized picture lies in the two pictures that it is made of.
struct Ends {
  float first_x, first_y, second_x, second_y;
};

// Read a flow of four planes (x, y to the first picture, x, y to the second, in full-size pixels) for a pixel of planes
// that are `reduction` times smaller than full size.
__device__ __forceinline__ Ends ends_of(const float* flow, int pitch, int plane, Corners at, int x, int y, int reduction) {
  float scale = 1.0f / reduction;
  return {x + enlarged(flow, pitch, at) * scale, y + enlarged(flow + plane, pitch, at) * scale,
          x + enlarged(flow + 2 * plane, pitch, at) * scale, y + enlarged(flow + 3 * plane, pitch, at) * scale};
}

// A grid of flow has a value for `cell` x `cell` full-size pixels, and may reach beyond the picture.
__device__ __forceinline__ Corners grid_corners(int x, int y, int flow_width, int flow_height, int cell, int reduction) {
  return corners(x, y, flow_width, flow_height, (flow_width * cell + reduction - 1) / reduction,
                 (flow_height * cell + reduction - 1) / reduction);
}

// A picture where the flow leads: at full size bicubic, which keeps it sharp, clipped to [0, 1] because that overshoots;
// half-size chroma bilinear.
__device__ __forceinline__ float carried(const real* picture, int pitch, int width, int height, float x, float y,
                                         int reduction) {
  if (reduction == 1) return bicubic(picture, pitch, width, height, x, y);
  return bilinear(picture, pitch, width, height, x, y);
}
__device__ __forceinline__ float blended(float before, float after, float weight, int reduction) {
  float value = mix(after, before, weight);
  return reduction == 1 ? clamp_float(value, 0.0f, 1.0f) : value;
}

// Make the picture between two: both carried along the flow, the first weighing `mask`, the second the rest. All planes
// of a pixel in one thread, which share its flow. Half-size chroma has reduction 2.
KERNEL(32, 8, 1)
warp_blend(const real* first, const real* second, const float* flow, const float* mask, real* out, int width, int height,
           int planes, int pitch, int plane, int flow_width, int flow_height, int flow_pitch, int flow_plane, int cell,
           int reduction) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Corners at = grid_corners(x, y, flow_width, flow_height, cell, reduction);
  Ends ends = ends_of(flow, flow_pitch, flow_plane, at, x, y, reduction);
  float weight = enlarged(mask, flow_pitch, at);
  for (int z = 0; z < planes; z++) {
    float before = carried(first + z * plane, pitch, width, height, ends.first_x, ends.first_y, reduction);
    float after = carried(second + z * plane, pitch, width, height, ends.second_x, ends.second_y, reduction);
    out[z * plane + y * pitch + x] = store(blended(before, after, weight, reduction));
  }
}

// The same where the flow comes without a mask: by the time at which the picture stands (near 0: like the first), and by
// how far each of its places is to be seen in the first and in the second picture (`seen`, two planes in [0, 1] on the
// flow's grid, see `flow_seen`). What is hidden in one comes from the other; what is hidden in both is cross-faded.
KERNEL(32, 8, 1)
warp_blend_seen(const real* first, const real* second, const float* flow, const float* seen, real* out, int width,
                int height, int planes, int pitch, int plane, int flow_width, int flow_height, int flow_pitch,
                int flow_plane, int cell, int reduction, float timestep) {
  const float least = 1e-3f;  // of a place that is not seen: lets the time decide where both are hidden
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  Corners at = grid_corners(x, y, flow_width, flow_height, cell, reduction);
  Ends ends = ends_of(flow, flow_pitch, flow_plane, at, x, y, reduction);
  float earlier = (1.0f - timestep) * (enlarged(seen, flow_pitch, at) + least);
  float later = timestep * (enlarged(seen + flow_plane, flow_pitch, at) + least);
  float weight = earlier / (earlier + later);
  for (int z = 0; z < planes; z++) {
    float before = carried(first + z * plane, pitch, width, height, ends.first_x, ends.first_y, reduction);
    float after = carried(second + z * plane, pitch, width, height, ends.second_x, ends.second_y, reduction);
    out[z * plane + y * pitch + x] = store(blended(before, after, weight, reduction));
  }
}

// How far each place of a picture is to be seen in another, [0, 1]: 1 where the way there and the way back from there
// meet, 1/e where they miss by two pixels or a third of their lengths, 0 where the way leads out of the picture
// (N. Sundaram, T. Brox and K. Keutzer, "Dense Point Trajectories", ECCV 2010). A way that is not a number: 0.
KERNEL(32, 8, 1)
flow_seen(const float* there, const float* back, float* seen, int width, int height, int pitch, int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  float way_x = there[y * pitch + x], way_y = there[plane + y * pitch + x];
  float to_x = x + way_x, to_y = y + way_y;
  float back_x = bilinear(back, pitch, width, height, to_x, to_y);
  float back_y = bilinear(back + plane, pitch, width, height, to_x, to_y);
  float length = way_x * way_x + way_y * way_y + back_x * back_x + back_y * back_y;
  float miss_x = way_x + back_x, miss_y = way_y + back_y;
  float trust = expf(-(miss_x * miss_x + miss_y * miss_y) / (0.1f * length + 4.0f));
  // what bilinear sampling of ones within, zeros beyond the picture gives
  float inside_x = clamp_float(fminf(to_x + 1.0f, width - to_x), 0.0f, 1.0f);
  float inside_y = clamp_float(fminf(to_y + 1.0f, height - to_y), 0.0f, 1.0f);
  float inside = inside_x * inside_y;
  seen[y * pitch + x] = inside > 0.0f && trust >= 0.0f ? trust * inside : 0.0f;
}
