"""Pictures in memory as the frames of a film, and a place where frames end."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, Stream
from engine.frame import Frame
from engine.pool import BufferPool
from engine.types import FrameFlags, FrameSpec, PixelFormat

Picture = npt.NDArray[np.uint8]


class MemoryFilm:
    """Makes grey frames of pictures, from a pool of its own.

    Parameters
    ----------
    height, width : of the pictures
    rate : of the film, frames a second; one pts unit is one frame
    """

    def __init__(self, height: int, width: int, rate: Fraction) -> None:
        self.spec = FrameSpec(format=PixelFormat.GRAY, width=width, height=height, rate=rate, time_base=1 / rate)
        self._pool = BufferPool(self.spec.pixels_shape)

    def frames(self, pictures: Iterable[Picture], *, is_marked: bool = True) -> Iterator[Frame]:
        """Yield a frame for each picture, uint8 (H, W) each.

        `is_marked` flags the first as a shot's first, as the inspect stage does for those behind it.
        """
        for index, picture in enumerate(pictures):
            lease = self._pool.lease()
            np.divide(picture, np.float32(255), out=lease.array[0], casting="same_kind")
            yield Frame(
                pixels=lease.array,
                format=PixelFormat.GRAY,
                pts=index,
                time_base=self.spec.time_base,
                index=index,
                flags=FrameFlags.SCENE_CUT if is_marked and index == 0 else FrameFlags.NONE,
                duration=self.spec.time_base,
                leases=(lease,),
            )


class Nowhere:
    """A writer that throws frames away."""

    device: Device | None = None
    stream: Stream | None = None

    def open(self, spec: FrameSpec) -> None:
        """Prepare nothing."""

    def write(self, frame: Frame) -> None:
        """Release the frame."""
        frame.release()

    def finish(self) -> None:
        """Complete nothing."""

    def abort(self) -> None:
        """Leave nothing."""
