#include "farshore.cuh"

// What stands between two pictures and the one that an interpolation model lets us make of them: the motion that the model
// is given, whether the motion that it found is believed, and the motion that is used then. Nothing of it comes back to
// the host before the picture does. engine/stages/motion_check.py and motion_field.py say why it is decided so.
//
// Motion between pictures has five planes: flow, x and y to the first picture, x and y to the second, and mask, the weight
// of the first. Ways of comparing two pictures: 0 standing still, 1 along the motion found, 2 along that found again.

const int MOST_WAYS = 3;
const int THREADS = 256;  // of the kernels that add

// The decision of a pair of pictures, in memory: what to do, which motion serves, and how often what was done.
const int VERDICT = 0, SOURCE = 1, COUNTS = 2;
const int FOLLOW = 0, CROSS_FADE = 1, HOLD = 2;

// The sum over a block of threads, in a fixed order: of sixteen by sixteen threads, then of these by all.
__device__ __forceinline__ float block_sum(float value) {
  const int GROUPS = THREADS / 16;
  __shared__ float values[THREADS], sums[GROUPS];
  int thread = threadIdx.y * blockDim.x + threadIdx.x;
  values[thread] = value;
  __syncthreads();
  if (thread < GROUPS) {
    float sum = 0.0f;
    for (int k = 0; k < 16; k++) sum += values[thread + k * GROUPS];
    sums[thread] = sum;
  }
  __syncthreads();
  float sum = 0.0f;
  for (int k = 0; k < GROUPS; k++) sum += sums[k];
  return sum;
}

// The moment that a model is asked for, where it reads it.
KERNEL(32, 1, 1)
between_moment(float* timestep, float moment) {
  if (thread_x() == 0) timestep[0] = moment;
}

// Motion to the film's two pictures, of a picture that was made between two others, left and right, of which one or both
// were made themselves (`is_made`; their motion is then read). Both know a way to a picture of the film; the ways are
// averaged by how much each adds to the picture: its weight in this step times the film picture's weight in it. `scale`
// turns flow into values of this grid. engine/stages/bisection.py has the same for the processor.
KERNEL(32, 8, 1)
between_compose(const float* flow, const float* mask, const float* left, const float* right, float* motion, int width,
                int height, int is_left_made, int is_right_made, float scale, float faint) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int plane = width * height, at = y * width + x;
  float shares[2] = {mask[at], 1.0f - mask[at]}, carried[2][5];
  for (int side = 0; side < 2; side++) {
    const float* from = side ? right : left;
    bool is_made = side ? is_right_made : is_left_made;
    float step_x = flow[2 * side * plane + at], step_y = flow[(2 * side + 1) * plane + at];
    for (int axis = 0; axis < 5; axis++) {
      float value = axis < 4 ? 0.0f : 1.0f - side;
      if (is_made) value = bilinear(from + axis * plane, width, width, height, x + step_x * scale, y + step_y * scale);
      carried[side][axis] = axis < 4 ? value + (axis % 2 ? step_y : step_x) : value;
    }
  }
  for (int end = 0; end < 2; end++) {
    float weights[2];
    for (int side = 0; side < 2; side++) {
      bool leads_there = side == end || (side ? is_right_made : is_left_made);
      float own = end ? 1.0f - carried[side][4] : carried[side][4];
      weights[side] = leads_there ? own * shares[side] + faint : 0.0f;  // the film's other picture leads nowhere else
    }
    for (int axis = 2 * end; axis < 2 * end + 2; axis++) {
      float sum = weights[0] * carried[0][axis] + weights[1] * carried[1][axis];
      motion[axis * plane + at] = sum / (weights[0] + weights[1]);
    }
  }
  motion[4 * plane + at] = shares[0] * carried[0][4] + shares[1] * carried[1][4];
}

// A plane of motion at a pixel of another size: the mean over its area, or, where an axis grows, as OpenCV's INTER_AREA
// has it then: values stay what they were, and are mixed where a pixel reaches over a border between two.
__device__ __forceinline__ float by_area(const float* plane, int from_width, int from_height, int x, int y, int width,
                                         int height) {
  if (from_width < width || from_height < height) {
    int left = x * from_width / width, top = y * from_height / height;
    int right = min(left + 1, from_width - 1), bottom = min(top + 1, from_height - 1);
    float share_x = max((x + 1) * from_width - (left + 1) * width, 0) / (float)from_width;
    float share_y = max((y + 1) * from_height - (top + 1) * height, 0) / (float)from_height;
    return mix(mix(plane[top * from_width + left], plane[top * from_width + right], share_x),
               mix(plane[bottom * from_width + left], plane[bottom * from_width + right], share_x), share_y);
  }
  Taps across = resize_taps(x, from_width, width, 1), down = resize_taps(y, from_height, height, 1);
  float sum = 0.0f;
  for (int row = down.first; row <= down.last; row++) {
    float line = 0.0f;
    for (int column = across.first; column <= across.last; column++) {
      line += tap_weight(column, x, from_width, width, 1) * plane[row * from_width + column];
    }
    sum += tap_weight(row, y, from_height, height, 1) * line;
  }
  return sum;
}

