"""Decoded pictures become frames' pixels on a device, whoever decoded them."""

from contextlib import suppress

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from engine.device.base import Device, DeviceArray, Event, Stream
from engine.device.operators import Operators
from engine.device.pool import DevicePool
from engine.device.ring import PageLockedRing
from engine.errors import DeviceError
from engine.media.color import CodedColor, coded_color, film_color
from engine.media.device.blocks import BlockShape
from engine.media.device.border import Border, Surface
from engine.media.device.reading import KERNELS, SurfaceReader
from engine.media.layout import coded_format, layout_or_stand_in
from engine.media.upright import orientation_of
from engine.pool import Lease
from engine.types import FrameSpec
from engine.work_clock import waiting

PREPARED_BUFFERS = 12
"""Until somebody says how many frames can be out: what is on the way to, and within, the first stage."""

_HELD_PICTURES = 4
"""Surfaces kept while the device may still read them: what the decode thread can be ahead of the device by before it
waits. FFmpeg copies NVDEC's output into memory of its own, of which it has as much as is held."""


class DeviceDelivery:
    """On a device. Pictures that lie there are read where they are; of those that lie on the host the codes go up.

    Parameters
    ----------
    border : FFmpeg on the device
    spec : of the frames
    codec : FFmpeg's name of the film's codec
    """

    def __init__(self, border: Border, spec: FrameSpec, codec: str) -> None:
        device = border.device
        self._border, self._spec, self._codec = border, spec, codec
        self.stream: Stream | None = device.stream()
        self._stream = self.stream
        self._operators = Operators(device, self._stream)
        self._operators.prepare(*KERNELS)
        self.pool = DevicePool(device, spec.pixels_shape, np.float32, prepare=PREPARED_BUFFERS)
        self._decoded = device.event()
        self._readers: dict[tuple[str, int, int, int, CodedColor], SurfaceReader] = {}
        self._held: list[tuple[av.VideoFrame | None, Event]] = [(None, device.event()) for _ in range(_HELD_PICTURES)]
        self._turn = self._waits = 0
        self._carrier = _Carrier(device, self._stream)

    @property
    def waits(self) -> int:
        """How often the host had to wait until the device had read, or copied, a picture: its place was needed."""
        return self._waits + self._carrier.waits

    def put(self, picture: av.VideoFrame) -> tuple[Lease, Event | None, bool]:
        """Give the device what is to be done."""
        reader = self._reader(picture)
        with self.pool.lease().filling() as lease:
            if self._border.holds(picture):
                event = self._hold(picture)
                self._border.mark_decoded(self._decoded)
                self._decoded.wait(self._stream)
                reader(self._border.surface(picture), lease.planes)
                self._stream.record(event)
            else:
                reader(self._carrier(picture), lease.planes)
            self._stream.record(lease.written)
        return lease, lease.written, reader.resizes

    def close(self) -> None:
        """Wait until the device reads no picture any more, then let them go."""
        with suppress(DeviceError):  # whoever waits for a frame has been told, and the pipeline drains its streams
            self._stream.synchronize()
        self._held = [(None, event) for _, event in self._held]

    def _hold(self, picture: av.VideoFrame) -> Event:
        """Keep a picture until its turn comes again and the device has read it; return the event to be recorded."""
        before, event = self._held[self._turn]
        if before is not None and not event.has_come:
            self._waits += 1
            with waiting():
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
                layout_or_stand_in(pix_fmt)[0],
                picture.width,
                picture.height,
                film_color(picture, self._codec),
                orientation_of(picture),
                self._spec,
            )
        return reader


class _Carrier:
    """Takes coded pictures up: into page-locked memory in turn, and from there into one surface, in stream order.

    Parameters
    ----------
    device, stream : where they are read, and in which they are copied and must be read
    """

    def __init__(self, device: Device, stream: Stream) -> None:
        self._device, self._stream = device, stream
        self._shapes: dict[tuple[str, int, int], BlockShape] = {}
        self._reformatter = VideoReformatter()
        self._ring: PageLockedRing | None = None
        self._surface: DeviceArray | None = None
        self._nbytes = self._earlier_waits = 0

    @property
    def waits(self) -> int:
        """How often the host had to wait for page-locked memory."""
        return self._earlier_waits + (0 if self._ring is None else self._ring.waits)

    def __call__(self, picture: av.VideoFrame) -> Surface:
        """Return where the picture lies for whatever this stream is given before the next one is taken up.

        A layout that is not in `LAYOUTS` is unpacked first, as on the processor.
        """
        shape = self._shape(picture)
        if picture.format.name != shape.pix_fmt:
            picture = self._reformatter.reformat(picture, format=shape.pix_fmt, threads=1)
        ring, surface = self._memory(shape.nbytes)
        slot = ring.next_slot()
        block = slot.arrays[0][: shape.nbytes]
        shape.copy_in(block, picture)
        self._device.upload(block, surface.view(0, block.shape), self._stream)
        self._stream.record(slot.copied)
        return Surface(address=surface.pointer, planes=shape.places, nbytes=shape.nbytes)

    def _shape(self, picture: av.VideoFrame) -> BlockShape:
        key = picture.format.name, picture.width, picture.height
        shape = self._shapes.get(key)
        if shape is None:
            pix_fmt, _ = layout_or_stand_in(key[0])
            shape = self._shapes[key] = BlockShape(pix_fmt=pix_fmt, width=key[1], height=key[2])
        return shape

    def _memory(self, nbytes: int) -> tuple[PageLockedRing, DeviceArray]:
        """Return memory for so many bytes; for a picture larger than all before it new memory, once the old is idle."""
        if self._ring is None or self._surface is None or nbytes > self._nbytes:
            if self._ring is not None:
                self._earlier_waits = self.waits + 1
                idle = self._device.event()
                self._stream.record(idle)
                with waiting():
                    idle.synchronize()
            self._ring = PageLockedRing(self._device, [(nbytes,)], np.uint8)
            self._surface = self._device.empty((nbytes,), np.uint8)
            self._nbytes = nbytes
        return self._ring, self._surface
