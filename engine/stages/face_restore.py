"""One face through a face model: cut out, restored, put back."""

from abc import ABC, abstractmethod

import numpy as np

from engine.backends.base import Array, Backend, Profile
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.face_align import Affine, FaceCutter, footprint, outline, similarity, template
from engine.stages.face_detect import Points
from engine.stages.face_paste import FacePaster
from engine.stages.luma import luma_of
from engine.stages.sessions import Sessions
from engine.types import FrameSpec, Planes

FACE, RESTORED = "face", "restored"


class FaceRestorer(ABC):
    """Restores faces in pictures of one kind and size, one face at a time in the same memory.

    A grey picture's face goes in as three equal planes, and the luma of what comes out is taken.

    Parameters
    ----------
    model : of role `face`
    backend : what it runs on
    spec : of the pictures

    Raises
    ------
    UnsupportedModelError
        The model does not take and give one square face.
    """

    def __init__(self, model: Model, backend: Backend, spec: FrameSpec) -> None:
        self.side = side = face_side(model)
        self._shape = spec.pixels_shape
        self._low, self._span = model.card.value_range[0], model.card.value_range[1] - model.card.value_range[0]
        self._template, self._outline = template(side), outline(side)
        self._sessions = Sessions(model, backend, Profile({FACE: (1, 3, side, side)}))

    @abstractmethod
    def begin(self, picture: Planes, out: Planes) -> None:
        """Begin another picture: let `out` be it, no face restored; both as in `restore`."""

    def restore(self, picture: Planes, points: Points, strength: float, out: Planes) -> None:
        """Restore one face.

        Parameters
        ----------
        picture : float32 (C, H, W) in [0, 1], as the film has it
        points : of the face in the picture
        strength : how much of the restored face is taken, 0 to 1
        out : float32 (C, H, W) in [0, 1], the picture with the faces restored so far; written in place

        Raises
        ------
        EngineError, DeviceError
            The model failed.
        ShapeError
            The points are no face.
        """
        matrix = similarity(points, self._template)
        if footprint(matrix, self._outline, *self._shape[1:]) is None:
            return
        self._cut(picture, matrix)
        self._run()
        self._paste(matrix, strength, picture, out)

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

    def close(self) -> None:
        """Give the sessions back."""
        self._sessions.close()

    @abstractmethod
    def _cut(self, picture: Planes, matrix: Affine) -> None:
        """Write the aligned face, in the model's range, into its input; `matrix` is picture → aligned face."""

    @abstractmethod
    def _run(self) -> None:
        """Run the model."""

    @abstractmethod
    def _paste(self, matrix: Affine, strength: float, picture: Planes, out: Planes) -> None:
        """Put what the model made into `out`."""


class HostFaceRestorer(FaceRestorer):
    """On the processor; parameters and errors are the same."""

    def __init__(self, model: Model, backend: Backend, spec: FrameSpec) -> None:
        super().__init__(model, backend, spec)
        (channels, height, width), side = self._shape, self.side
        self._color = spec.color.matrix
        self._cutter = FaceCutter(side, height, width)
        self._paster = FacePaster(side, channels, height, width)
        self._aligned = np.zeros((channels, side, side), np.float32)
        self._luma = np.zeros((1, side, side), np.float32)
        self._inputs: dict[str, Array] = {FACE: np.zeros((1, 3, side, side), np.float32)}
        self._outputs: dict[str, Array] = {RESTORED: np.zeros((1, 3, side, side), np.float32)}

    def begin(self, picture: Planes, out: Planes) -> None:
        """Copy the picture."""
        np.copyto(out, picture)
        self._paster.begin()

    def time(self, threads: int) -> float:
        """Return the seconds of one face with `threads` threads."""
        return self._sessions.time(threads, self._inputs, self._outputs)

    def _cut(self, picture: Planes, matrix: Affine) -> None:
        self._cutter.cut(picture, matrix, self._aligned)
        for channel, target in enumerate(self._inputs[FACE][0]):
            np.multiply(self._aligned[min(channel, len(self._aligned) - 1)], self._span, out=target)
            np.add(target, self._low, out=target)

    def _run(self) -> None:
        self._sessions.current.enqueue(self._inputs, self._outputs)

    def _paste(self, matrix: Affine, strength: float, picture: Planes, out: Planes) -> None:
        self._paster.paste(self._made(), matrix, strength, picture, out)

    def _made(self) -> Planes:
        """Return what the model made as planes of the picture's kind (C, side, side), in [0, 1]."""
        made = self._outputs[RESTORED][0]
        np.subtract(made, self._low, out=made)
        np.multiply(made, 1.0 / self._span, out=made)
        np.clip(made, 0.0, 1.0, out=made)
        if len(self._aligned) == 1:
            luma_of(made, self._color, self._luma[0])
            return self._luma
        return made


def face_side(model: Model) -> int:
    """Return the side of the faces that a model takes, pixels."""
    face = model.inputs.get(FACE)
    side = None if face is None or len(face.shape) != 4 else face.shape[2]
    if set(model.inputs) != {FACE} or set(model.outputs) != {RESTORED} or face is None or side is None:
        raise UnsupportedModelError(
            f"model {model.card.name}: takes {', '.join(model.inputs)} and gives {', '.join(model.outputs)}; a face "
            f"model takes `{FACE}` (1, 3, S, S), S fixed, and gives `{RESTORED}` of the same shape; choose another"
        )
    if face.shape != (1, 3, side, side):
        raise UnsupportedModelError(
            f"model {model.card.name}: takes `{FACE}` of {face.shape}; wanted (1, 3, S, S); choose another"
        )
    return side
