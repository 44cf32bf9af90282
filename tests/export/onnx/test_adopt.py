import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="the export room needs the export extra")

from engine.errors import UnsupportedModelError, WeightsError  # noqa: E402
from engine.model import Model  # noqa: E402
from export.checkpoints.weights import Terms  # noqa: E402
from export.onnx.adopt import adopt  # noqa: E402
from tests.golden.cases import WEIGHTS, GoldenNetwork  # noqa: E402
from tests.support.onnx_files import save_halver  # noqa: E402

TERMS = Terms(licence="Apache-2.0", commercial_use="yes", source="https://home.example/yunet.onnx")
YUNET = WEIGHTS / "yunet_n_640_640.onnx"


@pytest.fixture(scope="module")
def yunet(tmp_path_factory):
    target = tmp_path_factory.mktemp("models") / "yunet.onnx"
    assert adopt(YUNET, target, terms=TERMS) == "yunet"
    return target


def test_yunet_says_what_it_is_and_keeps_its_graph(yunet):
    card = Model.load(yunet).card
    assert (card.name, card.role, card.value_range, card.licence) == ("yunet", "detect", (0.0, 255.0), "Apache-2.0")
    assert onnx.load(yunet).graph == onnx.load(YUNET).graph


def test_yunet_finds_the_faces_of_the_golden_case(yunet):
    golden = GoldenNetwork("yunet-faces")
    image = np.repeat(golden.inputs("solvay_crop")["image"][..., None], 3, 2)
    detector = cv2.FaceDetectorYN.create(str(yunet), "", image.shape[1::-1], 0.6, 0.3, 5000)
    _, faces = detector.detect(image)
    found = {"boxes": faces[:, :4], "landmarks": faces[:, 4:14].reshape(-1, 5, 2), "scores": faces[:, 14]}
    tolerance = golden.facts["tolerance"]
    limits = {"boxes": tolerance["pixels"], "landmarks": tolerance["pixels"], "scores": tolerance["scores"]}
    for name, wanted in golden.outputs("solvay_crop").items():
        np.testing.assert_allclose(found[name], wanted, atol=limits[name], rtol=0)


def test_an_unknown_model_is_told_what_it_gives(tmp_path):
    with pytest.raises(UnsupportedModelError, match="gives luma_out, which no model we know does"):
        adopt(save_halver(tmp_path / "halver.onnx"), tmp_path / "out.onnx", terms=TERMS)


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="not a readable ONNX file"):
        adopt(path, tmp_path / "out.onnx", terms=TERMS)
    assert not (tmp_path / "out.onnx").exists()
