"""The frames around the one being made, side by side in memory as a model wants them."""

import cv2
import numpy as np

from engine.types import Planes

SPARE_WINDOWS = 3
"""Windows that fit into the memory before its tail is moved back to the front: one move in that many windows."""


class Window:
    """The last `frames` pictures of a shot, oldest first, in one contiguous array that slides through a longer one.

    Parameters
    ----------
    frames : pictures in the window
    channels, height, width : planes of one picture
    """

    def __init__(self, frames: int, channels: int, height: int, width: int) -> None:
        self._frames, self._channels = frames, channels
        self._slots = frames * (1 + SPARE_WINDOWS)
        self._memory = np.zeros((1, self._slots * channels, height, width), np.float32)
        self._filled = 0

    def append(self) -> Planes:
        """Return the next picture's planes (channels, height, width), to be written by the caller."""
        if self._filled == self._slots:
            keep = self._frames - 1
            for slot in range(keep):
                np.copyto(self._planes(slot), self._planes(self._slots - keep + slot))
            self._filled = keep
        self._filled += 1
        return self._planes(self._filled - 1)

    def repeat(self) -> None:
        """Append the newest picture once more."""
        slot = self.append()
        np.copyto(slot, self._planes(self._filled - 2))

    def clear(self) -> None:
        """Begin a shot."""
        self._filled = 0

    @property
    def tensor(self) -> Planes:
        """The window, (1, frames x channels, height, width); shares memory. Complete once `frames` are appended."""
        first = max(0, self._filled - self._frames) * self._channels
        return self._memory[:, first : first + self._frames * self._channels]

    def _planes(self, slot: int) -> Planes:
        return self._memory[0, slot * self._channels : (slot + 1) * self._channels]


def write_padded(plane: Planes, out: Planes) -> None:
    """Write a plane (h, w) into the top left of `out` (H, W), at least as large, and reflect it into the rest."""
    if plane.shape == out.shape:
        np.copyto(out, plane)
        return
    below, right = out.shape[0] - plane.shape[0], out.shape[1] - plane.shape[1]
    cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REFLECT_101, dst=out)


def padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Return height and width rounded up to multiples of `multiple`."""
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple
