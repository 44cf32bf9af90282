"""FFmpeg on a simulated device: what PyAV's GPU frames, NVDEC and NVENC are to the engine, over the host's memory.

Pictures come from FFmpeg's own decoders and go into its own encoders. Between them they lie in simulated device memory:
a decoded one is there only when "FFmpeg's stream" has come so far, and is overwritten the moment nobody holds it any
more; one that is lent to the encoder is held for a while, and must not change meanwhile. A test holds the stand-ins
against the real PyAV.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
import pytest

import engine.media.film_source as film_source_module
from engine.device.base import DeviceArray, Event
from engine.device.pool import device_planes, work_on
from engine.media.codec_table import DEVICE_CODECS, VIDEO_CODECS, VideoCodec
from engine.media.device.border import Border
from engine.media.device.lending import LentPlane
from engine.media.film_source import FilmSource
from engine.media.layout import LAYOUTS, samples
from engine.media.reader import FilmReader
from tests.support.simulated_device import POISON, SimulatedDevice, host_view

T = TypeVar("T")

SEMI_PLANAR = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le", "yuv420p12le": "p016le"}
"""What NVDEC makes of FFmpeg's formats."""

PITCH_MULTIPLE, NVENC_HOLDS, DECODE_NS = 128, 4, 1_000_000


class StandInPlane:
    """As `av.video.plane.VideoPlane` of a picture on a device."""

    def __init__(self, address: int, line_size: int, height: int, device: tuple[int, int]) -> None:
        self.buffer_ptr, self.line_size, self.height = address, line_size, height
        self._device = device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


class StandInPicture:
    """As `av.VideoFrame` on a device: everything is the decoded picture's, but its samples."""

    def __init__(self, picture: av.VideoFrame, border: "SimulatedBorder") -> None:
        self._picture, self._border = picture, border
        pix_fmt = SEMI_PLANAR.get(picture.format.name, picture.format.name)
        self.format = av.VideoFormat("cuda", picture.width, picture.height)
        self.sw_format = av.VideoFormat(pix_fmt, picture.width, picture.height)
        memory, self.planes, codes = _surface(picture, pix_fmt, border)

        def decode() -> None:
            host_view(memory)[:] = codes

        border.device.submit(border.decoder_stream, "nvdec", decode, DECODE_NS)
        weakref.finalize(self, border.reuse, memory)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._picture, name)

    @property
    def time_base(self) -> Fraction:
        return self._picture.time_base

    @time_base.setter
    def time_base(self, value: Fraction) -> None:
        self._picture.time_base = value

    def reformat(self, *, format: str) -> av.VideoFrame:
        assert format == self.sw_format.name
        self._border.decoder_stream.synchronize()
        self._border.brought_down += 1
        made = self._picture if format == self._picture.format.name else self._picture.reformat(format=format)
        made.time_base = self._picture.time_base
        return made


class SimulatedBorder(Border):
    """FFmpeg on a simulated device.

    Attributes
    ----------
    no_decoder, no_encoder : why there is none
    swallowed : numbers of decoded pictures that the decoder keeps to itself
    takes : whether the decoder takes a picture; what it does not, FFmpeg decodes itself
    brought_down : pictures that were copied to the host
    """

    def __init__(self, device: SimulatedDevice) -> None:
        self.device: SimulatedDevice = device
        self.dlpack_device = (1, 0)
        self.decoder_stream = device.stream()
        self.no_decoder: str | None = None
        self.no_encoder: str | None = None
        self.swallowed: set[int] = set()
        self.takes: Callable[[av.VideoFrame], bool] = lambda picture: picture.format.name in SEMI_PLANAR
        self.brought_down = 0
        self._decoded = 0
        self._memory: list[DeviceArray] = []
        self._held: deque[tuple[av.VideoFrame, bytes]] = deque()

    def accelerator(self) -> Any:
        return "simulated"

    def why_no_decoder(self) -> str | None:
        return self.no_decoder

    def why_no_encoder(self, encoder: str) -> str | None:
        return self.no_encoder

    def holds(self, picture: Any) -> bool:
        return isinstance(picture, StandInPicture)

    def mark_decoded(self, event: Event) -> None:
        self.decoder_stream.record(event)

    def encoder_picture(self, planes: Sequence[LentPlane], pix_fmt: str) -> av.VideoFrame:
        assert planes[0].pointer in self.device.plain, "NVENC does not register memory of a pool"
        picture = av.VideoFrame.from_dlpack(tuple(planes), format=pix_fmt)
        self._held.append((picture, content(picture)))
        if len(self._held) > NVENC_HOLDS:
            self.let_go(1)
        return picture

    def let_go(self, count: int | None = None) -> None:
        """Let the encoder let go of its oldest pictures, all of them unless told."""
        for _ in range(len(self._held) if count is None else count):
            picture, before = self._held.popleft()
            assert content(picture) == before, "a surface was written while the encoder held it"

    def decoded(self, pictures: list[av.VideoFrame]) -> list[Any]:
        """Return what the device's decoder gives for pictures of FFmpeg's own."""
        made: list[Any] = []
        for picture in pictures:
            number, self._decoded = self._decoded, self._decoded + 1
            if number not in self.swallowed:
                made.append(StandInPicture(picture, self) if self.takes(picture) else picture)
        return made

    def keep(self, memory: DeviceArray) -> None:
        """Keep memory allocated, whoever lets go of it."""
        self._memory.append(memory)

    def reuse(self, memory: DeviceArray) -> None:
        """Let the decoder overwrite a surface that nobody holds: it needs the room."""

        def overwrite() -> None:
            host_view(memory)[:] = POISON

        self.device.submit(self.decoder_stream, "nvdec", overwrite, 0)


