"""Decoded pictures become frames' pixels: upright, in the film's size, in buffers on loan."""

from typing import Protocol

import av
import cv2
import numpy as np

from engine.device.base import Event, Stream
from engine.media.color import CodedColor, coded_color, film_color
from engine.media.convert import ToChain
from engine.media.upright import orientation_of
from engine.pool import BufferPool, Lease
from engine.types import ColorSpace, FrameSpec, Planes

PREPARED_BUFFERS = 4


class Delivery(Protocol):
    """Fills buffers from pictures."""

    @property
    def pool(self) -> BufferPool:
        """Of the buffers."""
        ...

    @property
    def stream(self) -> Stream | None:
        """Of a device, in which they are filled; None on the host."""
        ...

    def put(self, picture: av.VideoFrame) -> tuple[Lease, Event | None, bool]:
        """Return a picture's pixels, when they are there, and whether it was of another size than the film's first."""
        ...

    def close(self) -> None:
        """Let go of pictures that are still read; buffers that are out stay valid."""
        ...


class HostDelivery:
    """On the processor.

    Parameters
    ----------
    spec : of the frames
    codec : FFmpeg's name of the film's codec
    """

    stream: Stream | None = None

    def __init__(self, spec: FrameSpec, codec: str) -> None:
        self.pool = BufferPool(spec.pixels_shape, prepare=PREPARED_BUFFERS)
        self._converters = Converters(spec, codec)

    def put(self, picture: av.VideoFrame) -> tuple[Lease, Event | None, bool]:
        """Convert; when this returns the pixels are there."""
        with self.pool.lease().filling() as lease:
            return lease, None, self._converters(picture, lease.array)

    def close(self) -> None:
        """Nothing is held."""


class Converters:
    """From decoded pictures in the host's memory to chain planes, whatever sizes, formats and colours they change to.

    Parameters
    ----------
    spec : of the planes
    codec : FFmpeg's name of the film's codec
    """

    def __init__(self, spec: FrameSpec, codec: str) -> None:
        self._spec, self._codec = spec, codec
        self._known: dict[tuple[str, int, int, int, CodedColor], _Converter] = {}

    def __call__(self, picture: av.VideoFrame, pixels: Planes) -> bool:
        """Fill `pixels`, float32 (1 or 3, H, W); return whether the picture had to be resized."""
        key = picture.format.name, picture.width, picture.height, picture.rotation, coded_color(picture)
        converter = self._known.get(key)
        if converter is None:
            converter = self._known[key] = _Converter(picture, film_color(picture, self._codec), self._spec)
        converter(picture, pixels)
        return converter.resizes


class _Converter:
    """From decoded pictures of one size, format, colour and rotation to upright chain planes of the film's size.

    Attributes
    ----------
    resizes : whether the pictures are of another size than the film's first
    """

    def __init__(self, picture: av.VideoFrame, color: ColorSpace, spec: FrameSpec) -> None:
        width, height = picture.width, picture.height
        self._to_chain = ToChain(picture.format.name, width, height, color, spec.format)
        self._orientation = orientation_of(picture)
        upright_width, upright_height = self._orientation.size(width, height)
        self.resizes = (upright_width, upright_height) != (spec.width, spec.height)
        channels = spec.pixels_shape[0]
        self._coded = np.empty((channels, height, width), np.float32) if self._orientation else None
        self._upright = np.empty((channels, upright_height, upright_width), np.float32) if self.resizes else None

    def __call__(self, picture: av.VideoFrame, pixels: Planes) -> None:
        """Fill `pixels`."""
        upright = pixels if self._upright is None else self._upright
        self._to_chain(picture, upright if self._coded is None else self._coded)
        if self._coded is not None:
            self._orientation.apply(self._coded, upright)
        if self._upright is not None:
            _resize(upright, pixels)


def _resize(planes: Planes, out: Planes) -> None:
    shrinks = planes.shape[1] * planes.shape[2] > out.shape[1] * out.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    for plane, target in zip(planes, out, strict=True):
        cv2.resize(plane, (target.shape[1], target.shape[0]), dst=target, interpolation=how)
    np.clip(out, 0.0, 1.0, out=out)
