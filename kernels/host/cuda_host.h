// Runs CUDA kernels on the processor: blocks and threads one after another, threads as fibres where they meet at barriers.
//
// For tests. Shared memory is static (one block runs at a time), atomics are plain (one thread runs at a time), and the
// order of blocks and threads can be turned round, which shows what depends on it.
#pragma once

#undef _FORTIFY_SOURCE  // it takes a jump to another stack for an error
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __constant__ static const
#define __launch_bounds__(...)
#define __restrict__ __restrict

struct Place {
  unsigned x, y, z;
};
static Place threadIdx, blockIdx, blockDim, gridDim;

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
static inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }

template <class T>
static T atomicAdd(T* at, T value) {
  T before = *at;
  *at = before + value;
  return before;
}
template <class T>
static T atomicMax(T* at, T value) {
  T before = *at;
  *at = before > value ? before : value;
  return before;
}
template <class T>
static T atomicMin(T* at, T value) {
  T before = *at;
  *at = before < value ? before : value;
  return before;
}

static inline float float_of_half(unsigned short bits) {
  _Float16 narrow;
  memcpy(&narrow, &bits, 2);
  return (float)narrow;
}
static inline unsigned short half_of_float(float value) {
  _Float16 narrow = (_Float16)value;
  unsigned short bits;
  memcpy(&bits, &narrow, 2);
  return bits;
}

namespace host {

enum Result { DONE = 0, BARRIER_MISSED = 1, NO_MEMORY = 2 };
enum State { READY, AT_BARRIER, FINISHED };

const int MOST_THREADS = 1024;
const size_t STACK = 64 * 1024;

// A fibre is begun by setcontext and from then on switched by _longjmp, which asks nothing of the system: 20 times as fast.
static ucontext_t begins[MOST_THREADS];
static jmp_buf scheduler, fibres[MOST_THREADS];
static State states[MOST_THREADS];
static int current;
static void (*body)(void*);
static void* closure;

static void enter() {
  body(closure);
  states[current] = FINISHED;
  _longjmp(scheduler, 1);
}

static void wait() {
  states[current] = AT_BARRIER;
  if (!_setjmp(fibres[current])) _longjmp(scheduler, 1);
}

// Let the current fibre run to the next barrier, or to its end.
static void go_on() {
  if (_setjmp(scheduler)) return;
  if (states[current] == READY) setcontext(&begins[current]);
  _longjmp(fibres[current], 1);
}

static void stand(int thread) {
  threadIdx.x = thread % blockDim.x;
  threadIdx.y = thread / blockDim.x % blockDim.y;
  threadIdx.z = thread / (blockDim.x * blockDim.y);
}

// One block whose threads meet at barriers: each runs to the next barrier in turn, until all have finished.
static Result meet(int threads, char* stacks, bool reverse) {
  for (int thread = 0; thread < threads; thread++) {
    getcontext(&begins[thread]);
    begins[thread].uc_stack.ss_sp = stacks + thread * STACK;
    begins[thread].uc_stack.ss_size = STACK;
    makecontext(&begins[thread], enter, 0);
    states[thread] = READY;
  }
  while (true) {
    int waiting = 0, finished = 0;
    for (int turn = 0; turn < threads; turn++) {
      current = reverse ? threads - 1 - turn : turn;
      stand(current);
      go_on();
      (states[current] == FINISHED ? finished : waiting)++;
    }
    if (finished == threads) return DONE;
    if (finished) return BARRIER_MISSED;  // some left while others wait for them: undefined on a GPU
  }
}

template <class Kernel>
static void call(void* kernel) {
  (*(Kernel*)kernel)();
}

template <class Kernel>
static int run(const unsigned* grid, const unsigned* block, bool barriers, bool reverse, Kernel kernel) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  int threads = block[0] * block[1] * block[2];
  unsigned blocks = grid[0] * grid[1] * grid[2];
  char* stacks = barriers ? (char*)malloc(threads * STACK) : 0;
  if (barriers && !stacks) return NO_MEMORY;
  body = call<Kernel>;
  closure = &kernel;
  int result = DONE;
  for (unsigned turn = 0; turn < blocks && result == DONE; turn++) {
    unsigned at = reverse ? blocks - 1 - turn : turn;
    blockIdx = {at % grid[0], at / grid[0] % grid[1], at / (grid[0] * grid[1])};
    if (barriers) {
      result = meet(threads, stacks, reverse);
    } else {
      for (int thread = 0; thread < threads; thread++) {
        stand(reverse ? threads - 1 - thread : thread);
        kernel();
      }
    }
  }
  free(stacks);
  return result;
}

}  // namespace host

static inline void __syncthreads() { host::wait(); }