// Motion both ways as a model is given it: four planes, x and y there, x and y back, reduced by area and in the pixels of
// the model's pictures, `scale` of them to one of the flows'. A plane per z.
KERNEL(32, 8, 1)
between_given(const float* forward, const float* backward, float* given, int from_width, int from_height, int width,
              int height, float scale_x, float scale_y) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= 4) return;
  const float* plane = (z < 2 ? forward : backward) + z % 2 * from_width * from_height;
  float mean = by_area(plane, from_width, from_height, x, y, width, height);
  given[(z * height + y) * width + x] = mean * (z % 2 ? scale_y : scale_x);
}

// That motion as it is seen from a moment between the two: where each place of the moment lies in both of them. Either
// direction is a proposal, their mean a third; of them counts, place by place, along which the two pictures, as small as
// the grid, look alike round about. `ways` holds the motion there and back in pixels, of which a place has `cell`.
// engine/stages/given_motion.py has the same for the processor, and says why.
const int PROPOSALS = 3, AROUND = 2;
struct Proposals {
  float way[PROPOSALS][4];
};
__device__ __forceinline__ Proposals proposals_at(const float* ways, int plane, int at, float timestep, float scale) {
  Proposals made;
  for (int axis = 0; axis < 4; axis++) {
    float there = axis < 2 ? -timestep : 1.0f - timestep;
    made.way[0][axis] = there * scale * ways[axis % 2 * plane + at];
    made.way[1][axis] = -there * scale * ways[(2 + axis % 2) * plane + at];
    made.way[2][axis] = 0.5f * (made.way[0][axis] + made.way[1][axis]);
  }
  return made;
}

KERNEL(32, 8, 1)
between_aim(const real* first, const real* second, const float* ways, float* motion, int width, int height, float cell,
            float timestep, float undecided, float share) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int plane = width * height, count = (2 * AROUND + 1) * (2 * AROUND + 1);
  float apart[PROPOSALS] = {0.0f, 0.0f, 0.0f};
  for (int step = 0; step < count; step++) {
    int column = clamp_int(x + step % (2 * AROUND + 1) - AROUND, 0, width - 1);
    int row = clamp_int(y + step / (2 * AROUND + 1) - AROUND, 0, height - 1);
    Proposals near = proposals_at(ways, plane, row * width + column, timestep, 1.0f / cell);
    for (int k = 0; k < PROPOSALS; k++) {
      const float* way = near.way[k];
      apart[k] += fabsf(bilinear(first, width, width, height, column + way[0], row + way[1]) -
                        bilinear(second, width, width, height, column + way[2], row + way[3]));
    }
  }
  float least = fminf(fminf(apart[0], apart[1]), apart[2]) / count, total = 0.0f;
  float weights[PROPOSALS];
  for (int k = 0; k < PROPOSALS; k++) {
    weights[k] = expf((least - apart[k] / count) / (share * least + undecided));
    total += weights[k];
  }
  Proposals here = proposals_at(ways, plane, y * width + x, timestep, 1.0f);
  for (int axis = 0; axis < 4; axis++) {
    float sum = 0.0f;
    for (int k = 0; k < PROPOSALS; k++) sum += weights[k] * here.way[k][axis];
    motion[axis * plane + y * width + x] = sum / total;
  }
}

// How far that motion, there (z = 0) and back (z = 1), is undone by the way back from where it leads: 1 where it is, 1/e
// where it misses by `miss` cells squared and `share` of both ways' squares.
KERNEL(32, 8, 1)
between_believe(const float* ways, float* trust, int width, int height, float cell, float share, float miss) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= 2) return;
  int plane = width * height, at = y * width + x;
  const float* there = ways + 2 * z * plane;
  const float* back = ways + 2 * (1 - z) * plane;
  float there_x = there[at] / cell, there_y = there[plane + at] / cell;
  float back_x = bilinear(back, width, width, height, x + there_x, y + there_y) / cell;
  float back_y = bilinear(back + plane, width, width, height, x + there_x, y + there_y) / cell;
  float length = there_x * there_x + there_y * there_y + back_x * back_x + back_y * back_y;
  float miss_x = there_x + back_x, miss_y = there_y + back_y;
  trust[z * plane + at] = expf(-(miss_x * miss_x + miss_y * miss_y) / (share * length + miss));
}

