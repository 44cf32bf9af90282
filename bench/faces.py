"""Measure what the faces stage finds and what its geometry costs: `python -m bench.faces PHOTO... --detector yunet`."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engine.backends.base import Backend, Profile, Session
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import DecodeError, EncodeError
from engine.frame import Frame
from engine.model import Model, ModelCard, TensorSpec, find_model
from engine.settings import FacesSettings
from engine.stages.face_align import FaceCutter, similarity, template
from engine.stages.face_detect import Face, HostFaceDetector
from engine.stages.face_paste import FacePaster
from engine.stages.faces import Faces
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), R'G'B'."""

ROW = 320
"""Height of a row of the sheet, pixels."""
PAPER, INK, MARK = (250, 248, 244), (40, 38, 36), (255, 70, 40)
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoResult:
    """What became of one photograph.

    faces : shorter sides of the boxes, pixels, largest first
    scores : of the same faces
    whole_db : PSNR of the stage's result, against the photograph, over the whole picture; None where nothing changed
    inside_db : the same within the faces alone, each pixel by the face's weight there
    """

    photo: str
    width: int
    height: int
    faces: tuple[int, ...]
    scores: tuple[float, ...]
    whole_db: float | None
    inside_db: float | None


class _FaceByCopy(Backend):
    """ONNX Runtime for the detector; a face model gives back what it is given."""

    name = "face by copy"

    def __init__(self) -> None:
        self._real, self._copy = OnnxRuntimeBackend(), NullBackend()

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        backend = self._copy if model.card.role == "face" else self._real
        return backend.open(model, profile, threads)


def identity_model(side: int) -> Model:
    """Return a face model without a network, for the null backend: what comes out is what went in."""
    face = {name: TensorSpec(shape=(1, 3, side, side), dtype="tensor(float)") for name in ("face", "restored")}
    card = ModelCard(
        name="identity", version="1", role="face", precision="fp32", color_space="rgb", value_range=(-1.0, 1.0)
    )
    return Model(
        path=Path("identity"),
        sha256="",
        data=b"",
        card=card,
        inputs={"face": face["face"]},
        outputs={"restored": face["restored"]},
    )


def read_photo(path: Path) -> Planes:
    """Return a photograph as float32 (3, H, W) in [0, 1]."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise DecodeError(f"photo {path}: not a readable picture; check the path")
    return np.ascontiguousarray(found[..., ::-1].transpose(2, 0, 1), np.float32) / np.float32(255)


def restore_photo(photo: Planes, restorer: Model, detector: Model, backend: Backend, settings: FacesSettings) -> Planes:
    """Pass a photograph through the faces stage, as the only frame of a film."""
    spec = FrameSpec(
        format=PixelFormat.RGB,
        width=photo.shape[2],
        height=photo.shape[1],
        rate=Fraction(24),
        time_base=Fraction(1, 24),
    )
    stage = Faces(restorer, detector, backend, settings)
    stage.open(spec)
    frame = Frame(
        pixels=photo.copy(),
        format=PixelFormat.RGB,
        pts=0,
        time_base=spec.time_base,
        index=0,
        flags=FrameFlags.SCENE_CUT,
    )
    (made,) = stage.push(frame)
    restored = made.pixels.copy()
    made.release()
    stage.close()
    return restored


def weight_of(faces: Sequence[Face], side: int, height: int, width: int) -> Planes:
    """Return how much faces count at each pixel, float32 (1, height, width) in [0, 1]."""
    paster = FacePaster(side, 1, height, width)
    nothing, weight = np.zeros((2, 1, height, width), np.float32)
    for face in faces:
        paster.paste(
            np.ones((1, side, side), np.float32), similarity(face.points, template(side)), 1.0, nothing, weight
        )
    return weight


def psnr(first: Planes, second: Planes, weight: Planes | float = 1.0) -> float | None:
    """Return the peak signal-to-noise ratio of pictures in [0, 1], decibels, each value counted by its weight.

    None where they are the same.
    """
    counted = np.broadcast_to(weight, first.shape).astype(np.float64)
    errors = ((first.astype(np.float64) - second) ** 2 * counted).sum()
    return -10.0 * math.log10(errors / counted.sum()) if errors > 0 else None


def sheet_row(photo: Planes, restored: Planes, faces: Sequence[Face], side: int) -> Picture:
    """Draw the photograph with boxes and points, its aligned faces with the template's points, and the result."""
    scale = ROW / photo.shape[1]
    before, after = (_shown(picture, scale) for picture in (photo, restored))
    for face in faces:
        corners = np.rint(np.array([face.left, face.top, face.left + face.width, face.top + face.height]) * scale)
        left, top, right, bottom = (int(value) for value in corners)
        cv2.rectangle(before, (left, top), (right, bottom), MARK, 1, cv2.LINE_AA)
        for x, y in face.points * scale:
            cv2.circle(before, (round(x), round(y)), 2, MARK, -1, cv2.LINE_AA)
    cutter = FaceCutter(side, *photo.shape[1:])
    aligned = np.empty((3, side, side), np.float32)
    tiles: list[Picture] = [before]
    for face in faces[:MOST_SHOWN]:
        cutter.cut(photo, similarity(face.points, template(side)), aligned)
        tile = _shown(aligned, ROW / side)
        for x, y in template(side) * (ROW / side):
            cv2.drawMarker(tile, (round(x), round(y)), MARK, cv2.MARKER_CROSS, 9, 1, cv2.LINE_AA)
        tiles.append(tile)
    return np.concatenate([*tiles, after], axis=1)


