"""Pictures on their way into an encoder: chain frames become `av.VideoFrame`s, in buffers used again and again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType
from av.video.plane import VideoPlane

from engine.device.base import Stream
from engine.errors import TimestampError
from engine.frame import Frame
from engine.media.color import FFMPEG_OF_MATRIX, FFMPEG_OF_RANGE
from engine.media.convert import FromChain
from engine.media.layout import LAYOUTS
from engine.types import ColorSpace, FrameFlags, FrameSpec

Convert = Callable[[Frame, av.VideoFrame], None]
"""Fills the planes of a video frame from a chain frame of the same size."""

_SPARE_PICTURES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedPicture:
    """What an encoder is given.

    pix_fmt : FFmpeg's pixel format
    width, height : may exceed the film's by one where a codec wants even sizes
    color : what the numbers mean
    time_base : seconds per unit of the pictures' times, which count from the film's start
    """

    pix_fmt: str
    width: int
    height: int
    color: ColorSpace
    time_base: Fraction


class PictureRing:
    """Turns chain frames into pictures of an encoding, over a few buffers used in turn.

    Encoders may keep a reference to a picture after they were given it (those that code several frames at once do, the
    others copy). The ring is as long as the encoder has threads and two more; a buffer that is still referenced when
    its turn comes again is left to the encoder and replaced (`make_writable`), so no picture is ever overwritten.

    Parameters
    ----------
    coded : of the pictures
    spec : of the chain frames
    threads : of the encoder
    convert : fills pictures of the frames' size; None: the processor does, from frames that lie there
    stream : in which it works
    """

    def __init__(
        self,
        coded: CodedPicture,
        spec: FrameSpec,
        *,
        threads: int = 1,
        convert: Convert | None = None,
        stream: Stream | None = None,
    ) -> None:
        self.stream = stream
        self._coded = coded
        self._start = spec.start
        self._convert = convert or FromChain(replace(spec, color=coded.color), coded.pix_fmt)
        self._ring = [self._picture(coded.width, coded.height) for _ in range(threads + _SPARE_PICTURES)]
        self._next = 0
        is_padded = (coded.width, coded.height) != (spec.width, spec.height)
        self._inner = self._picture(spec.width, spec.height) if is_padded else None

    def fill(self, frame: Frame) -> av.VideoFrame:
        """Return the frame's picture, time set; valid until the ring comes round. The frame stays the caller's."""
        picture = self._ring[self._next]
        self._next = (self._next + 1) % len(self._ring)
        picture.make_writable()
        if self._inner is None:
            self._convert(frame, picture)
        else:
            self._convert(frame, self._inner)
            _pad(self._inner, picture)
        picture.pts = coded_time(frame.time - self._start, self._coded.time_base)
        picture.time_base = self._coded.time_base
        picture.pict_type = PictureType.I if FrameFlags.SCENE_CUT in frame.flags else PictureType.NONE
        return picture

    def _picture(self, width: int, height: int) -> av.VideoFrame:
        color = self._coded.color
        picture = av.VideoFrame(width, height, self._coded.pix_fmt)
        picture.colorspace, picture.color_range = FFMPEG_OF_MATRIX[color.matrix], FFMPEG_OF_RANGE[color.range]
        picture.color_primaries, picture.color_trc = color.primaries, color.transfer
        return picture


def coded_time(time: Fraction, time_base: Fraction) -> int:
    """Return `time` seconds in units of `time_base`; TimestampError where that is no whole number."""
    units = time / time_base
    if units.denominator != 1:
        raise TimestampError(
            f"a frame at {time} s after the film's start: got {units} units of {time_base} s; wanted a whole number; "
            "the stage before the writer must put its times on the grid that its spec declares"
        )
    return units.numerator


def rows_of(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """Return a plane's memory as uint8 (rows, pitch), writable."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


def _pad(source: av.VideoFrame, target: av.VideoFrame) -> None:
    """Copy a planar picture into one at most one column and row larger; the last column and row are repeated."""
    sample = np.dtype(LAYOUTS[source.format.name].sample)
    for inner, outer in zip(source.planes, target.planes, strict=True):
        width, height = inner.width, inner.height
        rows, padded = rows_of(inner).view(sample), rows_of(outer).view(sample)
        padded[:height, :width] = rows[:height, :width]
        padded[:height, width : outer.width] = rows[:height, width - 1 : width]
        padded[height : outer.height] = padded[height - 1]