def content(picture: av.VideoFrame) -> bytes:
    """Return all bytes of a picture."""
    return b"".join(bytes(memoryview(plane)) for plane in picture.planes)


@contextmanager
def simulated_decoder(border: SimulatedBorder) -> Iterator[None]:
    """Let films that are opened with an accelerator be decoded by the simulated device."""
    opened, decode = film_source_module.open_container, FilmSource._decode

    def decode_there(self: FilmSource, packet: Any) -> list[Any]:
        pictures = decode(self, packet)
        return pictures if self._count is None else border.decoded(pictures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film_source_module, "open_container", lambda source, accelerator: opened(source))
        patch.setattr(FilmSource, "_decode", decode_there)
        yield


def lossless(row: VideoCodec) -> VideoCodec:
    """Return a codec's row that loses nothing, coded by x264."""
    return replace(
        VIDEO_CODECS["h264"], told_format=row.told_format, pix_fmts=row.pix_fmts, dial=((0, 0.0),), dial_option="qp"
    )


@contextmanager
def simulated_encoder(told: str = "nv12", **changes: Any) -> Iterator[None]:
    """Let x264, losing nothing, stand for NVENC and be what the processor codes with; it is told pictures of `told`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VIDEO_CODECS, "h264", lossless(VIDEO_CODECS["h264"]))
        there = replace(lossless(DEVICE_CODECS["h264"]), told_format=told)
        patch.setitem(DEVICE_CODECS, "h264", replace(there, **changes))
        yield


def _surface(
    picture: av.VideoFrame, pix_fmt: str, border: SimulatedBorder
) -> tuple[DeviceArray, tuple[StandInPlane, StandInPlane], np.ndarray]:
    """Return memory for a picture, its planes, and the bytes that decoding puts there."""
    source, layout = LAYOUTS[picture.format.name], LAYOUTS.get(pix_fmt, LAYOUTS["nv12"])
    dtype = np.dtype(layout.sample)
    width, height = picture.width + picture.width % 2, picture.height + picture.height % 2
    pitch = -(-width * dtype.itemsize // PITCH_MULTIPLE) * PITCH_MULTIPLE
    codes = np.full((height * 3 // 2, pitch // dtype.itemsize), 0xAA, dtype)
    raised = 8 * dtype.itemsize - source.bits if dtype.itemsize > 1 else 0
    if source.family == "yuv" and (source.shift_x, source.shift_y) == (1, 1):
        for component, (first, step) in enumerate(((0, 1), (height, 2), (height, 2))):
            values = samples(picture, source, component)
            rows, columns = values.shape
            offset = 1 if component == 2 else 0
            codes[first : first + rows, offset : offset + columns * step : step] = values.astype(dtype) << raised
    memory = border.device.empty((codes.nbytes,), np.uint8)
    border.keep(memory)
    luma = StandInPlane(memory.pointer, pitch, picture.height, border.dlpack_device)
    chroma = StandInPlane(memory.pointer + height * pitch, pitch, (picture.height + 1) // 2, border.dlpack_device)
    return memory, (luma, chroma), codes.reshape(-1).view(np.uint8)


def read_in_step(reader: FilmReader, device: SimulatedDevice, count: int, figures: Callable[[], T]) -> tuple[T, T]:
    """Copy a reader's frames away at the film's pace; return `figures` after ten of them, and at the end."""
    stream, frames = device.stream(), reader.frames()
    out = device.empty(reader.spec.pixels_shape, np.float32)
    settled: list[T] = []
    for number in range(count):
        frame = next(frames)
        assert frame.ready is not None
        frame.ready.wait(stream)
        work_on(stream)
        device.copy(device_planes(frame), out, stream)
        frame.release()
        work_on(reader._delivery.stream)
        if number == 10:
            settled.append(figures())
        device.reach(device.host_ns + 10_000_000)  # a frame's time passes
    return settled[0], figures()
