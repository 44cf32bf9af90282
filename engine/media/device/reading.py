"""A decoder's surface as planes of the chain: upright, in the film's size, by one launch."""

from dataclasses import dataclass

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, view
from engine.media.chroma import SITINGS
from engine.media.codes import scales
from engine.media.color import COEFFICIENTS, luma_matrix
from engine.media.device.border import Surface
from engine.media.layout import LAYOUTS
from engine.media.upright import Orientation
from engine.types import ColorSpace, FrameSpec

KERNEL = "read_ycbcr"

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
    pix_fmt : of the surface, semi-planar 4:2:0
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
        planes = spec.pixels_shape[0]
        luma, chroma, _ = scales(layout, color.range)
        unit, weights = 1 << layout.shift, COEFFICIENTS[luma_matrix(color, height)]
        siting_x, siting_y = _sitings(orientation, color, width, height)
        self._fixed: dict[str, Value] = {
            "width": upright_width,
            "height": upright_height,
            "sample_bytes": np.dtype(layout.sample).itemsize,
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
            "area": int(spec.width * spec.height < upright_width * upright_height),
            "out_width": spec.width,
            "out_height": spec.height,
            "padded_width": spec.width,
            "padded_height": spec.height,
            "reflect": 0,
            "planes": planes,
            **{f"gain_{plane}": 1.0 for plane in range(3)},
            **{f"bias_{plane}": 0.0 for plane in range(3)},
        }
        self._places: dict[tuple[int, int, int], dict[str, Value]] = {}

    def __call__(self, surface: Surface, out: DeviceArray) -> None:
        """Give the kernel to the stream.

        Parameters
        ----------
        surface : to be read; whoever has the picture holds it until the stream has come here
        out : float32 (1 or 3, H, W) of the spec's size
        """
        memory = DeviceArray(surface.address, (surface.nbytes,), np.dtype(np.uint8), None)
        key = surface.luma_pitch, surface.chroma_pitch, surface.chroma_offset
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = self._placed(surface)
        target = view(out)
        self._operators.run(
            KERNEL,
            self._domain,
            surface=memory,
            out=target,
            **target.strides(),
            **self._fixed,
            **places,
        )

    def _placed(self, surface: Surface) -> dict[str, Value]:
        starts = (0, surface.luma_pitch), (surface.chroma_offset, surface.chroma_pitch)
        size = np.dtype(self._layout.sample).itemsize
        places: list[Place] = []
        for number, component in enumerate(self._layout.components):
            start, pitch = starts[component.plane]
            rows, columns = self._layout.size(number, *self._coded)
            place = Place(at=start + component.offset * size, across=component.step * size, down=pitch)
            places.append(place.upright(self._orientation, columns, rows))
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


def _sitings(orientation: Orientation, color: ColorSpace, width: int, height: int) -> tuple[float, float]:
    """Return where chroma samples of the upright picture stand, x and y, of 4:2:0.

    Mirroring an even number of luma samples turns s into 1 - s; of an odd number the last chroma sample loses half of
    what it is for, and all stand one luma sample further to the left: -s.
    """
    siting_x, siting_y = SITINGS[color.chroma_location]
    if orientation.is_transposed:
        siting_x, siting_y, width, height = siting_y, siting_x, height, width
    if orientation.flips_x:
        siting_x = 1.0 - siting_x - width % 2
    if orientation.flips_y:
        siting_y = 1.0 - siting_y - height % 2
    return siting_x, siting_y
