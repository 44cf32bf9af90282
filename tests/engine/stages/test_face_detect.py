from pathlib import Path

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import UnsupportedModelError
from engine.model import Model
from engine.stages.face_detect import Face, HostFaceDetector, keep_distinct
from tests.golden.cases import GoldenNetwork
from tests.support.faces import YUNET, ScriptedFaces, face_at, identity_face, open_yunet, scripted_detector


@pytest.fixture(scope="module")
def golden() -> GoldenNetwork:
    return GoldenNetwork("yunet-faces")


def find(model: Model, picture: np.ndarray, *, least_score: float = 0.6) -> list[Face]:
    detector = HostFaceDetector(model, OnnxRuntimeBackend(), *picture.shape[1:], least_score=least_score)
    try:
        return detector.find(picture)
    finally:
        detector.close()


def solvay(golden: GoldenNetwork) -> np.ndarray:
    return golden.inputs("solvay_crop")["image"][None].astype(np.float32) / 255


def test_the_golden_faces_are_found(golden: GoldenNetwork, tmp_path: Path) -> None:
    faces = find(open_yunet(tmp_path), solvay(golden))
    found = {
        "boxes": np.array([[face.left, face.top, face.width, face.height] for face in faces]),
        "landmarks": np.array([face.points for face in faces]),
        "scores": np.array([face.score for face in faces]),
    }
    limit = golden.facts["tolerance"]
    for name, wanted in golden.outputs("solvay_crop").items():
        atol = limit["scores"] if name == "scores" else limit["pixels"]
        np.testing.assert_allclose(found[name], wanted, atol=atol, rtol=0)


def test_the_published_file_of_fixed_size_finds_the_same_faces(golden: GoldenNetwork) -> None:
    # the picture lies in a larger black square there, which moves what touches its border a little
    faces = find(Model.load(YUNET, role="detect"), solvay(golden))
    boxes = golden.outputs("solvay_crop")["boxes"]
    assert len(faces) == len(boxes) == 11
    for left, top, *_ in boxes:
        assert min(np.hypot(face.left - left, face.top - top) for face in faces) < 2.0


def test_a_grey_picture_is_three_equal_planes(golden: GoldenNetwork, tmp_path: Path) -> None:
    model, grey = open_yunet(tmp_path), solvay(golden)
    for one, three in zip(find(model, grey), find(model, grey.repeat(3, 0)), strict=True):
        assert one.score == three.score
        np.testing.assert_array_equal(one.points, three.points)


def test_the_network_sees_blue_green_red_up_to_255_and_black_beyond() -> None:
    backend = ScriptedFaces([])
    picture = np.empty((3, 40, 50), np.float32)
    picture[:] = np.array([0.25, 0.5, 1.0])[:, None, None]
    HostFaceDetector(scripted_detector(), backend, 40, 50, least_score=0.5).find(picture)
    assert backend.seen is not None
    assert backend.seen.shape == (1, 3, 64, 64)
    np.testing.assert_allclose(backend.seen[0, :, 39, 49], [255, 127.5, 63.75])
    assert not backend.seen[0, :, 40:].any()
    assert not backend.seen[0, :, :, 50:].any()


def test_a_large_picture_is_reduced_and_its_faces_told_in_its_own_pixels() -> None:
    backend = ScriptedFaces([face_at(320, 180, 100)])
    detector = HostFaceDetector(scripted_detector(), backend, 1080, 1920, least_score=0.5)
    (face,) = detector.find(np.zeros((1, 1080, 1920), np.float32))
    assert backend.seen is not None
    assert backend.seen.shape == (1, 3, 384, 640)
    assert (face.left, face.width, face.side) == pytest.approx((810, 300, 300), abs=1e-3)
    np.testing.assert_allclose(face.points, face_at(960, 540, 300).points, atol=1e-2)


def test_faces_below_the_score_are_not_told() -> None:
    backend = ScriptedFaces([face_at(50, 50, 30, score=0.61), face_at(100, 100, 30, score=0.59)])
    detector = HostFaceDetector(scripted_detector(), backend, 160, 160, least_score=0.6)
    assert [round(face.score, 2) for face in detector.find(np.zeros((1, 160, 160), np.float32))] == [0.61]


def test_of_boxes_that_overlap_the_best_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [4, 0, 10, 10], [6, 0, 10, 10], [50, 0, 10, 10]], np.float64)
    # overlap of 0 and 1 is 6 / 14, of 0 and 2 it is 4 / 16, of 1 and 2 it is 8 / 12
    assert keep_distinct(boxes, np.array([0.9, 0.8, 0.7, 0.95])) == [3, 0, 2]
    assert keep_distinct(boxes, np.array([0.8, 0.9, 0.7, 0.5])) == [1, 3]
    assert keep_distinct(boxes[:0], np.zeros(0)) == []


def test_a_model_with_other_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="takes face and gives restored; a detector takes `input`"):
        HostFaceDetector(identity_face(tmp_path), OnnxRuntimeBackend(), 64, 64, least_score=0.5)
