"""Puts the film's picture beside, or into, the restored one on a device: the twin of `Comparison`, by viewer.cu."""

import numpy as np

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import on_device
from engine.stages.comparison import Layout
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.luma import COEFFICIENTS
from engine.types import FrameSpec, PixelFormat, Planes


class DeviceComparison:
    """Scratch for comparing frames like `incoming` with the film; parameters and methods are those of `Comparison`.

    All planes lie on the device. Scratch of the size of the film's pictures is made when the first comes.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, incoming: FrameSpec, layout: Layout, chroma_layout: Layout) -> None:
        self._operators = operators
        self._is_rgb = incoming.format is PixelFormat.RGB
        matrix = COEFFICIENTS[incoming.color.matrix]
        self._matrix = {"kr": matrix.kr, "kb": matrix.kb}
        self._layout, self._chroma_layout = layout, chroma_layout
        self._scratch: dict[tuple[str, int, int, int], View] = {}
        operators.prepare("compare", "tensor_fill_luma", "resize_bicubic", "rgb_to_lab")
        if incoming.chroma_shape is not None:
            # one row for all rows of both planes
            self._neutral = operators.constant(np.full(incoming.chroma_shape[2], NEUTRAL_AB, np.float32))

    def write(self, original: Planes, picture: Planes, out: Planes) -> None:
        """Write both pictures."""
        film, shown = view(on_device(original)), view(on_device(picture))
        if film.planes > 1 and not self._is_rgb:
            film = self._luma_of(film)
        film = self._resized(film, shown.height, shown.width)
        step = film.plane if film.planes > 1 else 0
        self._put(film.array, film.pitch, step, shown, view(on_device(out)), self._layout)

    def write_chroma(self, original: Planes, chroma: Planes, out: Planes) -> None:
        """Write the chroma of both pictures."""
        film, shown, target = view(on_device(original)), view(on_device(chroma)), view(on_device(out))
        if film.planes == 1:
            self._put(self._neutral, 0, 0, shown, target, self._chroma_layout)
            return
        rgb = self._resized(film, shown.height, shown.width)
        lab = self._made("lab", 3, shown.height, shown.width)
        self._operators.run(
            "rgb_to_lab",
            rgb.area,
            rgb=rgb,
            lab=lab,
            width=rgb.width,
            height=rgb.height,
            **rgb.strides(),
            **lab.strides("lab_"),
        )
        ab = lab.part(1, 2)
        self._put(ab.array, ab.pitch, ab.plane, shown, target, self._chroma_layout)

    def copy(self, planes: Planes, out: Planes) -> None:
        """Write the restored picture's planes alone."""
        self._operators.copy(on_device(planes), on_device(out))

    def _put(self, film: DeviceArray, pitch: int, plane: int, picture: View, out: View, layout: Layout) -> None:
        self._operators.run(
            "compare",
            out.domain,
            film=film,
            picture=picture,
            out=out,
            width=out.width,
            height=out.height,
            planes=out.planes,
            film_columns=layout.film_columns,
            line_columns=layout.line_columns,
            picture_from=layout.picture_from,
            line=layout.line,
            film_pitch=pitch,
            film_plane=plane,
            **picture.strides("picture_"),
            **out.strides(),
        )

    def _resized(self, film: View, height: int, width: int) -> View:
        """Return planes in another size, which are the planes themselves where it is theirs."""
        if (film.height, film.width) == (height, width):
            return film
        resized = self._made("resized", film.planes, height, width)
        self._operators.resize("resize_bicubic", film, resized)
        return resized

    def _luma_of(self, rgb: View) -> View:
        luma = self._made("luma", 1, rgb.height, rgb.width)
        self._operators.fill_luma(rgb, luma, **self._matrix)
        return luma

    def _made(self, use: str, planes: int, height: int, width: int) -> View:
        """Return scratch."""
        key = (use, planes, height, width)
        if key not in self._scratch:
            self._scratch[key] = view(self._operators.zeros(planes, height, width))
        return self._scratch[key]