// By how much the place that both pictures show at the moment lies off the line between, for what both show speeds up,
// slows down or turns: as the pair of pictures before says (z = 0), and the one after (z = 1), and how far each can be
// believed. Motion and belief there and back, of the pair (`ways`, `trust`) and of those beside it. `motion` holds the
// line; what it lies off goes into the planes behind it, the belief into two planes. Nothing is known of a pair that is
// not there (`has_before`, `has_after`), or lasts longer or shorter.
KERNEL(32, 8, 1)
between_bend(const float* before_ways, const float* before_trust, const float* ways, const float* trust,
             const float* after_ways, const float* after_trust, float* motion, float* belief, int width, int height,
             int has_before, int has_after, float cell, float timestep) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= 2) return;
  int plane = width * height, at = y * width + x;
  float found[3] = {0.0f, 0.0f, 0.0f};
  if (z ? has_after : has_before) {
    const float* here = ways + 2 * z * plane;
    const float* other = z ? after_ways : before_ways + 2 * plane;
    const float* here_trust = trust + z * plane;
    const float* other_trust = z ? after_trust : before_trust + plane;
    float to_x = clamp_float(x + motion[2 * z * plane + at] / cell, 0.0f, width - 1.0f);
    float to_y = clamp_float(y + motion[(2 * z + 1) * plane + at] / cell, 0.0f, height - 1.0f);
    int left = (int)to_x, top = (int)to_y;
    for (int tap = 0; tap < 4; tap++) {
      int column = min(left + tap % 2, width - 1), row = min(top + tap / 2, height - 1), place = row * width + column;
      float across = tap % 2 ? to_x - left : 1.0f - (to_x - left), down = tap / 2 ? to_y - top : 1.0f - (to_y - top);
      float weight = across * down;
      found[0] += weight * (here[place] + other[place]);
      found[1] += weight * (here[plane + place] + other[plane + place]);
      found[2] += weight * here_trust[place] * other_trust[place];
    }
  }
  float share = 0.5f * timestep * (1.0f - timestep);
  motion[(4 + 2 * z) * plane + at] = share * found[0];
  motion[(5 + 2 * z) * plane + at] = share * found[1];
  belief[z * plane + at] = found[2];
}

// What speaks for that motion and against it, of pictures of `times` x `times` pixels for each of its places, whose pixels
// are `scale` of its own: the mean of how much they differ along it, and standing still; then their mean difference along
// it, with its sign, and their mean.
KERNEL(32, 8, 1)
between_compare(const real* first, const real* second, const float* motion, float* evidence, int width, int height,
                int times, float scale) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int plane = width * height, wide = times * width, high = times * height;
  float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int part = 0; part < times * times; part++) {
    int column = times * x + part % times, row = times * y + part / times;
    Corners at = corners(column, row, width, height, wide, high);
    float way[4];
    for (int axis = 0; axis < 4; axis++) way[axis] = scale * enlarged(motion + axis * plane, width, at);
    float one = bilinear(first, wide, wide, high, column + way[0], row + way[1]);
    float other = bilinear(second, wide, wide, high, column + way[2], row + way[3]);
    sums[0] += fabsf(one - other);
    sums[1] += fabsf(load(first[row * wide + column]) - load(second[row * wide + column]));
    sums[2] += one - other;
    sums[3] += 0.5f * (one + other);
  }
  for (int k = 0; k < 4; k++) evidence[k * plane + y * width + x] = sums[k] / (times * times);
}

// Motion found in smaller pictures, on the grid of the larger ones, which has `times` values for each of its own and may
// end before it does; bilinear. `gain` pixels of the larger pictures are one of the smaller. A plane per z.
KERNEL(32, 8, 1)
between_enlarge(const float* flow, const float* mask, float* motion, int from_width, int from_height, int times, int width,
                int height, float gain) {
  int x = thread_x(), y = thread_y(), z = thread_z();
  if (x >= width || y >= height || z >= 5) return;
  Corners at = corners(x, y, from_width, from_height, from_width * times, from_height * times);
  float value = z < 4 ? enlarged(flow + z * from_width * from_height, from_width, at) * gain
                      : enlarged(mask, from_width, at);
  motion[(z * height + y) * width + x] = value;
}

