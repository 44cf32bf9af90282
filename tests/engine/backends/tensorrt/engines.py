"""Keys, plans and graphs for tests that build engines."""

import hashlib
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from engine.backends.tensorrt.ensure import Ensured, Wishes, ensure_plan, plan_key
from engine.backends.tensorrt.library import Library, find_library
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.process import Limits
from engine.backends.tensorrt.profiles import ShapeRange, Sizes
from engine.backends.tensorrt.targets import Targets
from engine.model import Model

SMALL = Sizes(usual=(128, 192), smallest=(64, 64), largest=(256, 384))
ADA = Targets(compute_capabilities=("SM89",))


def library() -> Library:
    """Return TensorRT for RTX."""
    return find_library("rtx")


def key_of(data: bytes, profile: dict[str, ShapeRange] | None = None, targets: Targets = ADA) -> PlanKey:
    """Return the key of an ONNX file's engine."""
    return PlanKey(
        model="tested",
        model_sha256=hashlib.sha256(data).hexdigest(),
        precision="fp32",
        profile=profile or {},
        library="rtx",
        version=library().version,
        targets=targets,
    )


def ensured(model: Model, folder: Path, *, wishes: Wishes | None = None, limits: Limits | None = None) -> Ensured:
    """Return a model's plan for Ada at small sizes, from a folder of plans."""
    key = plan_key(model, library(), None, wishes or Wishes(sizes=SMALL, families=("ada",)))
    return ensure_plan(model, key, library(), folder, limits or Limits(), lambda *_: None, lambda _: None)


def unbuildable(kind: str) -> bytes:
    """Return a graph whose node ``culprit`` cannot be read, or (``engine``) read but not built."""
    if kind == "engine":
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="culprit")]
        weights = [helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], [0.1] * 108)]
        shapes = [1, 3, "h", "w"], [1, 4, "a", "b"]
    else:
        nodes, weights = [helper.make_node("Det", ["x"], ["y"], name="culprit")], []
        shapes = [1, 3, 3], [1]
    graph = helper.make_graph(
        nodes,
        "unbuildable",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes[1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
