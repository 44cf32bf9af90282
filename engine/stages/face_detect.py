"""Finds faces and their five points with YuNet's network, decoded here.

W. Wu, H. Peng, S. Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The
network looks at grids of cells 8, 16 and 32 pixels wide; each cell may hold one face.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.backends.base import Array, Backend, Profile
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.sessions import Sessions
from engine.stages.window import padded_size
from engine.types import Planes

Points = npt.NDArray[np.float64]
"""float64 (5, 2): x and y, pixels, of the eye at the left of the picture, the eye at its right, the tip of the nose,
the corner of the mouth at the left, the corner at the right."""

STRIDES = (8, 16, 32)
"""Pixels that a cell of each grid is wide."""
OVERLAP = 0.3
"""Of two boxes that share more (intersection ÷ union), the one with the lower score is the same face again."""
WORKING_SIDE = 640
"""Longest side of the picture that the network sees, where the model leaves it open: larger faces than about 400 pixels
score badly, and a face of 48 pixels in a 1920 picture is still 16 wide."""
MODEL_MAXIMUM = 255.0
"""The network takes B, G, R from 0 to 255."""
INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face that was found.

    left, top, width, height : of its box, pixels of the frame
    points : of eyes, nose and mouth, pixels of the frame
    score : how sure the network is, 0 to 1
    """

    left: float
    top: float
    width: float
    height: float
    points: Points
    score: float

    @property
    def side(self) -> float:
        """The shorter side of the box, pixels."""
        return min(self.width, self.height)


class FaceDetector(ABC):
    """Finds the faces of pictures of one size: they are looked at in order, and their faces told in that order.

    Parameters
    ----------
    model : of role `detect`
    backend : what it runs on
    height, width : of the pictures
    least_score : of a face worth telling, 0 to 1
    working_side : longest side of the picture that the network sees; a model of fixed size ignores it

    Raises
    ------
    UnsupportedModelError
        The model does not give YuNet's tensors.
    """

    def __init__(
        self,
        model: Model,
        backend: Backend,
        height: int,
        width: int,
        *,
        least_score: float,
        working_side: int = WORKING_SIDE,
    ) -> None:
        self._least_score = least_score
        self._rows, self._columns, self._canvas = _working_size(model, height, width, working_side)
        self._to_frame = np.array([width / self._columns, height / self._rows])
        self._sessions = Sessions(model, backend, Profile({INPUT: (1, 3, *self._canvas)}))
        self._grids = [_Grid(stride, *self._canvas) for stride in STRIDES]

    @abstractmethod
    def look(self, picture: Planes) -> int:
        """Run the network on the next picture and return by which number `faces` knows it.

        Parameters
        ----------
        picture : float32 (C, H, W) in [0, 1]; C is 1 (Y') or 3 (R'G'B')

        Raises
        ------
        EngineError, DeviceError
            The model failed.
        """

    @abstractmethod
    def wait_for(self, number: int) -> bool:
        """Let everything be known of a picture and of those before it; return whether the host had to wait for it.

        Raises
        ------
        DeviceError
            The device failed meanwhile.
        """

    @abstractmethod
    def faces(self, number: int) -> list[Face]:
        """Return the faces of one of the pictures looked at last, best first; it was waited for."""

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

    def close(self) -> None:
        """Give the sessions back."""
        self._sessions.close()

    def _decode(self, outputs: Mapping[str, Array]) -> list[Face]:
        """Return what the network's tensors, in host memory, say."""
        found = [grid.decode(outputs, self._least_score) for grid in self._grids]
        scores, boxes, points = (np.concatenate(parts) for parts in zip(*found, strict=True))
        boxes = boxes * np.tile(self._to_frame, 2)
        return [
            Face(
                left=float(boxes[index, 0]),
                top=float(boxes[index, 1]),
                width=float(boxes[index, 2]),
                height=float(boxes[index, 3]),
                points=points[index] * self._to_frame,
                score=float(scores[index]),
            )
            for index in keep_distinct(boxes, scores)
        ]


