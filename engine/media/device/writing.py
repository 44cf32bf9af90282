"""Planes of the chain as an encoder's picture on a device: codes, chroma and dither by one launch."""

from dataclasses import dataclass

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import device_planes, on_device
from engine.errors import PixelFormatError
from engine.frame import Frame
from engine.media.chroma import SITINGS
from engine.media.codes import scales
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.device.blocks import BlockShape
from engine.media.layout import LAYOUTS, Layout
from engine.media.pictures import CodedPicture
from engine.types import FrameSpec, PixelFormat

KERNEL, LAB_KERNEL = "write_ycbcr", "write_ycbcr_of_lab"


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
    coded : of the surfaces, in Y'CbCr or grey; those in 4:2:0 may be larger than the frames by one column or row
    pitch_multiple : bytes that a surface's rows are a multiple of

    Attributes
    ----------
    surface : how they lie in memory
    """

    def __init__(self, operators: Operators, spec: FrameSpec, coded: CodedPicture, *, pitch_multiple: int) -> None:
        layout = LAYOUTS[coded.pix_fmt]
        self.surface = BlockShape(
            pix_fmt=coded.pix_fmt, width=coded.width, height=coded.height, pitch_multiple=pitch_multiple
        )
        self._operators, self._spec = operators, spec
        self._components = len(layout.components)
        self._is_lab = spec.format is PixelFormat.LAB and self._components == 3
        self._shifts = layout.shift_x, layout.shift_y
        weights = COEFFICIENTS[luma_matrix(coded.color, spec.height)]
        siting_x, siting_y = SITINGS[coded.color.chroma_location]
        all_scales = scales(layout, coded.color.range)
        luma, chroma = all_scales[0], all_scales[-1]
        (_, luma_step, luma_pitch), (cb_at, chroma_step, chroma_pitch), (cr_at, _, _) = _places(self.surface, layout)
        self._coding: dict[str, int | float] = {
            "sample_bytes": self.surface.dtype.itemsize,
            "code_shift": layout.shift,
            "dither": int(layout.bits == 8),
            "luma_step": luma_step,
            "luma_pitch_bytes": luma_pitch,
            "cb_at": cb_at,
            "cr_at": cr_at,
            "chroma_step": chroma_step,
            "chroma_pitch_bytes": chroma_pitch,
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

        Parameters
        ----------
        frame : on the device
        out : uint8 (bytes,), as many as `surface` has

        Raises
        ------
        PixelFormatError
            A `LAB` frame has no chroma.
        """
        width, height = self._spec.width, self._spec.height
        pixels = view(device_planes(frame))
        shift_x, shift_y = self._shifts
        domain = -(-width >> shift_x), -(-height >> shift_y), 1
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
                shift_x=shift_x,
                shift_y=shift_y,
                **self._coding,
            )
        else:
            self._write(pixels, out, domain, width=width, height=height, components=self._components, at=0)
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
            at = patch.to_y * self.surface.planes[0].pitch + patch.to_x * self.surface.dtype.itemsize
            size = patch.width, patch.height
            self._write(part, out, (*size, 1), width=size[0], height=size[1], components=1, at=at)

    def _write(
        self,
        pixels: View,
        out: DeviceArray,
        domain: tuple[int, int, int],
        *,
        width: int,
        height: int,
        components: int,
        at: int,
    ) -> None:
        shift_x, shift_y = self._shifts if components == 3 else (0, 0)
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
            shift_x=shift_x,
            shift_y=shift_y,
            **self._coding,
        )


def _places(surface: BlockShape, layout: Layout) -> list[tuple[int, int, int]]:
    """Return of Y', Cb and Cr the bytes before the first sample, from one to the next, and from row to row.

    Of grey all three are Y'.
    """
    size, places = surface.dtype.itemsize, list[tuple[int, int, int]]()
    for component in layout.components:
        plane = surface.planes[component.plane]
        places.append((plane.at + component.offset * size, component.step * size, plane.pitch))
    return places if len(places) == 3 else places * 3


def _patches(width: int, height: int, coded_width: int, coded_height: int) -> tuple[_Patch, ...]:
    column = _Patch(from_x=width - 1, from_y=0, to_x=width, to_y=0, width=1, height=height)
    row = _Patch(from_x=0, from_y=height - 1, to_x=0, to_y=height, width=width, height=1)
    corner = _Patch(from_x=width - 1, from_y=height - 1, to_x=width, to_y=height, width=1, height=1)
    wide, tall = coded_width > width, coded_height > height
    return (column,) * wide + (row,) * tall + (corner,) * (wide and tall)
