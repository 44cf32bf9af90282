"""Faces for tests: a detector that finds what it is told, and small face models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from engine.backends.base import Array, Backend, Profile, Session
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import FarshoreError
from engine.model import Model, ModelCard, TensorSpec
from engine.stages.face_align import TEMPLATE
from engine.stages.face_detect import STRIDES, Face
from tests.golden.cases import WEIGHTS
from tests.support.onnx_files import METADATA, save_model
from tests.support.tiny_models import constant

YUNET = WEIGHTS / "yunet_n_640_640.onnx"
PARTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
STRIDE = 8


def face_at(
    x: float, y: float, side: float, *, turn: float = 0.0, score: float = 0.9, noise: np.ndarray | float = 0.0
) -> Face:
    """Return a face whose box has its middle at (x, y) and is `side` wide, turned by `turn` degrees."""
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE - 256.0) / 256.0 * side @ rotation.T + (x, y) + noise
    height = 1.25 * side
    return Face(left=x - side / 2, top=y - height / 2, width=side, height=height, points=points, score=score)


def scripted_detector() -> Model:
    """Return a detector of any size that only a `ScriptedFaces` backend can run."""
    outputs = {
        f"{part}_{stride}": TensorSpec(shape=(1, None, size), dtype="tensor(float)")
        for stride in STRIDES
        for part, size in PARTS.items()
    }
    card = ModelCard(
        name="scripted",
        version="1",
        role="detect",
        precision="fp32",
        color_space="rgb",
        licence="CC0-1.0",
        commercial_use="yes",
    )
    picture = TensorSpec(shape=(1, 3, None, None), dtype="tensor(float)")
    return Model(path=Path("scripted"), sha256="", data=b"", card=card, inputs={"input": picture}, outputs=outputs)


class ScriptedFaces(Backend):
    """Finds in its nth picture the nth faces of a script, the last ones ever after; an error there is raised.

    Faces are told in pixels of the picture that the detector sees. Every other model goes to `other`.

    Attributes
    ----------
    seen : the detector's last input
    runs : pictures looked at so far
    """

    name = "scripted"

    def __init__(self, *script: Sequence[Face] | FarshoreError, other: Backend | None = None) -> None:
        self.runs = 0
        self.seen: Array | None = None
        self.script = script
        self._other = other or OnnxRuntimeBackend()

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        if model.card.role != "detect":
            return self._other.open(model, profile, threads)
        height, width = profile.shapes["input"][2:]
        shapes = {
            f"{part}_{stride}": (1, (height // stride) * (width // stride), size)
            for stride in STRIDES
            for part, size in PARTS.items()
        }
        return _ScriptedSession(self, model, profile, shapes)


class _ScriptedSession(Session):
    def __init__(self, backend: ScriptedFaces, model: Model, profile: Profile, shapes: Mapping[str, Any]) -> None:
        super().__init__(model, profile, shapes)
        self._backend = backend

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        backend = self._backend
        backend.seen = inputs["input"]
        faces = backend.script[min(backend.runs, len(backend.script) - 1)]
        backend.runs += 1
        if isinstance(faces, FarshoreError):
            raise faces
        for array in outputs.values():
            array.fill(0.0)
        columns = inputs["input"].shape[3] // STRIDE
        for cell, face in enumerate(faces):
            corner = np.array([cell % columns, cell // columns])
            centre = np.array([face.left + face.width / 2, face.top + face.height / 2])
            outputs[f"cls_{STRIDE}"][0, cell] = outputs[f"obj_{STRIDE}"][0, cell] = face.score
            outputs[f"bbox_{STRIDE}"][0, cell, :2] = centre / STRIDE - corner
            outputs[f"bbox_{STRIDE}"][0, cell, 2:] = np.log(np.array([face.width, face.height]) / STRIDE)
            outputs[f"kps_{STRIDE}"][0, cell] = (face.points / STRIDE - corner).ravel()


def identity_face(folder: Path, side: int = 64, *, value_range: str = "-1,1", **metadata: str) -> Model:
    """Return a face model that gives back what it is given."""
    node = onnx.helper.make_node("Identity", ["face"], ["restored"])
    return _face_model(folder / f"identity-{side}.onnx", side, [node], [], value_range=value_range, **metadata)


def painting_face(folder: Path, side: int = 64, *, level: float, value_range: str = "0,1") -> Model:
    """Return a face model that gives back one level, of R', G' and B' alike."""
    nodes = [
        onnx.helper.make_node("Mul", ["face", "zero"], ["none"]),
        onnx.helper.make_node("Add", ["none", "level"], ["restored"]),
    ]
    constants = [constant("zero", 0.0), constant("level", level)]
    return _face_model(folder / "painting.onnx", side, nodes, constants, value_range=value_range)


def seeded_face(folder: Path, side: int = 64) -> Path:
    """Write a face model with a convolution and a bend, its weights drawn from a seed."""
    generator = np.random.default_rng(7)
    nodes = [
        onnx.helper.make_node("Conv", ["face", "w1"], ["hidden"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("LeakyRelu", ["hidden"], ["bent"], alpha=0.2),
        onnx.helper.make_node("Conv", ["bent", "w2"], ["restored"], pads=[1, 1, 1, 1]),
    ]
    weights = [
        constant("w1", generator.normal(0, 0.2, (8, 3, 3, 3))),
        constant("w2", generator.normal(0, 0.2, (3, 8, 3, 3))),
    ]
    return _face_model(folder / "seeded.onnx", side, nodes, weights, commercial_use="no", licence="for study").path


def open_yunet(folder: Path) -> Model:
    """Return the published YuNet with its sizes left open, as nothing in its graph depends on them."""
    model = onnx.load(YUNET)
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for place in (2, 3) if value.name == "input" else (1,):
            sizes[place].dim_param = f"{value.name}_{place}"
    del model.graph.value_info[:]
    path = folder / "yunet-open.onnx"
    onnx.save(model, path)
    return Model.load(path, role="detect")


def _face_model(
    path: Path,
    side: int,
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto],
    **metadata: str,
) -> Model:
    shape = (1, 3, side, side)
    values = {**METADATA, "name": path.stem, "role": "face", "color_space": "rgb", "value_range": "-1,1", **metadata}
    save_model(path, nodes, {"face": shape}, {"restored": shape}, values, initializers=initializers)
    return Model.load(path)