// By how much two small pictures differ (first less second), in each way, and the sums of that over each block of threads.
// `flow` and `again` are told for `flow_width` x `flow_height` places; `scale` turns them into pixels of these pictures.
// With two ways `again` is not read. Domain: the pictures, and the ways.
KERNEL(32, 8, 1)
between_change(const real* first, const real* second, const float* flow, const float* again, float* change, float* sums,
               int width, int height, int flow_width, int flow_height, float scale) {
  int x = thread_x(), y = thread_y(), way = thread_z();
  float apart = 0.0f;
  if (x < width && y < height) {
    float move[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const float* planes = way == 1 ? flow : again;
    for (int axis = 0; axis < 4 && way > 0; axis++) {
      const float* plane = planes + axis * flow_width * flow_height;
      move[axis] = by_area(plane, flow_width, flow_height, x, y, width, height) * scale;
    }
    apart = bilinear(first, width, width, height, x + move[0], y + move[1]) -
            bilinear(second, width, width, height, x + move[2], y + move[3]);
    change[(way * height + y) * width + x] = apart;
  }
  float sum = block_sum(apart);
  if (threadIdx.x == 0 && threadIdx.y == 0) sums[(way * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x] = sum;
}

// Of the `count` differences in each way, absolute and less their mean, which `blocks` sums make up: the sums over the
// parts that the differences are cut into. Domain: 256 threads per part, the parts, and the ways.
KERNEL(256, 1, 1)
between_spread(const float* change, const float* sums, float* spreads, int count, int blocks) {
  int part = thread_y(), way = thread_z();
  float part_sum = 0.0f;
  for (int block = threadIdx.x; block < blocks; block += THREADS) part_sum += sums[way * blocks + block];
  float mean = block_sum(part_sum) / count, spread = 0.0f;
  for (int at = part * THREADS + threadIdx.x; at < count; at += gridDim.y * THREADS) {
    spread += fabsf(change[way * count + at] - mean);
  }
  spread = block_sum(spread);
  if (threadIdx.x == 0) spreads[way * gridDim.y + part] = spread;
}

// What to do, from these sums; `unit` turns one into the mean difference of a range of 1. Of a pair's first moment, or
// where the motion was looked for again, which of the two motions serves is decided too, and stands for the pair.
KERNEL(32, 1, 1)
between_decide(const float* spreads, int* decision, int parts, int is_first, int was_found_again, float unit,
               float doubtful, float better, float strangers, float noise, float margin) {
  if (thread_x() > 0) return;
  float differences[MOST_WAYS];
  for (int way = 0; way < 2 + was_found_again; way++) {
    float sum = 0.0f;
    for (int part = 0; part < parts; part++) sum += spreads[way * parts + part];
    differences[way] = sum * unit;
  }
  float stood = differences[0], moved = differences[1];
  if (is_first) {
    decision[SOURCE] = was_found_again && moved > doubtful && !(differences[2] >= better * moved);
  }
  if (was_found_again && decision[SOURCE]) moved = differences[2];
  int verdict = CROSS_FADE;
  if (moved <= (margin * stood > noise ? margin * stood : noise)) verdict = FOLLOW;
  if ((stood < moved ? stood : moved) > strangers) verdict = HOLD;
  decision[VERDICT] = verdict;
  decision[COUNTS + verdict]++;
}

// The motion that is used: the one that serves, its flow x `times`, if it is to be followed; else none, and a mask that
// fades from the first picture to the second, or shows the nearer one. A model that told no motion (`is_told` 0) fades.
KERNEL(32, 8, 1)
between_motion(const float* flow, const float* mask, const float* again, const int* decision, float* motion, int width,
               int height, int is_told, float times, float timestep) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height) return;
  int plane = width * height, at = y * width + x;
  if (is_told && decision[VERDICT] == FOLLOW) {
    const float* planes = decision[SOURCE] ? again : flow;
    for (int axis = 0; axis < 4; axis++) motion[axis * plane + at] = planes[axis * plane + at] * times;
    motion[4 * plane + at] = decision[SOURCE] ? again[4 * plane + at] : mask[at];
    return;
  }
  for (int axis = 0; axis < 4; axis++) motion[axis * plane + at] = 0.0f;
  bool holds = is_told && decision[VERDICT] == HOLD;
  motion[4 * plane + at] = holds ? (timestep < 0.5f ? 1.0f : 0.0f) : 1.0f - timestep;
}

// The picture that the model made, tensor x `gain` + `offset`, clipped to [0, 1], where its motion is followed; else `out`
// stays as it is. Of three planes into one goes their luma.
KERNEL(32, 8, 1)
between_take(const real* tensor, const int* decision, real* out, int width, int height, int planes, int tensor_planes,
             int tensor_pitch, int tensor_plane, int pitch, int plane, float kr, float kb, float gain, float offset) {
  int x = thread_x(), y = thread_y();
  if (x >= width || y >= height || decision[VERDICT] != FOLLOW || decision[SOURCE]) return;
  const real* made = tensor + y * tensor_pitch + x;
  bool is_luma = planes == 1 && tensor_planes == 3;
  for (int z = 0; z < planes; z++) {
    float value = load(made[z * tensor_plane]);
    if (is_luma) value = kr * value + (1.0f - kr - kb) * load(made[tensor_plane]) + kb * load(made[2 * tensor_plane]);
    out[z * plane + y * pitch + x] = store(clamp_float(value * gain + offset, 0.0f, 1.0f));
  }
}
