import numpy as np
import onnx
import onnxruntime as ort

from engine.onnx_graph import read_graph
from engine.onnx_write import NodeText, write_onnx


def test_what_is_written_is_what_the_onnx_library_and_our_own_reader_read() -> None:
    nodes = [
        NodeText(kind="Conv", inputs=["x", "w"], outputs=["c"], attributes={"pads": (1, 1, 1, 1), "group": 2}),
        NodeText(kind="LeakyRelu", inputs=["c"], outputs=["r"], attributes={"alpha": 0.25}),
        NodeText(kind="Resize", inputs=["r", "", "scales"], outputs=["y"], attributes={"mode": "nearest"}),
    ]
    weights = np.random.default_rng(1).normal(size=(4, 1, 3, 3)).astype(np.float32)
    constants = {"w": weights, "scales": np.array([1, 1, 2, 2], np.float32)}
    data = write_onnx(nodes, {"x": (1, 2, 6, 5)}, {"y": 4}, constants)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    graph = read_graph(data)
    assert [node.kind for node in graph.nodes] == ["Conv", "LeakyRelu", "Resize"]
    assert graph.nodes[0].attributes == {"pads": (1, 1, 1, 1), "group": 2}
    assert graph.nodes[1].attributes == {"alpha": 0.25}
    assert graph.nodes[2].inputs == ("r", "", "scales")
    assert graph.constants["scales"].values == (1.0, 1.0, 2.0, 2.0)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": np.ones((1, 2, 6, 5), np.float32)})
    assert np.asarray(made).shape == (1, 4, 12, 10)
    assert np.allclose(np.asarray(made)[0, 0, 4, 4], max(weights[0].sum(), 0.25 * weights[0].sum()), atol=1e-5)


def test_large_and_negative_whole_numbers() -> None:
    shape = np.array([-1, 1 << 40], np.int64)
    data = write_onnx([NodeText(kind="Identity", inputs=["x"], outputs=["y"])], {"x": (1,)}, {"y": 1}, {"s": shape})
    assert read_graph(data).constants["s"].values == (-1, 1 << 40)