class HostFaceDetector(FaceDetector):
    """On the processor; parameters and errors are the same."""

    def __init__(
        self,
        model: Model,
        backend: Backend,
        height: int,
        width: int,
        *,
        least_score: float,
        working_side: int = WORKING_SIDE,
    ) -> None:
        super().__init__(model, backend, height, width, least_score=least_score, working_side=working_side)
        self._picture = np.zeros((1, 3, *self._canvas), np.float32)
        self._planes = self._picture[0, :, : self._rows, : self._columns]
        shapes = self._sessions.current.output_shapes
        self._outputs: dict[str, Array] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._number, self._found = -1, list[Face]()

    def find(self, picture: Planes) -> list[Face]:
        """Return the faces of a picture, best first; parameter and errors are those of `look`."""
        self._look_at(picture)
        self._sessions.current.enqueue({INPUT: self._picture}, self._outputs)
        return self._decode(self._outputs)

    def look(self, picture: Planes) -> int:
        """Find the faces."""
        self._found = self.find(picture)
        self._number += 1
        return self._number

    def wait_for(self, number: int) -> bool:
        """Return False: it is known."""
        return False

    def faces(self, number: int) -> list[Face]:
        """Return what was found."""
        return self._found

    def time(self, threads: int) -> float:
        """Return the seconds of one run with `threads` threads."""
        return self._sessions.time(threads, {INPUT: self._picture}, self._outputs)

    def _look_at(self, picture: Planes) -> None:
        """Write the picture, reduced, as B, G, R in 0 to 255 into the top left; the rest stays black."""
        height, width = self._planes.shape[1:]
        for channel, target in enumerate(self._planes):
            if channel >= len(picture):
                np.copyto(target, self._planes[0])
                continue
            plane = picture[len(picture) - 1 - channel]
            cv2.resize(plane, (width, height), dst=target, interpolation=cv2.INTER_AREA)
            np.multiply(target, MODEL_MAXIMUM, out=target)


class _Grid:
    """The cells of one stride: their scores and what those with a face say of it."""

    def __init__(self, stride: int, height: int, width: int) -> None:
        self._stride = stride
        self._columns = width // stride
        self._scores = np.zeros((height // stride) * self._columns, np.float32)

    def decode(self, outputs: Mapping[str, Array], least_score: float) -> tuple[Points, Points, Points]:
        """Return scores (n,), boxes (n, 4) as left, top, width, height, and points (n, 5, 2), working pixels.

        score = √(clip(class) · clip(object)); centre = (cell + b₀, b₁) · stride; size = exp(b₂, b₃) · stride; each
        point = (cell + kₓ, kᵧ) · stride.
        """
        stride = self._stride
        scores = self._scores
        np.clip(outputs[f"obj_{stride}"][0, :, 0], 0.0, 1.0, out=scores)
        np.multiply(scores, outputs[f"cls_{stride}"][0, :, 0].clip(0.0, 1.0), out=scores)
        np.sqrt(scores, out=scores)
        cells = np.flatnonzero(scores >= least_score)
        corner = np.stack([cells % self._columns, cells // self._columns], axis=1).astype(np.float64)
        raw = outputs[f"bbox_{stride}"][0, cells].astype(np.float64)
        sizes = np.exp(raw[:, 2:]) * stride
        boxes = np.concatenate([(corner + raw[:, :2]) * stride - sizes / 2, sizes], axis=1)
        offsets = outputs[f"kps_{stride}"][0, cells].astype(np.float64).reshape(-1, 5, 2)
        return scores[cells].astype(np.float64), boxes, (corner[:, None] + offsets) * stride


def keep_distinct(boxes: Points, scores: Points, overlap: float = OVERLAP) -> list[int]:
    """Return the indices of the boxes that are no second sight of a better one, best first.

    Greedy non-maximum suppression; of equal scores the earlier one is better.

    Parameters
    ----------
    boxes : (n, 4) as left, top, width, height
    scores : (n,)
    overlap : intersection ÷ union above which two boxes are one
    """
    left, top, width, height = boxes.T
    right, bottom, areas = left + width, top + height, width * height
    waiting: Sequence[int] = [int(index) for index in np.argsort(-scores, kind="stable")]
    kept: list[int] = []
    while waiting:
        best, rest = waiting[0], np.array(waiting[1:], np.intp)
        kept.append(best)
        across = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        down = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = across.clip(0.0) * down.clip(0.0)
        waiting = rest[shared <= overlap * (areas[best] + areas[rest] - shared)].tolist()
    return kept


def _working_size(model: Model, height: int, width: int, working_side: int) -> tuple[int, int, tuple[int, int]]:
    """Return rows and columns of the reduced picture and the size of the tensor in whose top left it lies."""
    wanted = {f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in STRIDES}
    if set(model.inputs) != {INPUT} or set(model.outputs) != wanted:
        raise UnsupportedModelError(
            f"model {model.card.name}: takes {', '.join(model.inputs)} and gives {', '.join(model.outputs)}; a "
            "detector takes `input` and gives YuNet's tensors (cls_8, obj_8, bbox_8, kps_8, ...); fetch yunet"
        )
    fixed = model.inputs[INPUT].shape[2:]
    most_rows, most_columns = fixed[0] or working_side, fixed[1] or working_side
    scale = min(1.0, most_rows / height, most_columns / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    multiple = max(model.card.size_multiple, STRIDES[-1])
    padded = padded_size(rows, columns, multiple)
    return rows, columns, (fixed[0] or padded[0], fixed[1] or padded[1])