def make_sheet(rows: Sequence[tuple[str, Picture]]) -> Picture:
    """Put rows below each other, each with its name."""
    width = max(row.shape[1] for _, row in rows)
    parts: list[Picture] = []
    for name, row in rows:
        strip = np.full((24, width, 3), PAPER, np.uint8)
        cv2.putText(strip, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
        filled = np.full((ROW, width, 3), PAPER, np.uint8)
        filled[:, : row.shape[1]] = row
        parts += [strip, filled]
    return np.concatenate(parts)


def _shown(picture: Planes, scale: float) -> Picture:
    size = (round(picture.shape[2] * scale), ROW)
    shown = cv2.resize(picture.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.rint(shown.clip(0.0, 1.0) * 255).astype(np.uint8))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench from the command line; return the exit code."""
    defaults = FacesSettings()
    parser = argparse.ArgumentParser(prog="python -m bench.faces", description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO")
    parser.add_argument("--detector", default=defaults.detector, help="name or ONNX file (default %(default)s)")
    parser.add_argument("--model", help="name or ONNX file of a face model; without it faces are given back unchanged")
    parser.add_argument("--side", type=int, default=512, help="of the aligned faces where no model is given")
    parser.add_argument("--confidence", type=float, default=defaults.confidence)
    parser.add_argument("--smallest", type=int, default=defaults.smallest)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--sheet", type=Path, help="write photographs, aligned faces and results to this .png or .jpg")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    settings = FacesSettings(
        enabled=True, strength=asked.strength, confidence=asked.confidence, smallest=asked.smallest
    )
    detector = find_model(asked.detector, "detect")
    restorer = find_model(asked.model, "face") if asked.model else identity_model(asked.side)
    backend: Backend = OnnxRuntimeBackend() if asked.model else _FaceByCopy()
    side = restorer.inputs["face"].shape[2] or asked.side
    results: list[PhotoResult] = []
    rows: list[tuple[str, Picture]] = []
    for path in asked.photos:
        photo = read_photo(path)
        finder = HostFaceDetector(detector, backend, *photo.shape[1:], least_score=settings.confidence)
        faces = [face for face in finder.find(photo) if face.side >= settings.smallest]
        faces = sorted(faces, key=lambda face: -face.side)[: settings.most]
        finder.close()
        restored = restore_photo(photo, restorer, detector, backend, settings)
        weight = weight_of(faces, side, *photo.shape[1:])
        results.append(
            PhotoResult(
                photo=path.name,
                width=photo.shape[2],
                height=photo.shape[1],
                faces=tuple(round(face.side) for face in faces),
                scores=tuple(round(face.score, 3) for face in faces),
                whole_db=psnr(photo, restored),
                inside_db=psnr(photo, restored, weight),
            )
        )
        rows.append((f"{path.name}: {len(faces)} faces", sheet_row(photo, restored, faces, side)))
    if asked.sheet is not None and not cv2.imwrite(str(asked.sheet), make_sheet(rows)[..., ::-1]):
        raise EncodeError(f"{asked.sheet}: cannot be written; choose another --sheet")
    if asked.json:
        sys.stdout.write(json.dumps({"photos": [asdict(result) for result in results]}) + "\n")
        return 0
    sys.stdout.write(f"{'photo':<18}{'size':>9}  {'faces: side px, score':<26}{'whole dB':>9}{'inside dB':>10}\n")
    for result in results:
        found = ", ".join(f"{side} {score:.2f}" for side, score in zip(result.faces, result.scores, strict=True))
        sys.stdout.write(
            f"{result.photo:<18}{result.width:>4}x{result.height:<4}  {f'{len(result.faces)}: {found}':<26}"
            f"{_decibels(result.whole_db):>9}{_decibels(result.inside_db):>10}\n"
        )
    return 0


def _decibels(value: float | None) -> str:
    return "same" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
