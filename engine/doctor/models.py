"""ONNX Runtime's providers, each really run on a tiny network whose result is known; and the models that are here."""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from engine.doctor.finding import Finding, bad, good, not_applicable
from engine.errors import FarshoreError
from engine.model import builtin_models, installed_models
from engine.model_header import read_card
from engine.onnx_write import Array, NodeText, write_onnx

ELSEWHERE = {"AzureExecutionProvider": "runs models on another machine, which farshore never does"}
"""Providers that are no business of ours."""

TOLERANCE = 1e-3
"""Half precision within, as GPUs may compute, keeps three digits."""

SIDE = 16


def tiny_network() -> tuple[bytes, Array, Array]:
    """Return a 3×3 convolution with ReLU as ONNX bytes, a picture (1, 4, 16, 16), and what must come of it."""
    rng = np.random.default_rng(3)
    weights = rng.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32)
    picture = rng.random((1, 4, SIDE, SIDE), np.float32)
    nodes = [
        NodeText(kind="Conv", inputs=["x", "w"], outputs=["c"], attributes={"pads": (1, 1, 1, 1)}),
        NodeText(kind="Relu", inputs=["c"], outputs=["y"]),
    ]
    data = write_onnx(nodes, {"x": (1, 4, SIDE, SIDE)}, {"y": 4}, {"w": weights})
    around = np.pad(picture[0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    return data, picture, np.maximum(np.einsum("cyxij,ncij->nyx", windows, weights), 0)[None]


def check_providers(runtime: Callable[[], ModuleType] | None = None) -> Iterator[Finding]:
    """Run the tiny network on each provider that ONNX Runtime lists."""
    try:
        ort: Any = runtime() if runtime is not None else _import()
        listed: Sequence[str] = ort.get_available_providers()
    except (ImportError, AttributeError, OSError) as error:
        yield bad(
            "provider", f"ONNX Runtime does not load: {_line(error)}", "pip install --force-reinstall onnxruntime"
        )
        return
    if "CPUExecutionProvider" not in listed:
        yield bad("provider CPU", "not in this build of ONNX Runtime", "pip install --force-reinstall onnxruntime")
    for name in listed:
        subject = f"provider {name.removesuffix('ExecutionProvider')}"
        if name in ELSEWHERE:
            yield not_applicable(subject, ELSEWHERE[name])
        else:
            yield _run(ort, name, subject)


def _run(ort: Any, name: str, subject: str) -> Finding:
    data, picture, wanted = tiny_network()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    cure = "install its driver and libraries, or the onnxruntime package without it"
    try:
        session = ort.InferenceSession(data, options, providers=[name])
        if session.get_providers()[0] != name:
            return bad(subject, f"listed, but {session.get_providers()[0]} ran in its place", cure)
        made = session.run(None, {"x": picture})[0]
    except Exception as error:  # the library's errors share no base, and any of them is the finding
        return bad(subject, f"listed, but does not run: {_line(error)}", cure)
    error = float(np.abs(made - wanted).max())
    if not error <= TOLERANCE:
        return bad(subject, f"computes wrongly: off by {error:.3g}", "update the driver and onnxruntime; report it")
    return good(subject, f"runs; off by {error:.0e}")


def check_models() -> Iterator[Finding]:
    """Look whether the built-in models are there and every installed one says what it is."""
    built_in = builtin_models()
    if not built_in:
        yield bad("models", "the built-in ones are missing", "install farshore again")
    wrong: list[str] = []
    for name, path in {**installed_models(), **built_in}.items():
        try:
            read_card(path)
        except FarshoreError as error:
            wrong.append(f"{name} ({error})")
    if wrong:
        yield bad("models", "; ".join(wrong), "farshore models verify says more; delete them or fetch them again")
    elif built_in:
        yield good("models", f"{len(built_in)} built in, {len(installed_models())} installed")


def _import() -> ModuleType:
    import onnxruntime

    return onnxruntime


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text[:160] + "…" if len(text) > 160 else text) or type(error).__name__


CHECKS = (check_providers, check_models)
