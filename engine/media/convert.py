"""From a decoder's pictures to the planes of the chain, and back to an encoder's: each once per frame.

Codes become numbers through tables made when a converter is made (8-bit and 16-bit alike, either byte order), numbers
become codes by one multiply-add that rounds to nearest. Scratch memory belongs to the converter: one per thread.
"""

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from engine.errors import PixelFormatError
from engine.frame import Frame
from engine.media.chroma import MIDDLE, SITINGS, Enlarge, Move, Plane, Shrink
from engine.media.codes import dither_pattern, number_tables, scales
from engine.media.color import COEFFICIENTS, Coefficients, luma_matrix, output_color
from engine.media.lab import LabToChroma, half_size
from engine.media.layout import LAYOUTS, layout_or_stand_in, samples
from engine.types import ColorSpace, FrameSpec, PixelFormat, Planes

OUTPUT_FORMATS = (
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuvj420p",
    "yuvj422p",
    "yuvj444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "yuv422p12le",
    "yuv444p12le",
    "yuv444p16le",
    "yuyv422",
    "uyvy422",
    "gray",
    "gray10le",
    "gray12le",
    "gray16le",
    "rgb24",
    "bgr24",
    "rgb48le",
    "gbrp",
    "gbrp10le",
    "gbrp12le",
    "gbrp16le",
)
"""What `FromChain` can fill."""


class ToChain:
    """Turn decoded pictures of one format and size into `GRAY` or `RGB` planes.

    Formats that `engine.media.layout` knows are read directly; others go through swscale into one that holds them
    without loss. Alpha is left out.

    Parameters
    ----------
    pix_fmt : FFmpeg's name of the decoded format
    width, height : of the picture
    color : what its numbers mean
    target : `GRAY` (Y' of the film, range expanded, untouched otherwise) or `RGB`

    Raises
    ------
    PixelFormatError
        `target` is neither.
    """

    def __init__(self, pix_fmt: str, width: int, height: int, color: ColorSpace, target: PixelFormat) -> None:
        if target not in (PixelFormat.GRAY, PixelFormat.RGB):
            raise PixelFormatError(f"reader: got target {target.value!r}; wanted gray or rgb; colouring makes lab")
        self._format, self._layout = layout_or_stand_in(pix_fmt)
        self._reformatter = VideoReformatter() if self._format != pix_fmt else None
        self._coefficients = COEFFICIENTS[luma_matrix(color, height)]
        self._tables = number_tables(self._layout, color.range)
        shapes = [self._layout.size(index, width, height) for index in range(len(self._layout.components))]
        dtype = np.dtype(self._layout.sample.replace(">", "<"))
        self._codes = [np.empty(shape, dtype) for shape in shapes]
        self._planes = [np.empty(shape, np.float32) for shape in shapes]
        shift_x, shift_y = self._layout.shift_x, self._layout.shift_y
        self._enlarge = (
            Enlarge(height, width, shift_x=shift_x, shift_y=shift_y, siting=SITINGS[color.chroma_location])
            if shift_x or shift_y
            else None
        )
        self._wide = [np.empty((height, width), np.float32) for _ in range(2)] if self._enlarge else []
        self._fill = {
            ("gray", PixelFormat.GRAY): self._luma,
            ("yuv", PixelFormat.GRAY): self._luma,
            ("rgb", PixelFormat.GRAY): self._luma_of_rgb,
            ("gray", PixelFormat.RGB): self._rgb_of_gray,
            ("yuv", PixelFormat.RGB): self._rgb_of_yuv,
            ("rgb", PixelFormat.RGB): self._rgb,
        }[self._layout.family, target]

    def __call__(self, picture: av.VideoFrame, pixels: Planes) -> None:
        """Write `picture` into `pixels`, float32 (1 or 3, H, W), clipped to [0, 1]."""
        if self._reformatter is not None:
            picture = self._reformatter.reformat(picture, format=self._format, threads=1)
        self._fill(picture, pixels)

    def _read(self, picture: av.VideoFrame, component: int, out: Plane) -> None:
        codes = samples(picture, self._layout, component)
        if codes.ndim == 3:
            offset = self._layout.components[component].offset
            codes = cv2.extractChannel(codes, offset, dst=self._codes[component])
        elif codes.strides[0] < 0:
            np.copyto(self._codes[component], codes)
            codes = self._codes[component]
        cv2.LUT(codes, self._tables[component], dst=out)

    def _luma(self, picture: av.VideoFrame, pixels: Planes) -> None:
        self._read(picture, 0, pixels[0])

    def _luma_of_rgb(self, picture: av.VideoFrame, pixels: Planes) -> None:
        for component, plane in enumerate(self._planes):
            self._read(picture, component, plane)
        _weigh(self._coefficients, self._planes, pixels[0])

    def _rgb_of_gray(self, picture: av.VideoFrame, pixels: Planes) -> None:
        self._read(picture, 0, pixels[0])
        pixels[1:] = pixels[0]

    def _rgb(self, picture: av.VideoFrame, pixels: Planes) -> None:
        for component, plane in enumerate(pixels):
            self._read(picture, component, plane)

    def _rgb_of_yuv(self, picture: av.VideoFrame, pixels: Planes) -> None:
        for component, plane in enumerate(self._planes):
            self._read(picture, component, plane)
        luma, cb, cr = self._planes
        if self._enlarge is not None:
            for source, out in zip((cb, cr), self._wide, strict=True):
                self._enlarge(source, out)
            cb, cr = self._wide
        _mix_rgb(self._coefficients, luma, cb, cr, pixels)
        np.clip(pixels, 0.0, 1.0, out=pixels)


