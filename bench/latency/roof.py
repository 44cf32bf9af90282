"""What this machine can do at best: operations and bytes a second, measured in a second or two.

`python -m bench.latency.roof THREADS` prints one JSON object. A process of its own: a matrix library takes its number
of threads when it is loaded.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_SIDE = 1024
_COPIED = 1 << 26
_LEAST_RUNS, _LEAST_SECONDS = 8, 1.0


def measure_roof(threads: int) -> dict[str, Any]:
    """Return `threads`, `gflops` (float32 matrix product) and `gbytes_per_second` (copying, read and written)."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    command = [sys.executable, "-m", "bench.latency.roof", str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def _roof(threads: int) -> dict[str, Any]:
    left = np.full((_SIDE, _SIDE), 0.5, np.float32)
    out = np.empty_like(left)
    sources = [np.ones(_COPIED // 4 // threads, np.float32) for _ in range(threads)]
    targets = [np.empty_like(source) for source in sources]

    def copy() -> None:
        workers = [threading.Thread(target=np.copyto, args=pair) for pair in zip(targets[1:], sources[1:], strict=True)]
        for worker in workers:
            worker.start()
        np.copyto(targets[0], sources[0])
        for worker in workers:
            worker.join()

    return {
        "threads": threads,
        "gflops": 2 * _SIDE**3 / _best(lambda: np.matmul(left, left, out=out)) / 1e9,
        "gbytes_per_second": 2 * sum(source.nbytes for source in sources) / _best(copy) / 1e9,
    }


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some runs: what else ran on the machine makes others slower."""
    seconds: list[float] = []
    while len(seconds) < _LEAST_RUNS or sum(seconds) < _LEAST_SECONDS:
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_roof(int(sys.argv[1]))))
