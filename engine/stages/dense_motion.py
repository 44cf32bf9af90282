"""Motion between two pictures for every pixel, found on the processor by OpenCV's DIS.

Kroeger et al., Fast Optical Flow using Dense Inverse Search, 2016. On 8-bit pictures of half the size, where grain
hardly shows, with motion found on every fourth of their pixels and refined: 1.2 ms for 640x360 on one core, and for
averaging over time or for warping as good as the finest preset at full size (40 ms).
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Flow = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

FINEST_SCALE = 2
"""Of DIS, where nothing else is asked for: 2^2 pixels of the reduced picture."""
PATCH = 8
"""Side of DIS's patches in pixels, of the preset used."""
LEAST_SIDE = 32
"""Of a reduced picture, in pixels; OpenCV 5.0 reads beyond pictures that hold too few patches."""


class DenseMotion:
    """Finds motion between pictures of one size.

    Parameters
    ----------
    height, width : of the full-size pictures
    reduction : pixels of them, in each direction, to one of a reduced picture; 1: motion is found at full size
    finest : halvings of the reduced picture at which DIS ends; one less takes four times as long

    Attributes
    ----------
    size : height and width of reduced pictures and of the motion found
    scale : x and y by which a motion in reduced pixels is multiplied to be one in full-size pixels
    """

    def __init__(self, height: int, width: int, reduction: int = 2, *, finest: int = FINEST_SCALE) -> None:
        self.size = (max(height // reduction, LEAST_SIDE), max(width // reduction, LEAST_SIDE))
        self.scale = (width / self.size[1], height / self.size[0])
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._search.setFinestScale(min(finest, _coarsest_scale(self.size)))
        self._reduced = np.empty(self.size, np.float32)
        nothing = np.zeros(self.size, np.uint8)
        self.find(nothing, nothing, np.empty((*self.size, 2), np.float32))  # OpenCV 5.0's first call can differ

    def reduce(self, luma: Plane, out: Picture) -> None:
        """Write a picture, float32 (H, W) in 0..1, as uint8 of `size`."""
        cv2.resize(luma, (self.size[1], self.size[0]), dst=self._reduced, interpolation=cv2.INTER_AREA)
        np.multiply(self._reduced, 255.0, out=self._reduced)
        np.clip(self._reduced, 0.0, 255.0, out=self._reduced)
        np.copyto(out, self._reduced, casting="unsafe")

    def find(self, origin: Picture, goal: Picture, out: Flow) -> None:
        """Write where each pixel of one reduced picture lies in another.

        Parameters
        ----------
        origin, goal : as `reduce` made them
        out : float32 (h, w, 2), x and y in reduced pixels: ``origin`` at p looks like ``goal`` at p + out
        """
        out.fill(0.0)  # what it holds is where the search begins: results must not depend on what came before
        self._search.calc(origin, goal, out)


def _coarsest_scale(size: tuple[int, int]) -> int:
    """Return the scale at which OpenCV's DIS begins; a finest scale above it makes it choose scales of its own."""
    return min(int(math.log2(max(size) / (4.0 * PATCH)) + 0.5), int(math.log2(min(size) / PATCH)))
