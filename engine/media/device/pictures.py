"""Chain frames on a device on their way into an encoder: NVENC's where they lie, or the processor's."""

from collections import deque
from dataclasses import replace
from typing import Protocol

import av
import numpy as np
from av.video.frame import PictureType

from engine.device.base import Device, Stream
from engine.device.operators import Operators
from engine.device.pool import DeviceLease, DevicePool, current_stream, work_on
from engine.frame import Frame
from engine.media.color import FFMPEG_OF_MATRIX, FFMPEG_OF_RANGE
from engine.media.device.blocks import READ_IN_LINES
from engine.media.device.border import Border
from engine.media.device.lending import LentPlane
from engine.media.device.writing import SurfaceWriter
from engine.media.pictures import CodedPicture, PictureRing, coded_time
from engine.types import FrameFlags, FrameSpec
from engine.work_clock import waiting

PREPARED_SURFACES = 14
"""Surfaces that NVENC may hold at once with two B-frames, and what is being filled."""
MOST_SURFACES = 64
"""As many as FFmpeg keeps registered with NVENC."""

_PITCH_MULTIPLE = 256
"""Bytes; NVENC wants 4. It is given one address and one pitch, and looks for the chroma right behind the last row of
luma, whatever the picture says of it: where `BlockShape` puts it for a semi-planar picture of even size."""


class Pictures(Protocol):
    """Turns chain frames into pictures of an encoding.

    Attributes
    ----------
    stream : that must have waited for a frame's pixels; None: the host has
    """

    stream: Stream | None

    def fill(self, frame: Frame) -> av.VideoFrame:
        """Return the frame's picture, time set. The frame stays the caller's, and may be released at once."""
        ...


class DevicePictures:
    """Pictures for NVENC, in surfaces on the device.

    A surface is lent to the encoder and used again when that has let go of it.

    Parameters
    ----------
    border : FFmpeg on the device
    coded : of the pictures
    spec : of the chain frames
    """

    def __init__(self, border: Border, coded: CodedPicture, spec: FrameSpec) -> None:
        device = border.device
        self._border, self._coded, self._start = border, coded, spec.start
        self.stream: Stream | None = device.stream(urgent=True)  # the encoder must not starve
        self._stream = self.stream
        self._write = SurfaceWriter(Operators(device, self._stream), spec, coded, pitch_multiple=_PITCH_MULTIPLE)
        surface = (self._write.surface.nbytes,)
        self.pool = DevicePool(device, surface, np.uint8, prepare=PREPARED_SURFACES, limit=MOST_SURFACES, pooled=False)
        self._surfaces: dict[int, _LentSurface] = {}
        self._returned: deque[_LentSurface] = deque()

    def fill(self, frame: Frame) -> av.VideoFrame:
        """Return the frame's picture when its surface is written: NVENC reads at once, in a stream of its own."""
        pts = coded_time(frame.time - self._start, self._coded.time_base)
        work_on(self._stream)
        surface = self._surface()
        try:
            self._write(frame, surface.lease.planes)
        except BaseException:
            surface.lease.release()
            raise
        picture = self._picture(surface)
        picture.pts = pts
        picture.pict_type = PictureType.I if FrameFlags.SCENE_CUT in frame.flags else PictureType.NONE
        return picture

    def blank(self) -> av.VideoFrame:
        """Return a picture of nothing, at time 0, to try an encoder with."""
        before = current_stream()
        work_on(self._stream)
        try:
            surface = self._surface()
            self._border.device.clear(surface.lease.planes, self._stream)
            picture = self._picture(surface)
        finally:
            work_on(before)
        picture.pts = 0
        return picture

    @property
    def on_loan(self) -> int:
        """Surfaces that the encoder holds now."""
        self._collect()
        return self.pool.on_loan

    def _surface(self) -> "_LentSurface":
        self._collect()
        lease = self.pool.lease()
        surface = self._surfaces.get(lease.planes.pointer)
        if surface is None:
            surface = _LentSurface(lease, self._write, self._coded, self._border, self._returned)
            self._surfaces[lease.planes.pointer] = surface
        return surface

    def _picture(self, surface: "_LentSurface") -> av.VideoFrame:
        self._stream.record(surface.lease.written)
        surface.lease.written.synchronize()
        picture = surface.lend(self._coded.pix_fmt)
        color = self._coded.color
        picture.colorspace, picture.color_range = FFMPEG_OF_MATRIX[color.matrix], FFMPEG_OF_RANGE[color.range]
        picture.color_primaries, picture.color_trc = color.primaries, color.transfer
        picture.time_base = self._coded.time_base
        return picture

    def _collect(self) -> None:
        """Take back the surfaces that the encoder has let go of."""
        while self._returned:
            self._returned.popleft().lease.release()


