"""A small network with all that placement must tell apart, films for it, and a short calibration."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from engine.model import Model  # noqa: E402
from tests.support.films import moving_scene, write_film  # noqa: E402
from tests.support.onnx_files import METADATA, save_model  # noqa: E402


def tensor(name: str, value: object, dtype: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def conv(rng: np.random.Generator, name: str, source: str, count: int, wanted: int, **more: object):
    """Return nodes and constants of a 3x3 convolution with ReLU: `name` is its output."""
    weights = rng.normal(0, (2 / (9 * count)) ** 0.5, (wanted, count, 3, 3))
    constants = [tensor(f"{name}.w", weights), tensor(f"{name}.b", rng.normal(0, 0.05, wanted))]
    nodes = [
        helper.make_node("Conv", [source, f"{name}.w", f"{name}.b"], [f"{name}.c"], name=name, pads=[1] * 4, **more),
        helper.make_node("Relu", [f"{name}.c"], [name], name=f"{name}.relu"),
    ]
    return nodes, constants


def restorer(path: Path, *, channels: int = 16, seed: int = 0, **metadata: str) -> Path:
    """Write a grey enhancer: unshuffled stem, residual layers, a mean's layer, a pixel shuffle, a last layer."""
    rng = np.random.default_rng(seed)
    stem = conv(rng, "stem", "half", 4, channels)
    one = conv(rng, "one", "stem", channels, channels)
    two = conv(rng, "two", "sum1", channels, channels)
    mix = tensor("mix.w", rng.normal(0, 0.2, (channels, channels, 1, 1)))
    last = tensor("last.w", rng.normal(0, 0.02, (1, channels // 4, 3, 3)))
    nodes = [
        helper.make_node("SpaceToDepth", ["luma"], ["half"], name="unshuffle", blocksize=2),
        *stem[0],
        *one[0],
        helper.make_node("Add", ["stem", "one"], ["sum1"], name="add1"),
        helper.make_node("ReduceMean", ["sum1"], ["mean"], name="mean", axes=[2, 3]),
        helper.make_node("Conv", ["mean", "mix.w"], ["mixed"], name="mix"),
        helper.make_node("Add", ["sum1", "mixed"], ["shifted"], name="shift"),
        *[node for node in two[0]],
        helper.make_node("Add", ["shifted", "two"], ["sum2"], name="add2"),
        helper.make_node("DepthToSpace", ["up"], ["full"], name="shuffle", blocksize=2, mode="CRD"),
        helper.make_node("Conv", ["full", "last.w"], ["change"], name="last", pads=[1] * 4),
        helper.make_node("Add", ["luma", "change"], ["luma_out"], name="add3"),
    ]
    up = conv(rng, "up", "sum2", channels, channels)
    nodes[-3:-3] = up[0]
    constants = [*stem[1], *one[1], *two[1], *up[1], mix, last]
    shape = (1, 1, "H", "W")
    card = {**METADATA, "name": "small-restorer", "size_multiple": "4", **metadata}
    return save_model(path, nodes, {"luma": shape}, {"luma_out": shape}, card, initializers=constants)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(restorer(tmp_path_factory.mktemp("model") / "small.onnx"))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 32 grey frames of 64×48 in two shots."""
    path = tmp_path_factory.mktemp("footage") / "reel.mp4"
    first = list(moving_scene(64, 48, 16, seed=3, color=False))
    second = [255 - picture // 2 for picture in moving_scene(64, 48, 16, seed=4, color=False)]
    return write_film(path, [*first, *second], options={"crf": "4"})