class FromChain:
    """Fill an encoder's pictures from chain frames.

    Rounds to the nearest code and clips to the nominal range. Pictures of 8 bits are dithered (ordered, ±0.49 code),
    which leaves numbers that are codes exactly as they are.

    Parameters
    ----------
    spec : of the frames to come
    pix_fmt : one of `OUTPUT_FORMATS`
    dither : dither 8-bit pictures

    Attributes
    ----------
    color : what the written numbers mean; the encoder is to be tagged with it

    Raises
    ------
    PixelFormatError
        `pix_fmt` cannot be filled.
    """

    def __init__(self, spec: FrameSpec, pix_fmt: str, *, dither: bool = True) -> None:
        if pix_fmt not in OUTPUT_FORMATS:
            raise PixelFormatError(f"writer: got pixel format {pix_fmt!r}; wanted one of {', '.join(OUTPUT_FORMATS)}")
        self._layout = layout = LAYOUTS[pix_fmt]
        self._format = spec.format
        height, width = spec.height, spec.width
        self.color = output_color(
            spec.color, family=layout.family, is_full_range=layout.is_full_range, height=spec.height
        )
        matrix = luma_matrix(spec.color, height)
        self._coefficients = COEFFICIENTS[matrix]
        self._scales = scales(layout, self.color.range)
        shapes = [layout.size(index, width, height) for index in range(len(layout.components))]
        self._codes = [np.empty(shape, layout.sample) for shape in shapes]
        self._dither = dither_pattern(height, width) if dither and layout.bits == 8 else None
        self._luma = np.empty((height, width), np.float32)
        self._rgb = np.empty((3, height, width), np.float32)
        self._chroma = _ChromaMaker(spec, self._coefficients, layout.shift_x, layout.shift_y, self.color)
        self._fill = {
            "gray": self._write_luma,
            "yuv": self._write_yuv,
            "rgb": self._write_rgb,
        }[layout.family]

    def __call__(self, frame: Frame, out: av.VideoFrame) -> None:
        """Fill the planes of `out`, of the format and size given, from `frame`, which stays its owner's."""
        self._fill(frame, out)

    def _luma_of(self, frame: Frame) -> Plane:
        if self._format is not PixelFormat.RGB:
            return frame.pixels[0]
        _weigh(self._coefficients, frame.pixels, self._luma)
        return self._luma

    def _write_luma(self, frame: Frame, out: av.VideoFrame) -> None:
        self._write(self._luma_of(frame), 0, out)

    def _write_yuv(self, frame: Frame, out: av.VideoFrame) -> None:
        luma = self._luma_of(frame)
        self._write(luma, 0, out)
        if self._format is PixelFormat.GRAY:
            for component in (1, 2):
                view = samples(out, self._layout, component)
                its = view if view.ndim == 2 else view[..., self._layout.components[component].offset]
                its[...] = self._scales[component].zero
            return
        for component, plane in enumerate(self._chroma(frame, luma), start=1):
            self._write(plane, component, out)

    def _write_rgb(self, frame: Frame, out: av.VideoFrame) -> None:
        planes = frame.pixels
        if self._format is PixelFormat.GRAY:
            planes = (frame.pixels[0],) * 3
        elif self._format is PixelFormat.LAB:
            cb, cr = self._chroma(frame, frame.pixels[0])
            _mix_rgb(self._coefficients, frame.pixels[0], cb, cr, self._rgb)
            planes = self._rgb
        for component, plane in enumerate(planes):
            self._write(plane, component, out)

    def _write(self, plane: Plane, component: int, out: av.VideoFrame) -> None:
        scale, view = self._scales[component], samples(out, self._layout, component)
        codes = view if view.ndim == 2 else self._codes[component]
        depth = cv2.CV_8U if self._layout.sample == "u1" else cv2.CV_16U
        if self._dither is None:
            cv2.addWeighted(plane, scale.span, plane, 0.0, scale.zero, dst=codes, dtype=depth)
        else:
            dither = self._dither[: plane.shape[0], : plane.shape[1]]
            cv2.addWeighted(plane, scale.span, dither, 1.0, scale.zero, dst=codes, dtype=depth)
        np.clip(codes, scale.low, scale.high, out=codes)
        if view.ndim == 3:
            cv2.insertChannel(codes, view, self._layout.components[component].offset)


