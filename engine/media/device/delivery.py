"""Decoded pictures become frames' pixels on a device, without coming to the host."""

from collections.abc import Sequence
from contextlib import suppress

import av
import numpy as np

from engine.device.base import Event, Stream
from engine.device.operators import Operators
from engine.device.pool import DeviceLease, DevicePool
from engine.errors import DeviceError
from engine.media.color import CodedColor, coded_color, film_color
from engine.media.delivery import Converters
from engine.media.device.border import Border
from engine.media.device.reading import KERNEL, SurfaceReader
from engine.media.layout import coded_format
from engine.media.upright import orientation_of
from engine.pool import Lease
from engine.types import FrameSpec

PREPARED_BUFFERS = 12
"""As many as `upload` has: what is on the way to, and within, the first stage."""

_HELD_PICTURES = 4
"""Surfaces kept while the device may still read them: what the decode thread can be ahead of the device by before it
waits. FFmpeg copies NVDEC's output into memory of its own, of which it has as much as is held."""
_STAGED_PICTURES = 3


class DeviceDelivery:
    """On a device. Pictures that lie on the host all the same (deinterlaced ones) are converted there and copied up.

    Parameters
    ----------
    border : FFmpeg on the device
    spec : of the frames
    codec : FFmpeg's name of the film's codec

    Attributes
    ----------
    waits : how often the host had to wait until the device had read a picture, because its place was needed
    """

    def __init__(self, border: Border, spec: FrameSpec, codec: str) -> None:
        self.waits = 0
        device = border.device
        self._border, self._spec, self._codec = border, spec, codec
        self.stream: Stream | None = device.stream()
        self._stream = self.stream
        self._operators = Operators(device, self._stream)
        self._operators.prepare(KERNEL)
        self.pool = DevicePool(device, spec.pixels_shape, np.float32, prepare=PREPARED_BUFFERS)
        self._decoded = device.event()
        self._readers: dict[tuple[str, int, int, int, CodedColor], SurfaceReader] = {}
        self._held: list[tuple[av.VideoFrame | None, Event]] = [(None, device.event()) for _ in range(_HELD_PICTURES)]
        self._turn = 0
        self._host: _HostPictures | None = None

    def put(self, picture: av.VideoFrame) -> tuple[Lease, Event | None, bool]:
        """Give the device what is to be done."""
        with self.pool.lease().filling() as lease:
            resizes = self._read(picture, lease) if self._border.holds(picture) else self._bring_up(picture, lease)
            self._stream.record(lease.written)
        return lease, lease.written, resizes

    def _read(self, picture: av.VideoFrame, lease: DeviceLease) -> bool:
        """Fill a buffer from a surface of the decoder's; return whether the picture had to be resized."""
        reader = self._reader(picture)
        event = self._hold(picture)
        self._border.mark_decoded(self._decoded)
        self._decoded.wait(self._stream)
        reader(self._border.surface(picture), lease.planes)
        self._stream.record(event)
        return reader.resizes

    def _bring_up(self, picture: av.VideoFrame, lease: DeviceLease) -> bool:
        """Fill a buffer from the host's memory; return whether the picture had to be resized."""
        if self._host is None:
            self._host = _HostPictures(self._border, self._stream, self._spec, self._codec)
        return self._host(picture, lease)

    def close(self) -> None:
        """Wait until the device reads no surface any more, then let them go."""
        with suppress(DeviceError):  # whoever waits for a frame has been told, and the pipeline drains its streams
            self._stream.synchronize()
        self._held = [(None, event) for _, event in self._held]

    def _hold(self, picture: av.VideoFrame) -> Event:
        """Keep a picture until its turn comes again and the device has read it; return the event to be recorded."""
        before, event = self._held[self._turn]
        if before is not None and not event.has_come:
            self.waits += 1
            event.synchronize()
        self._held[self._turn] = (picture, event)
        self._turn = (self._turn + 1) % len(self._held)
        return event

    def _reader(self, picture: av.VideoFrame) -> SurfaceReader:
        pix_fmt = coded_format(picture)
        key = pix_fmt, picture.width, picture.height, picture.rotation, coded_color(picture)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = SurfaceReader(
                self._operators,
                pix_fmt,
                picture.width,
                picture.height,
                film_color(picture, self._codec),
                orientation_of(picture),
                self._spec,
            )
        return reader


class _HostPictures:
    """From pictures in the host's memory to device buffers, through page-locked memory."""

    def __init__(self, border: Border, stream: Stream, spec: FrameSpec, codec: str) -> None:
        device = border.device
        self._device, self._stream = device, stream
        self._converters = Converters(spec, codec)
        shape: Sequence[int] = spec.pixels_shape
        self._staging = [(device.pinned(shape, np.float32), device.event()) for _ in range(_STAGED_PICTURES)]
        self._turn = 0

    def __call__(self, picture: av.VideoFrame, lease: DeviceLease) -> bool:
        """Fill a buffer; return whether the picture had to be resized."""
        planes, copied = self._staging[self._turn]
        self._turn = (self._turn + 1) % len(self._staging)
        if not copied.has_come:
            copied.synchronize()
        resizes = self._converters(picture, planes)
        self._device.upload(planes, lease.planes, self._stream)
        self._stream.record(copied)
        return resizes
