"""A decoder's picture on a device as planes of the chain: upright, in the film's size, by one launch."""

from dataclasses import dataclass

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, view
from engine.media.chroma import SITINGS
from engine.media.codes import scales
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.device.border import Surface
from engine.media.layout import LAYOUTS, Layout
from engine.media.upright import Orientation
from engine.types import ColorSpace, FrameSpec

KERNELS = "read_ycbcr", "read_rgb"
"""By what the samples are: Y'CbCr, or R'G'B' and grey."""

Value = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one component's samples lie in a surface, in bytes.

    at : of the first sample
    across, down : from one sample to the next, and from row to row; below 0 where the picture is mirrored
    """

    at: int
    across: int
    down: int

    def upright(self, orientation: Orientation, width: int, height: int) -> "Place":
        """Return the place of the same samples seen upright; `width` and `height` of the component as coded."""
        at, across, down = self.at, self.across, self.down
        if orientation.is_transposed:
            across, down, width, height = down, across, height, width
        if orientation.flips_x:
            at, across = at + (width - 1) * across, -across
        if orientation.flips_y:
            at, down = at + (height - 1) * down, -down
        return Place(at=at, across=across, down=down)


class SurfaceReader:
    """Fills chain planes from surfaces of one format, size, colour and orientation.

    A turned or mirrored picture costs nothing: where a component's next sample lies is data to the kernel, and may as
    well be the one below or before it.

    Parameters
    ----------
    operators : starts the kernel
    pix_fmt : of the surface, one of `LAYOUTS`; its samples of two bytes have the lower one first
    width, height : of the picture as coded
    color : what its numbers mean
    orientation : how it is to be seen
    spec : of the chain's frames; pictures of another size are brought to theirs, the mean of what is made smaller,
        linear between what is made larger

    Attributes
    ----------
    resizes : whether the pictures are of another size than the film's first
    """

    def __init__(
        self,
        operators: Operators,
        pix_fmt: str,
        width: int,
        height: int,
        color: ColorSpace,
        orientation: Orientation,
        spec: FrameSpec,
    ) -> None:
        self._operators = operators
        self._layout = layout = LAYOUTS[pix_fmt]
        self._coded = width, height
        self._orientation = orientation
        upright_width, upright_height = orientation.size(width, height)
        self.resizes = (upright_width, upright_height) != (spec.width, spec.height)
        self._domain = spec.width, spec.height, 1
        self._kernel, coding = (_ycbcr if layout.family == "yuv" else _rgb)(layout, color, orientation, width, height)
        self._fixed: dict[str, Value] = {
            **coding,
            "width": upright_width,
            "height": upright_height,
            "sample_bytes": np.dtype(layout.sample).itemsize,
            "area": int(spec.width * spec.height < upright_width * upright_height),
            "out_width": spec.width,
            "out_height": spec.height,
            "padded_width": spec.width,
            "padded_height": spec.height,
            "reflect": 0,
            "planes": spec.pixels_shape[0],
            **{f"gain_{plane}": 1.0 for plane in range(3)},
            **{f"bias_{plane}": 0.0 for plane in range(3)},
        }
        self._places: dict[tuple[tuple[int, int], ...], dict[str, Value]] = {}

    def __call__(self, surface: Surface, out: DeviceArray) -> None:
        """Give the kernel to the stream.

        Parameters
        ----------
        surface : to be read; whoever has the picture holds it until the stream has come here
        out : float32 (1 or 3, H, W) of the spec's size
        """
        memory = DeviceArray(surface.address, (surface.nbytes,), np.dtype(np.uint8), None)
        places = self._places.get(surface.planes)
        if places is None:
            places = self._places[surface.planes] = self._placed(surface)
        target = view(out)
        self._operators.run(
            self._kernel,
            self._domain,
            surface=memory,
            out=target,
            **target.strides(),
            **self._fixed,
            **places,
        )

    def _placed(self, surface: Surface) -> dict[str, Value]:
        size = np.dtype(self._layout.sample).itemsize
        places: list[Place] = []
        for number, component in enumerate(self._layout.components):
            start, pitch = surface.planes[component.plane]
            rows, columns = self._layout.size(number, *self._coded)
            place = Place(at=start + component.offset * size, across=component.step * size, down=pitch)
            places.append(place.upright(self._orientation, columns, rows))
        if self._layout.family == "yuv":
            luma, cb, cr = places
            return {
                "luma_at": luma.at,
                "luma_step": luma.across,
                "luma_pitch_bytes": luma.down,
                "cb_at": cb.at,
                "cr_at": cr.at,
                "chroma_step": cb.across,
                "chroma_pitch_bytes": cb.down,
            }
        red, green, blue = places if len(places) == 3 else places * 3
        return {
            "red_at": red.at,
            "green_at": green.at,
            "blue_at": blue.at,
            "step": red.across,
            "pitch_bytes": red.down,
        }


def _ycbcr(
    layout: Layout, color: ColorSpace, orientation: Orientation, width: int, height: int
) -> tuple[str, dict[str, Value]]:
    """Return the kernel for Y'CbCr, and how its numbers are made; `width` and `height` as coded."""
    luma, chroma, _ = scales(layout, color.range)
    unit, weights = 1 << layout.shift, COEFFICIENTS[luma_matrix(color, height)]
    siting_x, siting_y = _sitings(layout, orientation, color, width, height)
    return KERNELS[0], {
        "shift_x": layout.shift_y if orientation.is_transposed else layout.shift_x,
        "shift_y": layout.shift_x if orientation.is_transposed else layout.shift_y,
        "siting_x": siting_x,
        "siting_y": siting_y,
        "black": float(luma.zero * unit),
        "luma_gain": 1.0 / (luma.span * unit),
        "neutral": float(chroma.zero * unit),
        "chroma_gain": 1.0 / (chroma.span * unit),
        "cr_to_red": weights.cr_scale,
        "cb_to_green": -weights.cb_scale * weights.kb / weights.kg,
        "cr_to_green": -weights.cr_scale * weights.kr / weights.kg,
        "cb_to_blue": weights.cb_scale,
    }


