"""PyTorch beside ours, on the processor."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="comes with the export extra")

from bench.gpu.kernels import KernelTimes  # noqa: E402
from bench.gpu.outcome import failures, refusals  # noqa: E402
from bench.gpu.peers import Peers, beside  # noqa: E402
from engine.errors import EngineError, UnsupportedModelError  # noqa: E402
from engine.quantized import check_loss  # noqa: E402
from export.peers.timing import time_network  # noqa: E402

NAME = "realesr-animevideov3-x2"


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    return Peers(sys.executable, tmp_path_factory.mktemp("peers"), [NAME])


def test_published_networks_are_written_in_three_precisions_and_timed(peers: Peers) -> None:
    models = {model.path.stem: model for model in peers.write()}
    assert {name: model.card.precision for name, model in models.items()} == {
        NAME: "fp32",
        f"{NAME}-fp16": "fp16",
        f"{NAME}-int8-tensorrt": "int8",
    }
    with pytest.raises(UnsupportedModelError, match="no measured loss"):
        check_loss(models[f"{NAME}-int8-tensorrt"], force=False)
    found = peers.time(64, 48, "cpu", ["eager-fp32"])
    assert json.loads(json.dumps(found)) == found
    rows = {(row["how"], row["precision"]): row for row in found["rows"]}
    assert rows.keys() == {("eager", "fp32")}  # half precision takes a processor seconds
    row = rows["eager", "fp32"]
    assert row["reason"] is None
    assert row["milliseconds"] > 0
    assert (row["model"], row["height"], row["width"]) == (NAME, 48, 64)


def test_what_pytorch_refuses_is_told_and_the_next_way_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []

    def refuse(network: object, *, mode: str) -> None:
        modes.append(mode)
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(torch, "compile", refuse)
    network, shapes = torch.nn.Conv2d(1, 1, 1), {"x": (1, 1, 4, 6)}
    with torch.inference_mode():
        compiled, eager = time_network(
            "n", network, shapes, (4, 6), torch.device("cpu"), [("compiled", "fp16"), ("eager", "fp32")]
        )
    assert modes == ["reduce-overhead"]
    assert (compiled.milliseconds, compiled.reason) == (None, "RuntimeError: no compiler")
    assert eager.milliseconds is not None
    assert network.weight.dtype == torch.float32


def test_without_pytorch_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nowhere: No such file.*--torch PYTHON"):
        Peers("nowhere", tmp_path).write()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho one >&2\necho 'ModuleNotFoundError: No module named torch' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(EngineError, match="PyTorch: ModuleNotFoundError: No module named torch"):
        Peers(str(python), tmp_path).write()


def timed(precision: str, milliseconds: float | None) -> dict[str, Any]:
    timing = {"height": 48, "width": 64, "milliseconds": milliseconds, "outcome": "right", "reason": None}
    name = f"{NAME}-{precision}"
    return {
        "model": name,
        "network": NAME,
        "precision": precision,
        "builtin": False,
        "outcome": "right",
        "reason": None,
        "timings": [timing],
    }


def test_times_stand_beside_ours_and_what_pytorch_refuses_is_told_and_fails_nothing() -> None:
    row = {"model": NAME, "height": 48, "width": 64, "precision": "fp16", "seconds_before": 1.0}
    rows = [
        {**row, "how": "eager", "milliseconds": 6.0, "reason": None},
        {**row, "how": "compiled", "milliseconds": None, "reason": "RuntimeError: no compiler"},
    ]
    backend = {
        "roof": {"bytes_per_second": 1.0, "operations_per_second": {}, "refused": {}},
        "models": [timed("fp32", 9.0), timed("fp16", 3.0), timed("int8", 2.0)],
        "chains": [],
        "films": [],
    }
    found = {
        "kernels": [],
        "kernel_times": KernelTimes(width=96, height=64).to_json(),
        "refused": {},
        "peers": {"reason": None, "rows": rows},
        "backends": {"tensorrt": backend},
    }
    eager, compiled = beside(found)
    assert eager == (
        f"{NAME} 64x48: PyTorch eager fp16 6.00 ms; tensorrt fp16 3.00 ms (2.00 times as fast); "
        "tensorrt int8 2.00 ms (3.00 times as fast)"
    )
    assert compiled.endswith("compiled fp16 RuntimeError: no compiler; tensorrt fp16 3.00 ms; tensorrt int8 2.00 ms")
    assert failures(found) == []
    assert refusals(found) == [f"PyTorch: {NAME} compiled fp16: RuntimeError: no compiler"]
    found["peers"] = {"reason": "PyTorch: not installed", "rows": []}
    assert refusals(found) == ["PyTorch: not installed"]