class LabToRgb:
    """Turn `LAB` frames into R'G'B' planes, for whoever takes pictures and no codes.

    Parameters
    ----------
    spec : of the frames to come
    """

    def __init__(self, spec: FrameSpec) -> None:
        self._coefficients = COEFFICIENTS[luma_matrix(spec.color, spec.height)]
        self._chroma = _ChromaMaker(spec, self._coefficients, 0, 0, spec.color)

    def __call__(self, frame: Frame, out: Planes) -> None:
        """Write R'G'B' into `out`, float32 (3, H, W), clipped to [0, 1]."""
        luma = frame.pixels[0]
        cb, cr = self._chroma(frame, luma)
        _mix_rgb(self._coefficients, luma, cb, cr, out)
        np.clip(out, 0.0, 1.0, out=out)


class _ChromaMaker:
    """Cb and Cr of `LAB` or `RGB` frames at the subsampling and siting of the output."""

    def __init__(
        self, spec: FrameSpec, coefficients: Coefficients, shift_x: int, shift_y: int, color: ColorSpace
    ) -> None:
        height, width = spec.height, spec.width
        siting = SITINGS[color.chroma_location]
        self._coefficients = coefficients
        self._out = [np.empty((-(-height >> shift_y), -(-width >> shift_x)), np.float32) for _ in range(2)]
        self._is_half = bool(shift_x and shift_y)
        if spec.format is PixelFormat.LAB:
            self._from_lab = LabToChroma(height, width, luma_matrix(spec.color, height))
            self._half = np.empty((2, *half_size(height, width)), np.float32)
            self._moved = np.empty(half_size(height, width), np.float32)
            self._move = Move(shift_x=shift_x, shift_y=shift_y, siting=siting)
            rows, columns = self._out[0].shape
            self._enlarge = Enlarge(rows, columns, shift_x=1 - shift_x, shift_y=1 - shift_y, siting=MIDDLE)
            self._make = self._of_lab
        else:
            is_full = not (shift_x or shift_y)
            self._shrink = None if is_full else Shrink(height, width, shift_x=shift_x, shift_y=shift_y, siting=siting)
            self._full = np.empty((height, width), np.float32)
            self._make = self._of_rgb

    def __call__(self, frame: Frame, luma: Plane) -> list[Plane]:
        """Return Cb and Cr, valid until the next call."""
        self._make(frame, luma)
        return self._out

    def _of_lab(self, frame: Frame, luma: Plane) -> None:
        if frame.chroma is None:
            raise PixelFormatError(f"frame {frame.index}: got lab without chroma; wanted ab planes at half size")
        self._from_lab(luma, frame.chroma, self._half)
        for half, out in zip(self._half, self._out, strict=True):
            source = half
            if self._move.is_needed:
                self._move(half, out if self._is_half else self._moved)
                source = self._moved
            if not self._is_half:
                self._enlarge(source, out)
            elif not self._move.is_needed:
                np.copyto(out, half)

    def _of_rgb(self, frame: Frame, luma: Plane) -> None:
        weights = self._coefficients
        for plane, scale, out in (
            (frame.pixels[2], weights.cb_scale, self._out[0]),
            (frame.pixels[0], weights.cr_scale, self._out[1]),
        ):
            full = out if self._shrink is None else self._full
            cv2.addWeighted(plane, 1 / scale, luma, -1 / scale, 0, dst=full)
            if self._shrink is not None:
                self._shrink(full, out)


def _weigh(weights: Coefficients, rgb: npt.NDArray[np.float32] | list[Plane], out: Plane) -> None:
    """Write Y' of R', G', B' planes into `out`."""
    cv2.addWeighted(rgb[0], weights.kr, rgb[1], weights.kg, 0, dst=out)
    cv2.scaleAdd(rgb[2], weights.kb, out, dst=out)


def _mix_rgb(weights: Coefficients, luma: Plane, cb: Plane, cr: Plane, out: Planes) -> None:
    """Write R', G', B' of Y', Cb, Cr planes of one size into `out`, unclipped."""
    cv2.scaleAdd(cr, weights.cr_scale, luma, dst=out[0])
    cv2.scaleAdd(cb, -weights.cb_scale * weights.kb / weights.kg, luma, dst=out[1])
    cv2.scaleAdd(cr, -weights.cr_scale * weights.kr / weights.kg, out[1], dst=out[1])
    cv2.scaleAdd(cb, weights.cb_scale, luma, dst=out[2])
