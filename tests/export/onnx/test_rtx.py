from pathlib import Path

import onnx
import pytest

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt.profiles import Sizes  # noqa: E402
from engine.errors import BuildError  # noqa: E402
from engine.model import Model  # noqa: E402
from export.onnx.rtx import try_build  # noqa: E402
from tests.engine.backends.tensorrt.engines import unbuildable  # noqa: E402
from tests.support.onnx_files import METADATA, save_halver  # noqa: E402


def test_a_trial_says_how_long_and_how_large(tmp_path: Path) -> None:
    trial = try_build(Model.load(save_halver(tmp_path / "halver.onnx")))
    assert trial.megabytes > 0.01
    assert trial.seconds > 0


def test_what_cannot_be_built_names_the_node(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(unbuildable("engine"))
    onnx.helper.set_model_props(graph, {f"farshore.{key}": value for key, value in METADATA.items()})
    onnx.save(graph, tmp_path / "bad.onnx")
    with pytest.raises(BuildError, match="culprit"):
        try_build(Model.load(tmp_path / "bad.onnx"), Sizes(usual=(1, 1)))
