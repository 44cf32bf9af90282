"""One face through a face model on a device: the twin of `HostFaceRestorer`, by faces.cu."""

import cv2
import numpy as np

from engine.backends.base import Backend
from engine.device.operators import Operators, view
from engine.device.pool import as_planes, on_device
from engine.model import Model
from engine.stages.face_align import Affine, plan_cut, reduced_size
from engine.stages.face_paste import feathers, plan_paste
from engine.stages.face_restore import FACE, RESTORED, FaceRestorer
from engine.stages.luma import COEFFICIENTS
from engine.types import FrameSpec, Planes


class DeviceFaceRestorer(FaceRestorer):
    """On a device, in the order of the stage's stream; all pictures lie there.

    Parameters are those of `FaceRestorer`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, model: Model, backend: Backend, spec: FrameSpec) -> None:
        super().__init__(model, backend, spec)
        operators.prepare("resize_area", "face_cut", "face_take", "face_paste")
        (channels, height, width), side = self._shape, self.side
        self._operators = operators
        coefficients = COEFFICIENTS[spec.color.matrix]
        self._luma = {"kr": coefficients.kr, "kb": coefficients.kb}
        self._reduced = view(operators.zeros(channels, *reduced_size(height, width)))
        self._taken = view(operators.zeros(1, height, width))
        self._made = view(operators.zeros(channels, side, side))
        self._masks = {factor: operators.constant(mask) for factor, mask in feathers(side).items()}
        aligned, restored = operators.zeros(1, 3, side, side), operators.zeros(1, 3, side, side)
        self._aligned, self._restored = view(aligned), view(restored)
        self._inputs, self._outputs = {FACE: as_planes(aligned)}, {RESTORED: as_planes(restored)}

    def begin(self, picture: Planes, out: Planes) -> None:
        """Copy the picture."""
        self._operators.copy(on_device(picture), on_device(out))
        self._operators.device.clear(self._taken.array, self._operators.stream)

    def _cut(self, picture: Planes, matrix: Affine) -> None:
        film = view(on_device(picture))
        cut = plan_cut(matrix, self.side, film.height, film.width)
        source, aligned = film, self._aligned
        if (piece := cut.piece) is not None:
            source = self._reduced.corner(cut.height, cut.width)
            self._operators.resize("resize_area", film.window(piece.left, piece.top, *piece.size), source)
        self._operators.run(
            "face_cut",
            aligned.domain,
            picture=source,
            face=aligned,
            width=source.width,
            height=source.height,
            planes=source.planes,
            **source.strides(),
            side=self.side,
            face_planes=aligned.planes,
            **aligned.strides("face_"),
            **_numbers(cv2.invertAffineTransform(cut.matrix).astype(np.float64)),
            gain=self._span,
            offset=self._low,
        )

    def _run(self) -> None:
        self._sessions.current.enqueue(self._inputs, self._outputs, self._operators.stream)

    def _paste(self, matrix: Affine, strength: float, picture: Planes, out: Planes) -> None:
        film, target, restored = view(on_device(picture)), view(on_device(out)), self._restored
        fit = plan_paste(matrix, self.side, film.height, film.width, most=max(self._masks))
        if fit is None:
            return
        side = self.side // fit.factor
        made = self._made.corner(side, side)
        self._operators.run(
            "face_take",
            made.domain,
            made=restored,
            face=made,
            side=side,
            factor=fit.factor,
            planes=made.planes,
            **restored.strides("made_"),
            **made.strides(),
            low=self._low,
            gain=1.0 / self._span,
            **self._luma,
        )
        width, height = fit.box.size
        self._operators.run(
            "face_paste",
            (width, height, 1),
            face=made,
            mask=self._masks[fit.factor],
            film=film,
            taken=self._taken,
            out=target,
            width=width,
            height=height,
            left=fit.box.left,
            top=fit.box.top,
            planes=film.planes,
            **film.strides(),
            taken_pitch=self._taken.pitch,
            side=side,
            **made.strides("face_"),
            **_numbers(fit.onto),
            strength=strength,
        )


def _numbers(matrix: Affine) -> dict[str, float]:
    """Return a map as the kernels' arguments."""
    return dict(zip(("xx", "xy", "x0", "yx", "yy", "y0"), map(float, matrix.ravel()), strict=True))
