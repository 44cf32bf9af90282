"""Exported models compute what their networks compute and carry their metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="exporting needs the export extra: pip install 'farshore[export]'")
pytest.importorskip("onnxscript", reason="exporting needs the export extra: pip install 'farshore[export]'")

from engine.model import find_model  # noqa: E402
from export.networks.plain_loop import network_of  # noqa: E402
from export.training.export_models import RECIPES, example_inputs, main, write_model  # noqa: E402

BY_NAME = {recipe.name: recipe for recipe in RECIPES}


@pytest.mark.parametrize("name", ["film-restore", "film-colorize"])
def test_an_exported_model_equals_its_network(name: str, tmp_path: Path) -> None:
    recipe = BY_NAME[name]
    torch.manual_seed(0)
    network = recipe.network()
    with torch.no_grad():
        for weight in network.parameters():
            if not weight.any():
                weight.normal_(0, 0.05)
    path = tmp_path / "model.onnx"
    write_model(recipe, network, path, version="7", metrics={"psnr": 30.5})
    assert not list(tmp_path.glob("*.part"))
    inputs = example_inputs(recipe, 128, 224, seed=5)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(recipe.outputs), {key: value.numpy() for key, value in inputs.items()})
    with torch.no_grad():
        wanted = network.eval()(*inputs.values())
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=2e-3)
    with torch.no_grad():
        again = network_of(find_model(str(path), None))(*inputs.values())
    for a, b in zip(again, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)
    properties = {item.key: item.value for item in onnx.load(str(path)).metadata_props}
    assert properties["farshore.name"] == name
    assert properties["farshore.version"] == "7"
    assert json.loads(properties["farshore.metrics"]) == {"psnr": 30.5}


def test_without_weights_nothing_is_exported(tmp_path: Path) -> None:
    assert main(["--checkpoints", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
