"""Change the size of chroma planes, with each sample where its siting says it is.

Along one axis chroma sample i stands at luma position f·i + s·(f - 1), f the subsampling factor, s in [0, 1]: 0 beside
the first luma sample ("left", "top"), 1/2 in the middle. Enlarging is linear between neighbours; halving is the filter
(1 2 1)/4 around a sited sample or the mean of two. Ends repeat.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
"""float32 (H, W)."""

Siting = tuple[float, float]
"""(x, y), each in [0, 1]."""

MIDDLE: Siting = (0.5, 0.5)

SITINGS: Mapping[int, Siting] = {
    0: (0.0, 0.5),
    1: (0.0, 0.5),
    2: (0.5, 0.5),
    3: (0.0, 0.0),
    4: (0.5, 0.0),
    5: (0.0, 1.0),
    6: (0.5, 1.0),
}
"""`AVChromaLocation` → siting; unspecified is left."""


class Enlarge:
    """Bring a chroma plane to the size of the luma, linearly.

    Parameters
    ----------
    height, width : of the luma
    shift_x, shift_y : log2 of the subsampling
    siting : where the samples stand
    """

    def __init__(self, height: int, width: int, *, shift_x: int, shift_y: int, siting: Siting) -> None:
        rows, columns = -(-height >> shift_y), -(-width >> shift_x)
        self._down = _phases(1 << shift_y, siting[1])
        self._across = _phases(1 << shift_x, siting[0])
        self._padded = np.empty((rows + 2, columns), np.float32)
        self._tall = np.empty((rows * len(self._down), columns + 2), np.float32)
        self._parts = [np.empty((height, columns), np.float32) for _ in self._across]
        self._wide = np.empty((height, columns, len(self._across)), np.float32)

    def __call__(self, source: Plane, out: Plane) -> None:
        """Write the enlarged `source` (h, w) into `out` (H, W)."""
        padded, tall, factor = self._padded, self._tall, len(self._down)
        padded[1:-1], padded[0], padded[-1] = source, source[0], source[-1]
        for phase, weights in enumerate(self._down):
            _blend(padded[:-2], padded[1:-1], padded[2:], weights, tall[phase::factor, 1:-1])
        tall = tall[: out.shape[0]]
        if len(self._across) == 1:
            np.copyto(out, tall[:, 1:-1])
            return
        tall[:, 0], tall[:, -1] = tall[:, 1], tall[:, -2]
        for weights, part in zip(self._across, self._parts, strict=True):
            _blend(tall[:, :-2], tall[:, 1:-1], tall[:, 2:], weights, part)
        cv2.merge(self._parts, dst=self._wide)
        np.copyto(out, self._wide.reshape(out.shape[0], -1)[:, : out.shape[1]])


class Shrink:
    """Bring a plane of the luma's size to that of subsampled chroma.

    Parameters
    ----------
    height, width : of the luma
    shift_x, shift_y : log2 of the subsampling, 0 or 1
    siting : where the samples are to stand
    """

    def __init__(self, height: int, width: int, *, shift_x: int, shift_y: int, siting: Siting) -> None:
        self._kernel_x, self._first_x = _shrink_kernel(shift_x, siting[0])
        self._kernel_y, self._first_y = _shrink_kernel(shift_y, siting[1])
        self._step_x, self._step_y = 1 << shift_x, 1 << shift_y
        self._filtered = np.empty((height + 1, width + 1), np.float32)

    def __call__(self, source: Plane, out: Plane) -> None:
        """Write the smaller `source` (H, W) into `out` (h, w)."""
        height, width = source.shape
        filtered = self._filtered
        _filter(source, self._kernel_x, self._kernel_y, filtered[:height, :width])
        filtered[height], filtered[:, width] = filtered[height - 1], filtered[:, width - 1]
        rows, columns = out.shape
        np.copyto(out, filtered[self._first_y :: self._step_y, self._first_x :: self._step_x][:rows, :columns])


class Move:
    """Move half-size chroma from the middle of its pixels to another siting, along the axes that stay subsampled."""

    def __init__(self, *, shift_x: int, shift_y: int, siting: Siting) -> None:
        self._kernels = [
            _move_kernel(shift, position) for shift, position in zip((shift_x, shift_y), siting, strict=True)
        ]
        self.is_needed = any(kernel[1] < 1.0 for kernel in self._kernels)

    def __call__(self, source: Plane, out: Plane) -> None:
        """Write the moved `source` (h, w) into `out`, of the same shape."""
        kernel_x, kernel_y = self._kernels
        _filter(source, kernel_x, kernel_y, out)


def _phases(factor: int, position: float) -> list[tuple[float, float, float]]:
    """Return, for each of the luma samples over a chroma sample, the weights of the one before, itself, the next."""
    weights: list[tuple[float, float, float]] = []
    for phase in range(factor):
        distance = (phase - position * (factor - 1)) / factor
        weights.append((max(-distance, 0.0), 1.0 - abs(distance), max(distance, 0.0)))
    return weights


def _blend(before: Plane, here: Plane, after: Plane, weights: tuple[float, float, float], out: Plane) -> None:
    other, weight = (before, weights[0]) if weights[0] else (after, weights[2])
    cv2.addWeighted(here, weights[1], other, weight, 0, dst=out[: len(here)])


def _shrink_kernel(shift: int, position: float) -> tuple[Plane, int]:
    """Return a filter of three taps and the luma sample that it is first centred on."""
    if shift == 0:
        return np.array([0, 1, 0], np.float32), 0
    if position == 0.5:
        return np.array([0, 0.5, 0.5], np.float32), 0
    return np.array([0.25, 0.5, 0.25], np.float32), round(position)


def _move_kernel(shift: int, position: float) -> Plane:
    distance = (position - 0.5) / 2 if shift else 0.0
    return np.array([max(-distance, 0.0), 1.0 - abs(distance), max(distance, 0.0)], np.float32)


def _filter(source: Plane, kernel_x: Plane, kernel_y: Plane, out: Plane) -> None:
    cv2.sepFilter2D(source, cv2.CV_32F, kernel_x, kernel_y, dst=out, borderType=cv2.BORDER_REPLICATE)