def _rgb(
    layout: Layout, color: ColorSpace, orientation: Orientation, width: int, height: int
) -> tuple[str, dict[str, Value]]:
    """Return the kernel for R'G'B', and for grey, which is three times the same; and how its numbers are made."""
    scale, unit = scales(layout, color.range)[0], 1 << layout.shift
    weights = COEFFICIENTS[luma_matrix(color, height)]
    red, green, blue = (weights.kr, weights.kg, weights.kb) if layout.family == "rgb" else (1.0, 0.0, 0.0)
    return KERNELS[1], {
        "black": float(scale.zero * unit),
        "code_gain": 1.0 / (scale.span * unit),
        "red_weight": red,
        "green_weight": green,
        "blue_weight": blue,
    }


def _sitings(
    layout: Layout, orientation: Orientation, color: ColorSpace, width: int, height: int
) -> tuple[float, float]:
    """Return where chroma samples of the upright picture stand, x and y."""
    siting_x, siting_y = SITINGS[color.chroma_location]
    shift_x, shift_y = layout.shift_x, layout.shift_y
    if orientation.is_transposed:
        siting_x, siting_y, shift_x, shift_y, width, height = siting_y, siting_x, shift_y, shift_x, height, width
    if orientation.flips_x:
        siting_x = _mirrored(siting_x, shift_x, width)
    if orientation.flips_y:
        siting_y = _mirrored(siting_y, shift_y, height)
    return siting_x, siting_y


def _mirrored(siting: float, shift: int, size: int) -> float:
    """Return where chroma samples stand along an axis of `size` luma samples that is turned round.

    Where the last one is for as many luma samples as the others, f of them, s becomes 1 - s; where it is for fewer, all
    stand that much further to the left.
    """
    factor = 1 << shift
    if factor == 1:
        return siting
    lacking = -size % factor
    return 1.0 - siting - lacking / (factor - 1)