class _LentSurface:
    """A surface and its two planes as FFmpeg borrows them."""

    def __init__(
        self,
        lease: DeviceLease,
        writer: SurfaceWriter,
        coded: CodedPicture,
        border: Border,
        returned: "deque[_LentSurface]",
    ) -> None:
        self.lease = lease
        self._border, self._returned, self._out = border, returned, 0
        address, device, dtype = lease.planes.pointer, border.dlpack_device, writer.surface.dtype
        luma, chroma = writer.surface.planes
        pitch = luma.pitch // dtype.itemsize
        half = coded.height // 2, coded.width // 2, 2
        self._planes = (
            LentPlane(address, (coded.height, coded.width), (pitch, 1), dtype, device, self._give_back),
            LentPlane(address + chroma.at, half, (pitch, 2, 1), dtype, device, self._give_back),
        )

    def lend(self, pix_fmt: str) -> av.VideoFrame:
        """Return a picture over the surface, which comes back when the picture's last holder lets go."""
        self._out = len(self._planes)
        return self._border.encoder_picture(self._planes, pix_fmt)

    def _give_back(self) -> None:
        self._out -= 1
        if not self._out:
            self._returned.append(self)


class BroughtDown:
    """Fills the pictures of an encoder on the processor from frames on a device: their codes come down, a `Convert`.

    There is one surface and one block of page-locked memory, since the host waits for each picture where it is needed.

    Parameters
    ----------
    device : where the frames lie
    coded : of the pictures to be filled, which are of the frames' size
    spec : of the frames

    Attributes
    ----------
    stream : that must have waited for a frame's pixels
    """

    def __init__(self, device: Device, coded: CodedPicture, spec: FrameSpec) -> None:
        self._device = device
        self.stream = device.stream(urgent=True)  # the encoder must not starve
        operators = Operators(device, self.stream)
        self._write = SurfaceWriter(operators, spec, coded, pitch_multiple=READ_IN_LINES)
        nbytes = self._write.surface.nbytes
        self._surface, self._block = device.empty((nbytes,), np.uint8), device.pinned((nbytes,), np.uint8)
        self._copied = device.event()

    def __call__(self, frame: Frame, out: av.VideoFrame) -> None:
        """Fill the picture; the host waits until the device is done with the frame, which may be released then."""
        work_on(self.stream)
        self._write(frame, self._surface)
        self._device.download(self._surface, self._block, self.stream)
        self.stream.record(self._copied)
        with waiting():
            self._copied.synchronize()
        self._write.surface.copy_out(self._block, out)


def brought_down(device: Device, coded: CodedPicture, spec: FrameSpec, *, threads: int) -> PictureRing:
    """Return pictures for an encoder on the processor, of frames that lie on a device.

    Parameters
    ----------
    device : where the frames lie
    coded : of the pictures
    spec : of the frames
    threads : of the encoder
    """
    convert = BroughtDown(device, replace(coded, width=spec.width, height=spec.height), spec)
    return PictureRing(coded, spec, threads=threads, convert=convert, stream=convert.stream)
