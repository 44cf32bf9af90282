#include "farshore.cuh"

// The refinement that dense inverse search ends each level with: the flow along which brightness and gradients change
// least and which itself changes smoothly (T. Brox, A. Bruhn, N. Papenberg and J. Weickert, "High Accuracy Optical Flow
// Estimation Based on a Theory for Warping", ECCV 2004). A few times: refine_pair, refine_equations, and some times
// refine_relax with parity 0 and 1. Pair, equations and flow lie in planes of one pitch, `plane` apart.

const float DATA = 5.0f, GRADIENTS = 10.0f, SMOOTHNESS = 20.0f;  // weights of what is weighed up
const float EPSILON = 1e-3f;  // rounds the kink of |x| at 0
const float FLOOR = 0.01f;    // added to squares of derivatives, in codes: noise counts little where it is flat

// Two planes, in codes: how much brighter `goal` is along the flow than `origin`, and the mean of both.
KERNEL(32, 8, 1)
refine_pair(const real* origin, const real* goal, const float* flow, float* pair, int width, int height, int pitch,
            int flow_pitch, int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int at = y * flow_pitch + x;
  float here = load(origin[y * pitch + x]);
  float there = bilinear(goal, pitch, width, height, x + flow[at], y + flow[plane + at]);
  pair[at] = 255.0f * (there - here);
  pair[plane + at] = 127.5f * (there + here);
}

// Six planes: the equations for the flow at each pixel, symmetric matrix xx, xy, yy, right side x, y, and what
// smoothness weighs there. Data: brightness and gradients are the same along the flow, both robust and normalised by
// how far a pixel's shift would change them (H. Zimmer, A. Bruhn and J. Weickert, "Optic Flow in Harmony", IJCV 2011).
KERNEL(32, 8, 1)
refine_equations(const float* pair, const float* flow, float* equations, int width, int height, int flow_pitch,
                 int plane) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  const float smooth[5] = {1.0f, 4.0f, 6.0f, 4.0f, 1.0f}, slope[5] = {1.0f, 2.0f, 0.0f, -2.0f, -1.0f};
  const float bend[5] = {1.0f, 0.0f, -2.0f, 0.0f, 1.0f};
  float change_x = 0.0f, change_y = 0.0f, slope_x = 0.0f, slope_y = 0.0f, xx = 0.0f, xy = 0.0f, yy = 0.0f;
  for (int down = 0; down < 5; down++) {  // second derivatives as Sobel's operator applied twice: 5 x 5 pixels
    for (int across = 0; across < 5; across++) {
      int at = clamp_int(y + down - 2, 0, height - 1) * flow_pitch + clamp_int(x + across - 2, 0, width - 1);
      float mean = pair[plane + at];
      xx += bend[across] * smooth[down] / 64.0f * mean;
      xy += slope[across] * slope[down] / 64.0f * mean;
      yy += smooth[across] * bend[down] / 64.0f * mean;
      if (abs(across - 2) == 2 || abs(down - 2) == 2) continue;
      float weigh_x = (across - 2) * (2 - abs(down - 2)) / 8.0f, weigh_y = (down - 2) * (2 - abs(across - 2)) / 8.0f;
      slope_x += weigh_x * mean;
      slope_y += weigh_y * mean;
      change_x += weigh_x * pair[at];
      change_y += weigh_y * pair[at];
    }
  }
  int at = y * flow_pitch + x;
  float change = pair[at], move_x = flow[at], move_y = flow[plane + at];
  float norm = 1.0f / (slope_x * slope_x + slope_y * slope_y + FLOOR);
  float norm_x = 1.0f / (xx * xx + xy * xy + FLOOR), norm_y = 1.0f / (xy * xy + yy * yy + FLOOR);
  float data = DATA * norm / sqrtf(change * change * norm + EPSILON * EPSILON);
  float gradients =
      GRADIENTS / sqrtf(change_x * change_x * norm_x + change_y * change_y * norm_y + EPSILON * EPSILON);
  norm_x *= gradients;
  norm_y *= gradients;
  float a = data * slope_x * slope_x + norm_x * xx * xx + norm_y * xy * xy + FLOOR;
  float b = data * slope_x * slope_y + norm_x * xx * xy + norm_y * xy * yy;
  float c = data * slope_y * slope_y + norm_x * xy * xy + norm_y * yy * yy + FLOOR;
  equations[at] = a;
  equations[plane + at] = b;
  equations[2 * plane + at] = c;
  equations[3 * plane + at] =
      a * move_x + b * move_y - (data * slope_x * change + norm_x * xx * change_x + norm_y * xy * change_y);
  equations[4 * plane + at] =
      b * move_x + c * move_y - (data * slope_y * change + norm_x * xy * change_x + norm_y * yy * change_y);
  int right = y * flow_pitch + min(x + 1, width - 1), below = min(y + 1, height - 1) * flow_pitch + x;
  float squares = 0.0f;
  for (int z = 0; z < 2; z++) {
    const float* part = flow + z * plane;
    float across = part[right] - part[at], down = part[below] - part[at];
    squares += across * across + down * down;
  }
  equations[5 * plane + at] = SMOOTHNESS / sqrtf(squares + EPSILON * EPSILON);
}

// One half of a step of red-black successive over-relaxation (D. M. Young, 1950), in place: the pixels where x + y has
// this parity, each from its four neighbours, which have the other. Domain: half of the columns, and the rows.
KERNEL(32, 8, 1)
refine_relax(const float* equations, float* flow, int width, int height, int flow_pitch, int plane, int parity,
             float overshoot) {
  int y = thread_y(), x = 2 * thread_x() + ((y + parity) & 1);
  if (x >= width || y >= height) return;
  const float* smoothness = equations + 5 * plane;
  int at = y * flow_pitch + x;
  float weights = 0.0f, right_x = equations[3 * plane + at], right_y = equations[4 * plane + at];
  const int next_x[4] = {-1, 1, 0, 0}, next_y[4] = {0, 0, -1, 1};
  for (int side = 0; side < 4; side++) {
    int column = x + next_x[side], row = y + next_y[side];
    if (column < 0 || column >= width || row < 0 || row >= height) continue;
    int next = row * flow_pitch + column;
    float weight = 0.5f * (smoothness[at] + smoothness[next]);
    weights += weight;
    right_x += weight * flow[next];
    right_y += weight * flow[plane + next];
  }
  float xx = equations[at] + weights, xy = equations[plane + at], yy = equations[2 * plane + at] + weights;
  float determinant = xx * yy - xy * xy;
  flow[at] += overshoot * ((yy * right_x - xy * right_y) / determinant - flow[at]);
  flow[plane + at] += overshoot * ((xx * right_y - xy * right_x) / determinant - flow[plane + at]);
}
