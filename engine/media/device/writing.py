"""Planes of the chain as an encoder's surface: codes, chroma and dither by one launch."""

from dataclasses import dataclass

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import device_planes, on_device
from engine.errors import PixelFormatError
from engine.frame import Frame
from engine.media.chroma import SITINGS
from engine.media.codes import scales
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.layout import LAYOUTS
from engine.media.pictures import CodedPicture
from engine.types import FrameSpec, PixelFormat

KERNEL, LAB_KERNEL = "write_ycbcr", "write_ycbcr_of_lab"
_PITCH_MULTIPLE = 256
"""Bytes; NVENC wants 4, memory is read in lines of 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceShape:
    """How a semi-planar 4:2:0 surface lies in memory: luma, and right behind its last row the chroma.

    NVENC is given one address and one pitch, and looks for the chroma there, whatever the picture says of it.

    width, height : even
    sample_bytes : 1 or 2
    """

    width: int
    height: int
    sample_bytes: int

    @property
    def pitch(self) -> int:
        """Bytes from row to row."""
        return -(-self.width * self.sample_bytes // _PITCH_MULTIPLE) * _PITCH_MULTIPLE

    @property
    def chroma_at(self) -> int:
        """Bytes from the first luma sample to the first chroma sample."""
        return self.pitch * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and bytes of the memory."""
        return self.height + self.height // 2, self.pitch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patch:
    """A part of the picture that is shown once more at another place: the last column or row of an odd size."""

    from_x: int
    from_y: int
    to_x: int
    to_y: int
    width: int
    height: int


class SurfaceWriter:
    """Fills surfaces from chain frames that lie on the device.

    Parameters
    ----------
    operators : starts the kernels
    spec : of the frames
    coded : of the surfaces; larger than the frames by one column or row where their size is odd
    """

    def __init__(self, operators: Operators, spec: FrameSpec, coded: CodedPicture) -> None:
        layout = LAYOUTS[coded.pix_fmt]
        size = np.dtype(layout.sample).itemsize
        self.surface = SurfaceShape(width=coded.width, height=coded.height, sample_bytes=size)
        self._operators, self._spec = operators, spec
        self._is_lab = spec.format is PixelFormat.LAB
        luma, chroma, _ = scales(layout, coded.color.range)
        weights = COEFFICIENTS[luma_matrix(coded.color, spec.height)]
        siting_x, siting_y = SITINGS[coded.color.chroma_location]
        cb, cr = (self.surface.chroma_at + part.offset * size for part in layout.components[1:])
        self._coding: dict[str, int | float] = {
            "sample_bytes": size,
            "code_shift": layout.shift,
            "dither": int(layout.bits == 8),
            "luma_step": size,
            "luma_pitch_bytes": self.surface.pitch,
            "cb_at": cb,
            "cr_at": cr,
            "chroma_step": 2 * size,
            "chroma_pitch_bytes": self.surface.pitch,
            "siting_x": siting_x,
            "siting_y": siting_y,
            "kr": weights.kr,
            "kb": weights.kb,
            "luma_span": float(luma.span),
            "black": float(luma.zero),
            "chroma_span": float(chroma.span),
            "neutral": float(chroma.zero),
            "chroma_low": float(chroma.low),
            "chroma_high": float(chroma.high),
        }
        self._patches = _patches(spec.width, spec.height, coded.width, coded.height)
        operators.prepare(LAB_KERNEL if self._is_lab else KERNEL)
        if self._patches:
            operators.prepare(KERNEL)

    def __call__(self, frame: Frame, out: DeviceArray) -> None:
        """Give the kernels to the stream; the frame is to be held until the stream has come there.

        Raises
        ------
        PixelFormatError
            A `LAB` frame has no chroma.
        """
        width, height = self._spec.width, self._spec.height
        pixels = view(device_planes(frame))
        domain = (width + 1) // 2, (height + 1) // 2, 1
        if self._is_lab:
            if frame.chroma is None:
                raise PixelFormatError(f"frame {frame.index}: got lab without chroma; wanted ab planes at half size")
            ab = view(on_device(frame.chroma))
            self._operators.run(
                LAB_KERNEL,
                domain,
                picture=pixels,
                ab=ab,
                surface=out,
                width=width,
                height=height,
                pitch=pixels.pitch,
                **ab.strides("ab_"),
                luma_at=0,
                shift_x=1,
                shift_y=1,
                **self._coding,
            )
        else:
            self._write(pixels, out, domain, width=width, height=height, components=3, shift=1, at=0)
        for patch in self._patches:
            first = patch.from_y * pixels.pitch + patch.from_x
            left = (pixels.planes * pixels.plane - first,)
            part = View(
                array=pixels.array.view(first * pixels.array.dtype.itemsize, left),
                planes=1 if self._is_lab else pixels.planes,
                height=patch.height,
                width=patch.width,
                **pixels.strides(),
            )
            at = patch.to_y * self.surface.pitch + patch.to_x * self.surface.sample_bytes
            size = patch.width, patch.height
            self._write(part, out, (*size, 1), width=size[0], height=size[1], components=1, shift=0, at=at)

    def _write(
        self,
        pixels: View,
        out: DeviceArray,
        domain: tuple[int, int, int],
        *,
        width: int,
        height: int,
        components: int,
        shift: int,
        at: int,
    ) -> None:
        self._operators.run(
            KERNEL,
            domain,
            picture=pixels,
            surface=out,
            planes=pixels.planes,
            width=width,
            height=height,
            **pixels.strides(),
            gain=1.0,
            bias=0.0,
            area=0,
            out_width=width,
            out_height=height,
            components=components,
            luma_at=at,
            shift_x=shift,
            shift_y=shift,
            **self._coding,
        )


def _patches(width: int, height: int, coded_width: int, coded_height: int) -> tuple[_Patch, ...]:
    column = _Patch(from_x=width - 1, from_y=0, to_x=width, to_y=0, width=1, height=height)
    row = _Patch(from_x=0, from_y=height - 1, to_x=0, to_y=height, width=width, height=1)
    corner = _Patch(from_x=width - 1, from_y=height - 1, to_x=width, to_y=height, width=1, height=1)
    wide, tall = coded_width > width, coded_height > height
    return (column,) * wide + (row,) * tall + (corner,) * (wide and tall)
