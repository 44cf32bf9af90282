#include "farshore.cuh"

// The refinement that dense inverse search ends each level with: the flow along which brightness and gradients change
// least and which itself changes smoothly (T. Brox, A. Bruhn, N. Papenberg and J. Weickert, "High Accuracy Optical Flow
// Estimation Based on a Theory for Warping", ECCV 2004). A few times: refine_equations, refine_relax. Equations and flow
// lie in planes of one pitch, `plane` apart; there and back, as in motion.cu.

const float DATA = 5.0f, GRADIENTS = 10.0f, SMOOTHNESS = 20.0f;  // weights of what is weighed up
const float EPSILON = 1e-3f;  // rounds the kink of |x| at 0
const float FLOOR = 0.01f;    // added to squares of derivatives, in codes: noise counts little where it is flat

// The pixels of a block of threads, and as many more around them as derivatives look.
const int BLOCK_WIDTH = 32, BLOCK_HEIGHT = 8, LOOK = 2;
const int SEEN_WIDTH = BLOCK_WIDTH + 2 * LOOK, SEEN_HEIGHT = BLOCK_HEIGHT + 2 * LOOK;

// Six planes: the equations for the flow at each pixel, symmetric matrix xx, xy, yy, right side x, y, and what
// smoothness weighs there. Data: brightness and gradients are the same along the flow, both robust and normalised by
// how far a pixel's shift would change them (H. Zimmer, A. Bruhn and J. Weickert, "Optic Flow in Harmony", IJCV 2011).
KERNEL(32, 8, 1)
refine_equations(const real* first, const real* second, const float* flow, float* equations, int width, int height,
                 int pitch, int flow_pitch, int plane) {
  // In codes: how much brighter `goal` is along the flow than `origin`, and the mean of both.
  __shared__ float changes[SEEN_HEIGHT][SEEN_WIDTH], means[SEEN_HEIGHT][SEEN_WIDTH];
  const real *origin = thread_z() ? second : first, *goal = thread_z() ? first : second;
  flow += 2 * thread_z() * plane;
  equations += 6 * thread_z() * plane;
  int x = thread_x(), y = thread_y();
  for (int down = threadIdx.y; down < SEEN_HEIGHT; down += BLOCK_HEIGHT) {
    for (int across = threadIdx.x; across < SEEN_WIDTH; across += BLOCK_WIDTH) {
      int column = clamp_int(blockIdx.x * BLOCK_WIDTH + across - LOOK, 0, width - 1);
      int row = clamp_int(blockIdx.y * BLOCK_HEIGHT + down - LOOK, 0, height - 1), at = row * flow_pitch + column;
      float here = load(origin[row * pitch + column]);
      float there = bilinear(goal, pitch, width, height, column + flow[at], row + flow[plane + at]);
      changes[down][across] = 255.0f * (there - here);
      means[down][across] = 127.5f * (there + here);
    }
  }
  __syncthreads();
  if (x >= width || y >= height) return;
  const float smooth[5] = {1.0f, 4.0f, 6.0f, 4.0f, 1.0f}, slope[5] = {1.0f, 2.0f, 0.0f, -2.0f, -1.0f};
  const float bend[5] = {1.0f, 0.0f, -2.0f, 0.0f, 1.0f};
  float change_x = 0.0f, change_y = 0.0f, slope_x = 0.0f, slope_y = 0.0f, xx = 0.0f, xy = 0.0f, yy = 0.0f;
  for (int down = 0; down < 5; down++) {  // second derivatives as Sobel's operator applied twice: 5 x 5 pixels
    for (int across = 0; across < 5; across++) {
      float mean = means[threadIdx.y + down][threadIdx.x + across];
      xx += bend[across] * smooth[down] / 64.0f * mean;
      xy += slope[across] * slope[down] / 64.0f * mean;
      yy += smooth[across] * bend[down] / 64.0f * mean;
      if (abs(across - 2) == 2 || abs(down - 2) == 2) continue;
      float change = changes[threadIdx.y + down][threadIdx.x + across];
      float weigh_x = (across - 2) * (2 - abs(down - 2)) / 8.0f, weigh_y = (down - 2) * (2 - abs(across - 2)) / 8.0f;
      slope_x += weigh_x * mean;
      slope_y += weigh_y * mean;
      change_x += weigh_x * change;
      change_y += weigh_y * change;
    }
  }
  int at = y * flow_pitch + x;
  float change = changes[threadIdx.y + LOOK][threadIdx.x + LOOK], move_x = flow[at], move_y = flow[plane + at];
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

// Relaxation goes on within a tile and a margin around it, in shared memory: each half of a step makes what lies outside
// tell one pixel further in, so that the tile itself comes out as if all of the picture had been relaxed together. A
// thread has pairs of neighbours in a row, one pixel of either parity, numbered row by row. Tile and margin are even, so
// that parity within them is the picture's.
const int RELAXATIONS = 5, MARGIN = 2 * RELAXATIONS;
const int TILE_WIDTH = 32, TILE_HEIGHT = 24;
const int WIDE = TILE_WIDTH + 2 * MARGIN, HIGH = TILE_HEIGHT + 2 * MARGIN, HALF = WIDE / 2, PAIRS = HALF * HIGH;
const int THREADS = TILE_WIDTH * TILE_HEIGHT, SHARE = (PAIRS + THREADS - 1) / THREADS;  // pairs of a thread: two at most

// A pixel's equation, solved for its flow but for that of its neighbours. `depth`: how many pixels further in it lies
// than the margin's edge; 0 outside the picture too.
struct Solved {
  float left, right, above, below;  // weights of the neighbours, 0 outside the picture
  float xx, xy, yy, right_x, right_y;
  int depth;
};

__device__ __forceinline__ Solved solved_at(const float* equations, int width, int height, int pitch, int plane, int x,
                                            int y) {
  const float *at = equations + y * pitch + x, *smoothness = at + 5 * plane;
  Solved made;
  made.left = x > 0 ? 0.5f * (smoothness[0] + smoothness[-1]) : 0.0f;
  made.right = x < width - 1 ? 0.5f * (smoothness[0] + smoothness[1]) : 0.0f;
  made.above = y > 0 ? 0.5f * (smoothness[0] + smoothness[-pitch]) : 0.0f;
  made.below = y < height - 1 ? 0.5f * (smoothness[0] + smoothness[pitch]) : 0.0f;
  float weights = made.left + made.right + made.above + made.below;
  float xx = at[0] + weights, xy = at[plane], yy = at[2 * plane] + weights;
  float determinant = xx * yy - xy * xy;
  made.xx = yy / determinant;
  made.xy = -xy / determinant;
  made.yy = xx / determinant;
  made.right_x = at[3 * plane];
  made.right_y = at[4 * plane];
  return made;
}

// Some steps of red-black successive over-relaxation (D. M. Young, 1950): in each the pixels where x + y is even, then
// those where it is odd, each from its four neighbours, which are of the other kind. `out` must not be `flow`.
KERNEL(32, 24, 1)
refine_relax(const float* equations, const float* flow, float* out, int width, int height, int flow_pitch, int plane,
             float overshoot) {
  __shared__ float flow_x[2][PAIRS], flow_y[2][PAIRS];  // by parity, of the pairs' pixels
  equations += 6 * thread_z() * plane;
  flow += 2 * thread_z() * plane;
  out += 2 * thread_z() * plane;
  int thread = threadIdx.y * TILE_WIDTH + threadIdx.x;
  int left = blockIdx.x * TILE_WIDTH - MARGIN, top = blockIdx.y * TILE_HEIGHT - MARGIN;
  Solved own[SHARE][2];
#pragma unroll
  for (int k = 0; k < SHARE; k++) {
    int pair = thread + k * THREADS, row = pair / HALF;
#pragma unroll
    for (int parity = 0; parity < 2; parity++) {
      int column = 2 * (pair % HALF) + ((row + parity) & 1), x = left + column, y = top + row;
      bool stands = pair < PAIRS && x >= 0 && x < width && y >= 0 && y < height;
      own[k][parity].depth = 0;
      if (stands) {
        own[k][parity] = solved_at(equations, width, height, flow_pitch, plane, x, y);
        own[k][parity].depth = min(min(column, WIDE - 1 - column), min(row, HIGH - 1 - row));
      }
      if (pair < PAIRS) {
        flow_x[parity][pair] = stands ? flow[y * flow_pitch + x] : 0.0f;
        flow_y[parity][pair] = stands ? flow[plane + y * flow_pitch + x] : 0.0f;
      }
    }
  }
  __syncthreads();
  for (int done = 0; done < MARGIN; done += 2) {
#pragma unroll
    for (int parity = 0; parity < 2; parity++) {
#pragma unroll
      for (int k = 0; k < SHARE; k++) {
        Solved here = own[k][parity];
        if (here.depth <= done + parity) continue;
        int at = thread + k * THREADS, odd = (at / HALF + parity) & 1;
        const float *near_x = flow_x[1 - parity], *near_y = flow_y[1 - parity];
        float right_x = here.right_x + here.left * near_x[at - 1 + odd] + here.right * near_x[at + odd] +
                        here.above * near_x[at - HALF] + here.below * near_x[at + HALF];
        float right_y = here.right_y + here.left * near_y[at - 1 + odd] + here.right * near_y[at + odd] +
                        here.above * near_y[at - HALF] + here.below * near_y[at + HALF];
        flow_x[parity][at] += overshoot * (here.xx * right_x + here.xy * right_y - flow_x[parity][at]);
        flow_y[parity][at] += overshoot * (here.xy * right_x + here.yy * right_y - flow_y[parity][at]);
      }
      __syncthreads();
    }
  }
#pragma unroll
  for (int k = 0; k < SHARE; k++) {
    int pair = thread + k * THREADS, row = pair / HALF;
#pragma unroll
    for (int parity = 0; parity < 2; parity++) {
      if (own[k][parity].depth < MARGIN) continue;
      int at = (top + row) * flow_pitch + left + 2 * (pair % HALF) + ((row + parity) & 1);
      out[at] = flow_x[parity][pair];
      out[plane + at] = flow_y[parity][pair];
    }
  }
}
